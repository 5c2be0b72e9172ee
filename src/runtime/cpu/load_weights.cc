// From a source, read by rows, to the form the kernels want: packed panels or plain rows. The result depends on the
// weight's shape and storage type and on the kernel table, not on threads or chunks.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>

#include <fmt/core.h>

#include "base/error.h"
#include "runtime/cpu/executable.h"

namespace ganglion::runtime::cpu {
namespace {

// Of a source's rows that one thread holds at a time: what was read is still in the core's own cache when it is packed.
constexpr std::int64_t kChunkBytes = 1 << 20;
constexpr std::int64_t kWorthThreads = 64 << 10;

kernels::Storage storage_of(DType dtype) {
  return dtype == DType::kF16    ? kernels::Storage::kF16
         : dtype == DType::kBF16 ? kernels::Storage::kBF16
         : dtype == DType::kS8   ? kernels::Storage::kS8
         : dtype == DType::kS4   ? kernels::Storage::kS4
                                 : kernels::Storage::kF32;
}

// Every form begins on a cache line.
std::size_t aligned(std::int64_t bytes) { return (static_cast<std::size_t>(bytes) + 63) / 64 * 64; }

std::int64_t row_count(const Dims& dims) { return dims.empty() ? 1 : dims[0]; }

// Calls work(begin, end, staging) for chunks of rows [0, rows), each of a multiple of `step` rows but the last.
template <typename Work>
void for_chunks(const LoadTools& tools, std::int64_t rows, std::int64_t row_bytes, std::int64_t step,
                const Work& work) {
  if (rows == 0 || row_bytes == 0) return;
  const std::int64_t wanted = std::max<std::int64_t>(1, kChunkBytes / row_bytes / step) * step;
  const std::int64_t share = (rows / tools.pool.threads() + step - 1) / step * step;
  const std::int64_t chunk = std::max(step, std::min(wanted, share));
  const std::int64_t chunks = (rows + chunk - 1) / chunk;
  const auto staging_bytes = static_cast<std::size_t>(std::min(chunk, rows) * row_bytes);
  tools.staging.resize(static_cast<std::size_t>(tools.pool.threads()));
  std::atomic<std::int64_t> next = 0;
  const std::function<void(int)> job = [&](int thread) {
    Buffer& staging = tools.staging[static_cast<std::size_t>(thread)];
    for (std::int64_t i = next++; i < chunks; i = next++) {
      if (staging.size() < staging_bytes) staging = Buffer(staging_bytes);
      work(i * chunk, std::min(rows, (i + 1) * chunk), staging.data());
    }
  };
  // Waking the others takes longer than a bias.
  if (chunks == 1 || rows * row_bytes < kWorthThreads) {
    job(0);
  } else {
    tools.pool.run(job);
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

void load_plain(DType dtype, const TensorSource& source, const LoadTools& tools, std::byte* to) {
  const std::int64_t rows = row_count(source.dims());
  const std::int64_t count = element_count(source.dims());
  if (count == 0) return;
  const std::int64_t row = count / rows;
  const auto from_size = static_cast<std::int64_t>(dtype_size(source.dtype()));
  const auto to_size = static_cast<std::int64_t>(dtype_size(dtype));
  for_chunks(tools, rows, row * from_size, 1, [&](std::int64_t begin, std::int64_t end, std::byte* staging) {
    std::byte* out = to + begin * row * to_size;
    if (source.dtype() == dtype) {
      source.read_rows(begin, end, out);
      return;
    }
    source.read_rows(begin, end, staging);
    convert(tools.table, source.dtype(), staging, dtype, out, (end - begin) * row);
  });
}

}  // namespace

void load_form(const program::WeightForm& form, DType dtype, const TensorSource& source, const LoadTools& tools,
               std::byte* to) {
  if (!form.packed) return load_plain(dtype, source, tools, to);
  const auto size = static_cast<std::int64_t>(dtype_size(source.dtype()));
  const kernels::Storage from = storage_of(source.dtype()), stored = storage_of(dtype);
  if (form.transposed) {
    for_chunks(tools, form.k, form.n * size, 1, [&](std::int64_t begin, std::int64_t end, std::byte* staging) {
      source.read_rows(begin, end, staging);
      tools.table.pack_turned(from, staging, stored, to, begin, end, form.n, form.k);
    });
    return;
  }
  for_chunks(tools, form.n, form.k * size, tools.table.panel_width,
             [&](std::int64_t begin, std::int64_t end, std::byte* staging) {
               source.read_rows(begin, end, staging);
               tools.table.pack(from, staging, stored, to, begin, end, form.n, form.k);
             });
}

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
  std::string text = fmt::format("panels of {}\n", table_->panel_width);
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
    for (int copy = 0; copy < weight_copies(form); ++copy) {
      load_form(form, weight.shape.dtype, *per_rank[static_cast<std::size_t>(copy)], {*table_, *pool_, staging_},
                weight_pointers_[static_cast<std::size_t>(copy)][i]);
    }
  }
  loaded_[static_cast<std::size_t>(parameter)] = true;
}

}  // namespace ganglion::runtime::cpu
