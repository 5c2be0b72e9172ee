// The one exception type of ganglion, and the one table from its code to an HTTP status and to a process exit code.
// Messages start with the place in brackets and say the value seen, the value wanted and where to change it:
//   [serving.properties] option.tensor_parallel_degree=3: 32 heads cannot be split in 3; use 1, 2, 4, 8, 16 or 32
// What is expected (queue full, client gone, stop token) is a value, never an Error.
#pragma once

#include <fmt/core.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace ganglion {

enum class Code {
  kInvalidArgument,
  kNotFound,
  kUnsupported,
  kResourceExhausted,
  kUnavailable,
  kCancelled,
  kDeadlineExceeded,
  kDataCorrupt,
  kInternal,
};

class Error : public std::runtime_error {
 public:
  Error(Code code, const std::string& message) : std::runtime_error(message), code_(code) {}
  Code code() const noexcept { return code_; }

 private:
  Code code_;
};

// Throws Error{code, formatted message}.
template <typename... Args>
[[noreturn]] void fail(Code code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}

// "invalid_argument", "not_found", ...
std::string_view code_name(Code code) noexcept;
// 400, 404, 501, 507, 503, 499, 504, 500, 500 in the order of the enum.
int http_status(Code code) noexcept;
// 2 for a caller's mistake, 3 not found, 4 unsupported, 5 resources, 6 unavailable, 7 cancelled, 8 deadline, 9 corrupt
// data, 70 internal.
int exit_code(Code code) noexcept;

}  // namespace ganglion

// An invariant of our own code: throws Code::kInternal, never aborts.
#define GANGLION_CHECK(condition)                                                                              \
  do {                                                                                                         \
    if (!(condition)) {                                                                                        \
      ::ganglion::fail(::ganglion::Code::kInternal, "[{}:{}] invariant does not hold: {}", __FILE__, __LINE__, \
                       #condition);                                                                            \
    }                                                                                                          \
  } while (false)
