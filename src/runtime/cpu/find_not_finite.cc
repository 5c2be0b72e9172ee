// Which step was the first to give a value that is not finite.
#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "base/error.h"
#include "runtime/cpu/executable.h"

namespace ganglion::runtime::cpu {
namespace {

using program::Operand;

bool all_finite(const kernels::Table& table, DType dtype, const std::byte* values, std::int64_t count) {
  if (dtype == DType::kF32) return !std::isnan(table.largest_magnitude(reinterpret_cast<const float*>(values), count));
  const auto storage = dtype == DType::kF16 ? kernels::Storage::kF16 : kernels::Storage::kBF16;
  constexpr std::int64_t kBlock = 512;
  float block[kBlock];
  for (std::int64_t i = 0; i < count; i += kBlock) {
    const std::int64_t n = std::min(kBlock, count - i);
    table.to_f32[static_cast<std::size_t>(storage)](values + i * 2, block, n);
    if (std::isnan(table.largest_magnitude(block, n))) return false;
  }
  return true;
}

// Of a step's result in one rank's memory, the rows in question. A cache is not looked at: what is not finite in it was
// so in the step before.
bool is_finite(const kernels::Table& table, const Frame& frame, const Operand& result, const RowsInQuestion& rows) {
  if (!is_float(result.dtype) || result.space == program::Space::kState) return true;
  const std::byte* values = frame.at(result);
  if (values == nullptr) return true;
  const std::int64_t count = frame.elements(result);
  if (result.rows == program::kAllRows) return all_finite(table, result.dtype, values, count);
  const std::int64_t real = frame.rows[result.rows];
  if (real == 0) return true;
  const RowRange& range = rows[static_cast<std::size_t>(result.rows)];
  const std::int64_t row = count / real;
  return all_finite(table, result.dtype,
                    values + range.begin * row * static_cast<std::int64_t>(dtype_size(result.dtype)),
                    (std::min(range.end, real) - range.begin) * row);
}

bool gives_only_finite(const kernels::Table& table, std::span<const Frame> frames, const program::Step& step,
                       const RowsInQuestion& rows) {
  for (const Frame& frame : step.per_rank ? frames : frames.first(1)) {
    for (const Operand& result : step.results) {
      if (!is_finite(table, frame, result, rows)) return false;
    }
  }
  return true;
}

}  // namespace

std::string CpuExecutable::describe_place(const program::Step& step) const {
  std::string text = fmt::format("{}{}{}", step.place, step.place.empty() ? "" : ": ", describe(step, table_->isa));
  const char* joint = " with ";
  for (const Operand& operand : step.operands) {
    if (operand.space != program::Space::kWeight) continue;
    const auto parameter = plain_.program.weights[static_cast<std::size_t>(operand.index)].parameter;
    text += joint + parameters_[static_cast<std::size_t>(parameter)]->name;
    joint = ", ";
  }
  return text;
}

std::vector<std::string> CpuExecutable::find_not_finite(std::span<const std::vector<TensorView>> inputs,
                                                        std::span<std::vector<MutableTensorView>> results,
                                                        std::span<const RowsInQuestion> questions) {
  Plan& plan = bind(inputs, results);
  for (const RowsInQuestion& rows : questions) {
    if (rows.size() != plan.program.sizes.size()) {
      fail(Code::kInvalidArgument, "[{}] rows of {} sizes are in question, there are {}", module_->name, rows.size(),
           plan.program.sizes.size());
    }
    for (const RowRange& range : rows) {
      if (range.begin < 0 || range.end < range.begin)
        fail(Code::kInvalidArgument, "[{}] rows {} to {} are in question", module_->name, range.begin, range.end);
    }
  }
  constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);
  std::vector<std::size_t> found(questions.size(), kNowhere);
  const std::function<void(std::size_t)> look = [&](std::size_t index) {
    for (std::size_t q = 0; q < questions.size(); ++q) {
      if (found[q] != kNowhere) continue;
      if (!gives_only_finite(*table_, plan.frames, plan.program.steps[index], questions[q])) found[q] = index;
    }
  };
  const int threads = pool_->team();
  pool_->run(threads,
             [&](int thread) { run_program_looking(plan.program, plan.frames, team_of(plan, thread, threads), look); });
  std::vector<std::string> places;
  for (const std::size_t index : found)
    places.push_back(index == kNowhere ? "" : describe_place(plan.program.steps[index]));
  return places;
}

}  // namespace ganglion::runtime::cpu
