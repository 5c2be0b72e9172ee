#include "tensor/dtype.h"

#include <array>

namespace ganglion {
namespace {

struct Row {
  std::string_view name;
  std::size_t size;
};

// In the order of the enum.
constexpr std::array<Row, kDTypeCount> kRows = {{{"pred", 1},
                                                 {"s4", 1},
                                                 {"s8", 1},
                                                 {"s32", 4},
                                                 {"s64", 8},
                                                 {"u8", 1},
                                                 {"u32", 4},
                                                 {"f16", 2},
                                                 {"bf16", 2},
                                                 {"f32", 4}}};

}  // namespace

std::size_t dtype_size(DType dtype) noexcept { return kRows[static_cast<std::size_t>(dtype)].size; }
std::string_view dtype_name(DType dtype) noexcept { return kRows[static_cast<std::size_t>(dtype)].name; }

std::optional<DType> parse_dtype(std::string_view name) noexcept {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (kRows[i].name == name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

}  // namespace ganglion
