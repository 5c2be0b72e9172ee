// From a source, read by rows, to the form the kernels want: packed panels or plain rows. The result depends on the
// weight's shape and storage type and on the kernel table, not on threads or chunks.
#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "runtime/cpu/executable.h"

namespace ganglion::runtime::cpu {
namespace {

constexpr std::int64_t kChunkBytes = 4 << 20;  // of a source's rows that one thread holds at a time

kernels::Storage storage_of(DType dtype) {
  return dtype == DType::kF16    ? kernels::Storage::kF16
         : dtype == DType::kBF16 ? kernels::Storage::kBF16
         : dtype == DType::kS8   ? kernels::Storage::kS8
         : dtype == DType::kS4   ? kernels::Storage::kS4
                                 : kernels::Storage::kF32;
}

std::int64_t row_count(const Dims& dims) { return dims.empty() ? 1 : dims[0]; }

// Calls work(begin, end, staging) for chunks of rows [0, rows), each of a multiple of `step` rows but the last.
template <typename Work>
void for_chunks(ThreadPool& pool, std::int64_t rows, std::int64_t row_bytes, std::int64_t step, const Work& work) {
  if (rows == 0 || row_bytes == 0) return;
  const std::int64_t wanted = std::max<std::int64_t>(1, kChunkBytes / row_bytes / step) * step;
  const std::int64_t share = (rows / pool.threads() + step - 1) / step * step;
  const std::int64_t chunk = std::max(step, std::min(wanted, share));
  const std::int64_t chunks = (rows + chunk - 1) / chunk;
  const std::function<void(int)> job = [&](int thread) {
    Buffer staging;
    for (std::int64_t i = thread; i < chunks; i += pool.threads()) {
      if (staging.size() == 0) staging = Buffer(static_cast<std::size_t>(std::min(chunk, rows) * row_bytes));
      work(i * chunk, std::min(rows, (i + 1) * chunk), staging.data());
    }
  };
  if (chunks == 1) {
    Buffer staging(static_cast<std::size_t>(rows * row_bytes));
    work(0, rows, staging.data());
  } else {
    pool.run(job);
  }
}

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

void load_plain(DType dtype, const TensorSource& source, const kernels::Table& table, ThreadPool& pool, std::byte* to) {
  const std::int64_t rows = row_count(source.dims());
  const std::int64_t count = element_count(source.dims());
  if (count == 0) return;
  const std::int64_t row = count / rows;
  const auto from_size = static_cast<std::int64_t>(dtype_size(source.dtype()));
  const auto to_size = static_cast<std::int64_t>(dtype_size(dtype));
  for_chunks(pool, rows, row * from_size, 1, [&](std::int64_t begin, std::int64_t end, std::byte* staging) {
    std::byte* out = to + begin * row * to_size;
    if (source.dtype() == dtype) {
      source.read_rows(begin, end, out);
      return;
    }
    source.read_rows(begin, end, staging);
    convert(table, source.dtype(), staging, dtype, out, (end - begin) * row);
  });
}

// A weight stored as [k, n]: read whole (one weight at a time), then turned chunk by chunk.
void load_turned(const program::WeightForm& form, DType dtype, const TensorSource& source, const kernels::Table& table,
                 ThreadPool& pool, std::byte* to) {
  const auto size = static_cast<std::int64_t>(dtype_size(source.dtype()));
  Tensor whole(source.dtype(), source.dims());
  load_plain(source.dtype(), source, table, pool, whole.data());
  for_chunks(pool, form.n, form.k * size, table.panel_width,
             [&](std::int64_t begin, std::int64_t end, std::byte* staging) {
               for (std::int64_t k = 0; k < form.k; ++k) {
                 const std::byte* row = whole.data() + (k * form.n + begin) * size;
                 for (std::int64_t n = 0; n < end - begin; ++n) {
                   std::memcpy(staging + (n * form.k + k) * size, row + n * size, static_cast<std::size_t>(size));
                 }
               }
               table.pack(storage_of(source.dtype()), staging, storage_of(dtype), to, begin, end, form.n, form.k);
             });
}

}  // namespace

void load_form(const program::WeightForm& form, DType dtype, const TensorSource& source, const kernels::Table& table,
               ThreadPool& pool, std::byte* to) {
  if (!form.packed) return load_plain(dtype, source, table, pool, to);
  if (form.transposed) return load_turned(form, dtype, source, table, pool, to);
  const auto size = static_cast<std::int64_t>(dtype_size(source.dtype()));
  for_chunks(pool, form.n, form.k * size, table.panel_width,
             [&](std::int64_t begin, std::int64_t end, std::byte* staging) {
               source.read_rows(begin, end, staging);
               table.pack(storage_of(source.dtype()), staging, storage_of(dtype), to, begin, end, form.n, form.k);
             });
}

void CpuExecutable::allocate_weights() {
  if (allocated_) return;
  const program::Program& program = plain_.program;
  weight_pointers_.assign(static_cast<std::size_t>(ranks_), {});
  state_pointers_.assign(static_cast<std::size_t>(ranks_), {});
  for (const program::WeightForm& form : program.weights) {
    std::vector<Buffer>& copies = weights_.emplace_back();
    for (int i = 0; i < weight_copies(form); ++i) copies.emplace_back(static_cast<std::size_t>(form.bytes));
    for (int rank = 0; rank < ranks_; ++rank) {
      weight_pointers_[static_cast<std::size_t>(rank)].push_back(
          copies[form.sharded ? static_cast<std::size_t>(rank) : 0].data());
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

void CpuExecutable::load_weight(std::int64_t parameter, std::span<const std::shared_ptr<const TensorSource>> per_rank) {
  if (parameter < 0 || static_cast<std::size_t>(parameter) >= parameters_.size() ||
      parameters_[static_cast<std::size_t>(parameter)]->role != hlo::ParameterRole::kWeight) {
    fail(Code::kInvalidArgument, "[{}] parameter {} is no weight", module_->name, parameter);
  }
  const hlo::Instruction& weight = *parameters_[static_cast<std::size_t>(parameter)];
  const std::size_t wanted = weight.sharded ? static_cast<std::size_t>(ranks_) : 1;
  if (per_rank.size() != wanted) {
    fail(Code::kInvalidArgument, "[{}] weight {}: {} sources, {} wanted ({} over {} ranks)", module_->name, weight.name,
         per_rank.size(), wanted, weight.sharded ? "sharded" : "whole", ranks_);
  }
  for (const auto& source : per_rank) {
    const bool same = source->dtype() == weight.shape.dtype;
    if (source->dims() != weight.shape.dims ||
        (!same && !(is_float(source->dtype()) && is_float(weight.shape.dtype)))) {
      fail(Code::kInvalidArgument, "[{}] weight {}: the source is {}, the module wants {}", module_->name, weight.name,
           shape_text(source->dtype(), source->dims()), weight.shape.text());
    }
  }
  allocate_weights();
  const program::Program& program = plain_.program;
  for (std::size_t i = 0; i < program.weights.size(); ++i) {
    const program::WeightForm& form = program.weights[i];
    if (form.parameter != parameter) continue;
    for (std::size_t copy = 0; copy < weights_[i].size(); ++copy) {
      const TensorSource& source = *per_rank[weight.sharded ? copy : 0];
      load_form(form, weight.shape.dtype, source, *table_, *pool_, weights_[i][copy].data());
    }
  }
  loaded_[static_cast<std::size_t>(parameter)] = true;
}

}  // namespace ganglion::runtime::cpu
