// Walking over row-major indices.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/tensor.h"

namespace ganglion::reference {

// Elements between neighbours along each dimension of a dense row-major array.
inline Dims strides_of(const Dims& dims) {
  Dims strides(dims.size());
  std::int64_t stride = 1;
  for (std::size_t d = dims.size(); d-- > 0;) {
    strides[d] = stride;
    stride *= dims[d];
  }
  return strides;
}

inline std::int64_t offset_of(const Dims& index, const Dims& strides) {
  std::int64_t offset = 0;
  for (std::size_t d = 0; d < index.size(); ++d) offset += index[d] * strides[d];
  return offset;
}

// Calls visit(index) for every index of `dims` in row-major order.
template <typename Visit>
void for_each_index(const Dims& dims, const Visit& visit) {
  const std::int64_t count = element_count(dims);
  Dims index(dims.size(), 0);
  for (std::int64_t i = 0; i < count; ++i) {
    visit(static_cast<const Dims&>(index));
    for (std::size_t d = dims.size(); d-- > 0;) {
      if (++index[d] < dims[d]) break;
      index[d] = 0;
    }
  }
}

}  // namespace ganglion::reference
