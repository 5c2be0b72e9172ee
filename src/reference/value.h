// What an instruction gives while a module is evaluated: an array or a tuple. Copies share the numbers.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace ganglion::reference {

struct Value {
  TensorView view;                    // of an array
  std::shared_ptr<const void> owner;  // keeps the numbers; null when the caller of evaluate() does
  bool is_tuple = false;
  std::vector<Value> elements;

  static Value array(Tensor tensor) {
    auto owner = std::make_shared<const Tensor>(std::move(tensor));
    return {owner->view(), owner, false, {}};
  }
  static Value tuple(std::vector<Value> elements) { return {{}, nullptr, true, std::move(elements)}; }
  // The same numbers under other dims (of the same product).
  Value with_dims(Dims dims) const { return {{view.dtype, std::move(dims), view.data}, owner, false, {}}; }
};

}  // namespace ganglion::reference
