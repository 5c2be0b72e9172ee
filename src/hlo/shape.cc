#include "hlo/shape.h"

#include <fmt/format.h>

namespace ganglion::hlo {

std::string Shape::text() const {
  std::string out;
  if (is_tuple) {
    out = "(";
    for (std::size_t i = 0; i < elements.size(); ++i) {
      if (i > 0) out += ", ";
      out += elements[i].text();
    }
    return out + ")";
  }
  out = fmt::format("{}[", dtype_name(dtype));
  for (std::size_t i = 0; i < dims.size(); ++i) {
    out += fmt::format("{}{}{}", i > 0 ? "," : "", bounded && i == 0 ? "<=" : "", dims[i]);
  }
  return out + "]";
}

}  // namespace ganglion::hlo
