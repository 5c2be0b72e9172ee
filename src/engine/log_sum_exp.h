// Sums over a row of logits, the whole vocabulary of them, for every new token: written as plain loops over lanes that
// the compiler turns into vectors, with one order of summation on every machine.
#pragma once

#include <cstddef>
#include <span>

namespace ganglion::engine {

// The largest; -infinity of none. NaN is passed over.
float highest_of(std::span<const float> numbers) noexcept;
// Whether none is NaN or infinite.
bool all_finite(std::span<const float> numbers) noexcept;
// The index of the first that equals `wanted`; their count when none does.
std::size_t first_of(std::span<const float> numbers, float wanted) noexcept;
// log(sum(exp(x - highest))), within 1e-6; numbers are finite and at most `highest`, which is one of them.
double log_sum_exp(std::span<const float> numbers, float highest) noexcept;

}  // namespace ganglion::engine
