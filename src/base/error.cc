#include "base/error.h"

#include <array>

namespace ganglion {
namespace {

struct Row {
  std::string_view name;
  int http;
  int exit;
};

// In the order of the enum.
constexpr std::array<Row, 9> kRows = {{
    {"invalid_argument", 400, 2},
    {"not_found", 404, 3},
    {"unsupported", 501, 4},
    {"resource_exhausted", 507, 5},
    {"unavailable", 503, 6},
    {"cancelled", 499, 7},
    {"deadline_exceeded", 504, 8},
    {"data_corrupt", 500, 9},
    {"internal", 500, 70},
}};

const Row& row(Code code) noexcept { return kRows[static_cast<std::size_t>(code)]; }

}  // namespace

std::string_view code_name(Code code) noexcept { return row(code).name; }
int http_status(Code code) noexcept { return row(code).http; }
int exit_code(Code code) noexcept { return row(code).exit; }

}  // namespace ganglion
