// From a source, read by rows, to the form the kernels want: packed panels or plain rows. The result depends on the
// weight's shape and storage type and on the kernel table, not on threads or chunks.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <unordered_map>

#include <fmt/core.h>

#include "base/error.h"
#include "compiler/storage.h"
#include "runtime/cpu/executable.h"

namespace ganglion::runtime::cpu {
namespace {

// Of a source's rows that one thread holds at a time: what was read is still in the core's own cache when it is packed.
constexpr std::int64_t kStagingBytes = 256 << 10;
// What one thread fills of the image from end to end: the memory is given, and zeroed, in pages of this size, and what
// a thread has just zeroed is in its cache when it is written. Threads that share a page take twice as long.
constexpr std::uintptr_t kPage = 2 << 20;
// Of a source that is spread over all panels.
constexpr std::int64_t kSpreadBytes = 1 << 20;
// Waking the others takes longer than a bias.
constexpr std::int64_t kWorthThreads = 64 << 10;

// Every form begins on a cache line.
std::size_t aligned(std::int64_t bytes) { return (static_cast<std::size_t>(bytes) + 63) / 64 * 64; }

std::int64_t row_count(const Dims& dims) { return dims.empty() ? 1 : dims[0]; }

void convert(const kernels::Table& table, DType from, const std::byte* values, DType to, std::byte* out,
             std::int64_t count) {
  constexpr std::int64_t kBlock = 1024;
  float block[kBlock];
  for (std::int64_t i = 0; i < count; i += kBlock) {
    const std::int64_t n = std::min(kBlock, count - i);
    table.to_f32[static_cast<std::size_t>(storage_of(from))](values + i * static_cast<std::int64_t>(dtype_size(from)),
                                                             block, n);
    table.from_f32[static_cast<std::size_t>(storage_of(to))](block, out + i * static_cast<std::int64_t>(dtype_size(to)),
                                                             n);
  }
}

// Rows [begin, end) of a stored form of a weight, filled by one thread.
struct Piece {
  const program::WeightForm* form;
  std::shared_ptr<const TensorSource> source;
  DType dtype;    // stored
  std::byte* to;  // where the whole form is
  std::int64_t begin, end;
  std::uintptr_t page;  // of the image, where it begins; 0: in many
};

// Of one row of the source.
std::int64_t source_row_bytes(const TensorSource& source) {
  const std::int64_t rows = row_count(source.dims());
  return rows == 0 ? 0 : element_count(source.dims()) / rows * static_cast<std::int64_t>(dtype_size(source.dtype()));
}

// The source's rows that are stored one after another, as the kernels want them.
std::int64_t rows_together(const program::WeightForm& form, const kernels::Table& table) {
  return form.packed && !form.transposed ? table.panel_width : 1;
}

// Cuts a form where pages of the image begin; what does not lie in the order of its source, by its source's size.
void cut(const Piece& whole, const kernels::Table& table, std::vector<Piece>& out) {
  const std::int64_t row_bytes = source_row_bytes(*whole.source);
  if (whole.end == 0 || row_bytes == 0) return;
  if (whole.form->transposed) {
    const std::int64_t step = std::max<std::int64_t>(1, kSpreadBytes / row_bytes);
    for (std::int64_t begin = 0; begin < whole.end; begin += step) {
      out.push_back(whole);
      out.back().begin = begin;
      out.back().end = std::min(whole.end, begin + step);
    }
    return;
  }
  const std::int64_t unit = rows_together(*whole.form, table);
  const std::int64_t units = (whole.end + unit - 1) / unit;
  const auto unit_bytes = static_cast<std::uintptr_t>(whole.form->bytes / units);
  const auto to = reinterpret_cast<std::uintptr_t>(whole.to);
  for (std::int64_t first = 0; first < units;) {
    const std::uintptr_t page = (to + static_cast<std::uintptr_t>(first) * unit_bytes) / kPage;
    const auto next = static_cast<std::int64_t>(((page + 1) * kPage - to + unit_bytes - 1) / unit_bytes);
    out.push_back(whole);
    out.back().begin = first * unit;
    out.back().end = std::min(whole.end, next * unit);
    out.back().page = page;
    first = next;
  }
}

// Rows [begin, end) of a packed form.
void pack_rows(const Piece& piece, const kernels::Table& table, const std::byte* rows, std::int64_t begin,
               std::int64_t end) noexcept {
  const program::WeightForm& form = *piece.form;
  if (form.scales)
    return table.pack_scales(storage_of(piece.source->dtype()), rows, piece.to, begin, end, form.n, form.k);
  const auto pack = form.transposed ? table.pack_turned : table.pack;
  pack(storage_of(piece.source->dtype()), rows, storage_of(piece.dtype), piece.to, begin, end, form.n, form.k);
}

void load_rows(const Piece& piece, const kernels::Table& table, std::int64_t begin, std::int64_t end,
               std::byte* staging) {
  const DType from = piece.source->dtype();
  if (piece.form->packed) {
    piece.source->read_rows(begin, end, staging);
    return pack_rows(piece, table, staging, begin, end);
  }
  const std::int64_t row = source_row_bytes(*piece.source) / static_cast<std::int64_t>(dtype_size(from));
  std::byte* out = piece.to + begin * row * static_cast<std::int64_t>(dtype_size(piece.dtype));
  if (from == piece.dtype) return piece.source->read_rows(begin, end, out);
  piece.source->read_rows(begin, end, staging);
  convert(table, from, staging, piece.dtype, out, (end - begin) * row);
}

void load_piece(const Piece& piece, const kernels::Table& table, Buffer& staging) {
  if (piece.form->packed && piece.source->with_rows(piece.begin, piece.end, [&](const std::byte* rows) {
        pack_rows(piece, table, rows, piece.begin, piece.end);
      })) {
    return;
  }
  const std::int64_t row_bytes = source_row_bytes(*piece.source);
  const std::int64_t unit = rows_together(*piece.form, table);
  const std::int64_t step = std::max<std::int64_t>(1, kStagingBytes / row_bytes / unit) * unit;
  const std::int64_t most = std::min(step, piece.end - piece.begin);
  if (staging.size() < static_cast<std::size_t>(most * row_bytes))
    staging = Buffer(static_cast<std::size_t>(most * row_bytes));
  for (std::int64_t begin = piece.begin; begin < piece.end; begin += step)
    load_rows(piece, table, begin, std::min(piece.end, begin + step), staging.data());
}

// Bytes of the image that a piece fills, so that those of a form sum to about the form's.
std::int64_t stored_bytes(const Piece& piece) {
  const std::int64_t rows = row_count(piece.source->dims());
  return piece.form->bytes * piece.end / rows - piece.form->bytes * piece.begin / rows;
}

}  // namespace

void CpuExecutable::allocate_weights() {
  if (allocated_) return;
  const program::Program& program = plain_.program;
  weight_pointers_.assign(static_cast<std::size_t>(ranks_), {});
  state_pointers_.assign(static_cast<std::size_t>(ranks_), {});
  std::size_t bytes = 0;
  for (const program::WeightForm& form : program.weights)
    bytes += aligned(form.bytes) * static_cast<std::size_t>(weight_copies(form));
  weights_ = Buffer(bytes);
  std::byte* next = weights_.data();
  for (const program::WeightForm& form : program.weights) {
    for (int rank = 0; rank < ranks_; ++rank) {
      weight_pointers_[static_cast<std::size_t>(rank)].push_back(next);
      if (form.sharded || rank == ranks_ - 1) next += aligned(form.bytes);
    }
  }
  for (const program::StateSlot& state : program.states) {
    std::vector<Buffer>& copies = states_.emplace_back();
    for (int rank = 0; rank < ranks_; ++rank) {
      copies.emplace_back(static_cast<std::size_t>(state.bytes));
      state_pointers_[static_cast<std::size_t>(rank)].push_back(copies.back().data());
    }
  }
  allocated_ = true;
}

std::string CpuExecutable::weight_layout() const {
  std::string text = fmt::format("panels of {}\n", table_->packing);
  for (const program::WeightForm& form : plain_.program.weights) {
    const hlo::Instruction& weight = *parameters_[static_cast<std::size_t>(form.parameter)];
    text += fmt::format("{} {} {} x {} {}{}\n", weight.name, weight.shape.text(), weight_copies(form), form.bytes,
                        form.packed ? "packed" : "plain", form.transposed ? " from columns" : "");
  }
  return text;
}

std::span<std::byte> CpuExecutable::weight_image() {
  allocate_weights();
  return {weights_.data(), weights_.size()};
}

void CpuExecutable::weights_are_in_image() {
  for (const program::WeightForm& form : plain_.program.weights)
    loaded_[static_cast<std::size_t>(form.parameter)] = true;
}

void CpuExecutable::check_source(const WeightSources& weight) const {
  if (weight.parameter < 0 || static_cast<std::size_t>(weight.parameter) >= parameters_.size() ||
      parameters_[static_cast<std::size_t>(weight.parameter)]->role != hlo::ParameterRole::kWeight) {
    fail(Code::kInvalidArgument, "[{}] parameter {} is no weight", module_->name, weight.parameter);
  }
  const hlo::Instruction& wanted = *parameters_[static_cast<std::size_t>(weight.parameter)];
  const std::size_t count = wanted.sharded ? static_cast<std::size_t>(ranks_) : 1;
  if (weight.per_rank.size() != count) {
    fail(Code::kInvalidArgument, "[{}] weight {}: {} sources, {} wanted ({} over {} ranks)", module_->name, wanted.name,
         weight.per_rank.size(), count, wanted.sharded ? "sharded" : "whole", ranks_);
  }
  for (const auto& source : weight.per_rank) {
    const bool same = source->dtype() == wanted.shape.dtype;
    if (source->dims() != wanted.shape.dims ||
        (!same && !(is_float(source->dtype()) && is_float(wanted.shape.dtype)))) {
      fail(Code::kInvalidArgument, "[{}] weight {}: the source is {}, the module wants {}", module_->name, wanted.name,
           shape_text(source->dtype(), source->dims()), wanted.shape.text());
    }
  }
}

void CpuExecutable::load_weights(std::vector<WeightSources> weights,
                                 const std::function<void(std::int64_t)>& on_bytes) {
  std::unordered_map<std::int64_t, const WeightSources*> given;
  for (const WeightSources& weight : weights) {
    check_source(weight);
    given[weight.parameter] = &weight;
  }
  allocate_weights();
  std::vector<Piece> pieces;  // in the order of the image
  for (std::size_t i = 0; i < plain_.program.weights.size(); ++i) {
    const program::WeightForm& form = plain_.program.weights[i];
    const auto found = given.find(form.parameter);
    if (found == given.end()) continue;
    const DType dtype = parameters_[static_cast<std::size_t>(form.parameter)]->shape.dtype;
    for (std::size_t copy = 0; copy < found->second->per_rank.size(); ++copy) {
      const auto& source = found->second->per_rank[copy];
      cut({&form, source, dtype, weight_pointers_[copy][i], 0, row_count(source->dims()), 0}, *table_, pieces);
    }
  }
  for (WeightSources& weight : weights) weight.per_rank.clear();  // a source lives as long as its last piece
  // What begins in the same page of the image is one thread's.
  std::vector<std::size_t> groups;
  std::int64_t bytes = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (i == 0 || pieces[i].page == 0 || pieces[i].page != pieces[i - 1].page) groups.push_back(i);
    bytes += stored_bytes(pieces[i]);
  }
  groups.push_back(pieces.size());

  std::atomic<std::size_t> next = 0;
  std::atomic<std::int64_t> done = 0;
  const std::function<void(int)> job = [&](int thread) {
    Buffer staging;
    try {
      for (std::size_t group = next++; group + 1 < groups.size(); group = next++) {
        for (std::size_t i = groups[group]; i < groups[group + 1]; ++i) {
          load_piece(pieces[i], *table_, staging);
          done += stored_bytes(pieces[i]);
          pieces[i].source.reset();
        }
        if (thread == 0 && on_bytes) on_bytes(done);
      }
    } catch (...) {
      next = groups.size();  // the others need not go on
      throw;
    }
  };
  if (bytes < kWorthThreads) {
    job(0);
  } else {
    pool_->run(job);
  }
  for (const WeightSources& weight : weights) loaded_[static_cast<std::size_t>(weight.parameter)] = true;
}

}  // namespace ganglion::runtime::cpu
