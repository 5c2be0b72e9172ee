// Seeded random numbers and tensors, the same on every machine.
#pragma once

#include <cstdint>
#include <random>

#include "tensor/tensor.h"

namespace ganglion::differential {

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::int64_t below(std::int64_t end) {
    return static_cast<std::int64_t>(engine_() % static_cast<std::uint64_t>(end));
  }
  std::int64_t between(std::int64_t first, std::int64_t last) { return first + below(last - first + 1); }
  bool chance(int percent) { return below(100) < percent; }
  template <typename Container>
  const auto& pick(const Container& container) {
    return container[static_cast<std::size_t>(below(static_cast<std::int64_t>(std::size(container))))];
  }

 private:
  std::mt19937_64 engine_;
};

// Floats: multiples of 1/64 in [-2, 2], so that every float type holds them exactly but bf16, whose are rounded.
// Integers in [-9, 9].
Tensor random_tensor(Random& random, DType dtype, Dims dims);

}  // namespace ganglion::differential
