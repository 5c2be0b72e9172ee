// The type of a value in the graph: an element type with dims, or a tuple. The first dimension may be bounded: dims[0]
// is then an upper bound, printed as in XLA (f32[<=64,256]), and the size at run time is a scalar parameter of the
// module (see Module::row_bindings). Nothing else can be dynamic.
#pragma once

#include <string>
#include <vector>

#include "tensor/dtype.h"
#include "tensor/tensor.h"

namespace ganglion::hlo {

struct Shape {
  DType dtype = DType::kF32;
  Dims dims;
  bool bounded = false;  // dims[0] is an upper bound
  bool is_tuple = false;
  std::vector<Shape> elements;  // of a tuple

  static Shape array(DType dtype, Dims dims, bool bounded = false) {
    return {dtype, std::move(dims), bounded, false, {}};
  }
  static Shape tuple(std::vector<Shape> elements) { return {DType::kPred, {}, false, true, std::move(elements)}; }

  int rank() const { return static_cast<int>(dims.size()); }
  bool operator==(const Shape&) const = default;
  std::string text() const;  // "f32[<=64,256]", "(f32[2], s32[])"
};

}  // namespace ganglion::hlo
