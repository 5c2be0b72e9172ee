// The parts of infer_shape, by kind of operation, and what they share. Internal to hlo/; callers use shape_inference.h.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <utility>

#include "base/error.h"
#include "hlo/shape_inference.h"

namespace ganglion::hlo::infer {

// Throws Error{kInvalidArgument, "<where>: <describe>: <text>"}.
template <typename... Args>
[[noreturn]] void refuse(const Instruction& instruction, fmt::format_string<Args...> format, Args&&... args) {
  fail(Code::kInvalidArgument, "{}: {}: {}", where(instruction), describe(instruction),
       fmt::format(format, std::forward<Args>(args)...));
}

void want_operands(const Instruction& i, std::size_t count);
void want_at_least(const Instruction& i, std::size_t count);
// The shape of operand `index`, which must be an array.
const Shape& array_operand(const Instruction& i, std::size_t index);
// `dimension` is in [0, rank).
void want_dimension(const Instruction& i, const char* field, std::int64_t dimension, int rank);
// Every entry in [0, rank), none twice.
void want_distinct(const Instruction& i, const char* field, const Dims& dimensions, int rank);
bool contains(const Dims& dims, std::int64_t value) noexcept;
// The declared shape is an array that may exist.
void want_declared_array(const Instruction& i);
// called[index], which must exist, takes parameters of exactly these shapes and returns `result`.
void want_signature(const Instruction& i, std::size_t index, const std::vector<Shape>& parameters, const Shape& result);
// Exactly this many called computations.
void want_called(const Instruction& i, std::size_t count);

Shape elementwise_unary(const Instruction& i);
Shape elementwise_binary(const Instruction& i);
Shape compare(const Instruction& i);
Shape select(const Instruction& i);
Shape clamp(const Instruction& i);
Shape convert(const Instruction& i);
Shape bitcast_convert(const Instruction& i);

Shape parameter(const Instruction& i);
Shape constant(const Instruction& i);
Shape iota(const Instruction& i);

Shape broadcast(const Instruction& i);
Shape reshape(const Instruction& i);
Shape transpose(const Instruction& i);
Shape reverse(const Instruction& i);
Shape concatenate(const Instruction& i);
Shape pad(const Instruction& i);

Shape slice(const Instruction& i);
Shape dynamic_slice(const Instruction& i);
Shape dynamic_update_slice(const Instruction& i);
Shape gather(const Instruction& i);
Shape scatter(const Instruction& i);

Shape dot(const Instruction& i);
Shape reduce(const Instruction& i);
Shape sort(const Instruction& i);

Shape call(const Instruction& i);
Shape while_loop(const Instruction& i);
Shape tuple(const Instruction& i);
Shape get_tuple_element(const Instruction& i);
Shape custom_call(const Instruction& i);
Shape all_reduce(const Instruction& i);
Shape all_gather(const Instruction& i);
Shape replica_id(const Instruction& i);

}  // namespace ganglion::hlo::infer
