#include "hlo/infer.h"

namespace ganglion::hlo::infer {
namespace {

// Operands [first, ...) are one integer scalar for each of `rank` dimensions.
void want_starts(const Instruction& i, std::size_t first, int rank) {
  want_operands(i, first + static_cast<std::size_t>(rank));
  for (std::size_t k = first; k < i.operands.size(); ++k) {
    const Shape& start = array_operand(i, k);
    if (!is_integer(start.dtype) || start.rank() != 0)
      refuse(i, "start {} is {}, wants an integer scalar", k - first, start.text());
  }
}

// Indices of a gather or scatter: an integer array whose dimension index_vector_dim (or an imagined last one of size 1)
// holds the index vectors. Returns the dims without that one.
struct IndexShape {
  Dims batch;
  std::int64_t vector_size = 1;
  bool bounded = false;
};
IndexShape index_shape(const Instruction& i, const Shape& indices, std::int64_t index_vector_dim) {
  if (!is_integer(indices.dtype)) refuse(i, "indices are {}, want an integer type", dtype_name(indices.dtype));
  if (index_vector_dim < 0 || index_vector_dim > indices.rank()) {
    refuse(i, "index_vector_dim {} of indices of rank {}", index_vector_dim, indices.rank());
  }
  IndexShape out;
  for (int d = 0; d < indices.rank(); ++d) {
    if (d == index_vector_dim) {
      out.vector_size = indices.dims[d];
    } else {
      out.batch.push_back(indices.dims[d]);
    }
  }
  if (indices.bounded && index_vector_dim == 0) refuse(i, "bounded rows cannot be the index vectors");
  out.bounded = indices.bounded;
  return out;
}

void want_increasing(const Instruction& i, const char* field, const Dims& dims) {
  for (std::size_t d = 1; d < dims.size(); ++d) {
    if (dims[d] <= dims[d - 1]) refuse(i, "{} must increase", field);
  }
}

}  // namespace

Shape slice(const Instruction& i) {
  want_operands(i, 1);
  Shape out = array_operand(i, 0);
  const auto rank = static_cast<std::size_t>(out.rank());
  if (i.starts.size() != rank || i.limits.size() != rank || i.strides.size() != rank) {
    refuse(i, "{} starts, {} limits and {} strides for rank {}", i.starts.size(), i.limits.size(), i.strides.size(),
           rank);
  }
  for (std::size_t d = 0; d < rank; ++d) {
    const std::int64_t size = out.dims[d];
    if (i.starts[d] < 0 || i.starts[d] > i.limits[d] || i.limits[d] > size || i.strides[d] < 1) {
      refuse(i, "dimension {}: [{}:{}:{}] of size {}", d, i.starts[d], i.limits[d], i.strides[d], size);
    }
    if (d == 0 && out.bounded && (i.starts[0] != 0 || i.limits[0] != size || i.strides[0] != 1)) {
      refuse(i, "bounded rows must be taken whole, not [{}:{}:{}]", i.starts[0], i.limits[0], i.strides[0]);
    }
    const std::int64_t span = i.limits[d] - i.starts[d];
    out.dims[d] = span == 0 ? 0 : (span - 1) / i.strides[d] + 1;
  }
  return out;
}

Shape dynamic_slice(const Instruction& i) {
  want_at_least(i, 1);
  Shape out = array_operand(i, 0);
  want_starts(i, 1, out.rank());
  if (static_cast<int>(i.slice_sizes.size()) != out.rank())
    refuse(i, "{} sizes for rank {}", i.slice_sizes.size(), out.rank());
  for (int d = 0; d < out.rank(); ++d) {
    if (i.slice_sizes[d] < 0 || i.slice_sizes[d] > out.dims[d]) {
      refuse(i, "slice size {} of dimension {} of size {}", i.slice_sizes[d], d, out.dims[d]);
    }
  }
  if (out.bounded && i.slice_sizes[0] != out.dims[0])
    refuse(i, "bounded rows must be taken whole, not {} of them", i.slice_sizes[0]);
  out.dims = i.slice_sizes;
  return out;
}

Shape dynamic_update_slice(const Instruction& i) {
  want_at_least(i, 2);
  const Shape& x = array_operand(i, 0);
  const Shape& update = array_operand(i, 1);
  want_starts(i, 2, x.rank());
  if (update.dtype != x.dtype) refuse(i, "types {} and {} differ", dtype_name(x.dtype), dtype_name(update.dtype));
  if (update.rank() != x.rank()) refuse(i, "ranks {} and {} differ", x.rank(), update.rank());
  for (int d = 0; d < x.rank(); ++d) {
    if (update.dims[d] > x.dims[d])
      refuse(i, "update size {} of dimension {} of size {}", update.dims[d], d, x.dims[d]);
  }
  if (x.bounded != update.bounded || (x.bounded && x.dims[0] != update.dims[0])) {
    refuse(i, "bounded rows are updated whole, by bounded rows of the same bound, or not at all");
  }
  return x;
}

Shape gather(const Instruction& i) {
  want_operands(i, 2);
  const Shape& x = array_operand(i, 0);
  const GatherDims& g = i.gather;
  const IndexShape indices = index_shape(i, array_operand(i, 1), g.index_vector_dim);
  if (static_cast<std::int64_t>(g.start_index_map.size()) != indices.vector_size) {
    refuse(i, "start_index_map has {} entries for index vectors of size {}", g.start_index_map.size(),
           indices.vector_size);
  }
  want_distinct(i, "start_index_map", g.start_index_map, x.rank());
  want_distinct(i, "collapsed_slice_dims", g.collapsed_slice_dims, x.rank());
  want_increasing(i, "collapsed_slice_dims", g.collapsed_slice_dims);
  if (static_cast<int>(g.slice_sizes.size()) != x.rank())
    refuse(i, "{} slice sizes for rank {}", g.slice_sizes.size(), x.rank());
  Dims kept;
  for (int d = 0; d < x.rank(); ++d) {
    if (g.slice_sizes[d] < 0 || g.slice_sizes[d] > x.dims[d]) {
      refuse(i, "slice size {} of dimension {} of size {}", g.slice_sizes[d], d, x.dims[d]);
    }
    if (!contains(g.collapsed_slice_dims, d)) {
      kept.push_back(g.slice_sizes[d]);
    } else if (g.slice_sizes[d] != 1) {
      refuse(i, "dimension {} is collapsed, its slice size {} must be 1", d, g.slice_sizes[d]);
    }
  }
  if (g.offset_dims.size() != kept.size()) {
    refuse(i, "{} offset_dims for {} dimensions that are not collapsed", g.offset_dims.size(), kept.size());
  }
  const auto rank = static_cast<int>(kept.size() + indices.batch.size());
  Shape out = Shape::array(x.dtype, Dims(static_cast<std::size_t>(rank), 0), indices.bounded);
  if (rank > 16) refuse(i, "the result's rank would be {}", rank);
  want_distinct(i, "offset_dims", g.offset_dims, rank);
  want_increasing(i, "offset_dims", g.offset_dims);
  std::size_t next_kept = 0;
  std::size_t next_batch = 0;
  for (int d = 0; d < rank; ++d) {
    out.dims[d] = contains(g.offset_dims, d) ? kept[next_kept++] : indices.batch[next_batch++];
  }
  if (indices.bounded && contains(g.offset_dims, 0))
    refuse(i, "bounded rows of the indices must be the result's first dimension");
  if (x.bounded && !(contains(g.collapsed_slice_dims, 0) && contains(g.start_index_map, 0))) {
    refuse(i, "bounded rows can only be gathered one at a time");
  }
  const std::string problem = shape_problem(out);
  if (!problem.empty()) refuse(i, "{}", problem);
  return out;
}

Shape scatter(const Instruction& i) {
  if (i.operands.size() > 3 && i.operands.size() % 2 == 1) {
    fail(Code::kUnsupported, "{}: {}: only one array at a time can be scattered into", where(i), describe(i));
  }
  want_operands(i, 3);
  const Shape& x = array_operand(i, 0);
  const Shape& updates = array_operand(i, 2);
  const ScatterDims& s = i.scatter;
  const IndexShape indices = index_shape(i, array_operand(i, 1), s.index_vector_dim);
  if (updates.dtype != x.dtype)
    refuse(i, "types {} and {} of operand and updates differ", dtype_name(x.dtype), dtype_name(updates.dtype));
  if (static_cast<std::int64_t>(s.scatter_dims_to_operand_dims.size()) != indices.vector_size) {
    refuse(i, "scatter_dims_to_operand_dims has {} entries for index vectors of size {}",
           s.scatter_dims_to_operand_dims.size(), indices.vector_size);
  }
  want_distinct(i, "scatter_dims_to_operand_dims", s.scatter_dims_to_operand_dims, x.rank());
  want_distinct(i, "inserted_window_dims", s.inserted_window_dims, x.rank());
  want_increasing(i, "inserted_window_dims", s.inserted_window_dims);
  want_distinct(i, "update_window_dims", s.update_window_dims, updates.rank());
  want_increasing(i, "update_window_dims", s.update_window_dims);
  if (s.update_window_dims.size() + s.inserted_window_dims.size() != x.dims.size()) {
    refuse(i, "{} update_window_dims and {} inserted_window_dims for rank {}", s.update_window_dims.size(),
           s.inserted_window_dims.size(), x.rank());
  }
  if (s.update_window_dims.size() + indices.batch.size() != updates.dims.size()) {
    refuse(i, "{} update_window_dims and {} index dimensions for updates of rank {}", s.update_window_dims.size(),
           indices.batch.size(), updates.rank());
  }
  std::size_t next_batch = 0;
  for (int d = 0; d < updates.rank(); ++d) {
    if (contains(s.update_window_dims, d)) continue;
    if (updates.dims[d] != indices.batch[next_batch]) {
      refuse(i, "updates' dimension {} has size {}, the indices' {}", d, updates.dims[d], indices.batch[next_batch]);
    }
    ++next_batch;
  }
  std::size_t next_window = 0;
  for (int d = 0; d < x.rank(); ++d) {
    if (contains(s.inserted_window_dims, d)) continue;
    const auto window = static_cast<std::size_t>(s.update_window_dims[next_window++]);
    if (updates.dims[window] > x.dims[d]) {
      refuse(i, "window size {} of dimension {} of size {}", updates.dims[window], d, x.dims[d]);
    }
  }
  if (x.bounded) refuse(i, "bounded rows cannot be scattered into");
  if (indices.bounded != updates.bounded) refuse(i, "indices and updates must both have bounded rows, or neither");
  if (updates.bounded && contains(s.update_window_dims, 0))
    refuse(i, "bounded rows of the updates must be the indices' rows");
  want_called(i, 1);
  const Shape scalar = Shape::array(x.dtype, {});
  want_signature(i, 0, {scalar, scalar}, scalar);
  return x;
}

}  // namespace ganglion::hlo::infer
