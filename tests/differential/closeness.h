// Whether two tensors are the same, as far as they have to be.
#pragma once

#include <optional>
#include <string>

#include "tensor/tensor.h"

namespace ganglion::differential {

// Integers and pred are compared exactly, whatever is said here. NaN equals NaN of any bits.
struct Closeness {
  int ulps = 0;          // units in the last place of the tensor's own type
  bool flushed = false;  // expected values may have lost numbers below the smallest normal f32 (XLA's CPU backend does)
  double tolerance = 0;  // if not 0, instead of ulps: |difference| <= tolerance * max(1, |expected|)
};

// nullopt when they are close; else what differs first and how much: "element 7: got 1.5, expected 2 (8388608 ulps)".
std::optional<std::string> difference(const TensorView& got, const TensorView& expected, const Closeness& closeness);

}  // namespace ganglion::differential
