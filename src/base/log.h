// Logging. `info` says life-cycle events, `debug` the rest; nothing on the token path or in kernels logs. The library
// logs only through the logger that the program installed; until then messages are dropped.
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>
#include <utility>

namespace ganglion::log {

enum class Level { kDebug, kInfo, kWarning, kError, kOff };

// Sends messages to stderr (colours only on a terminal), and to `file` too when it is not empty. Throws
// Error{kInvalidArgument} when the file's folder cannot be written. Call once, from main.
void install(Level level, const std::string& file = "");
// "debug", "info", "warn"/"warning", "error", "off"; throws Error{kInvalidArgument} on anything else.
Level parse_level(std::string_view text);
void set_level(Level level) noexcept;
void write(Level level, const std::string& message);

template <typename... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kDebug, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kWarning, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kError, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace ganglion::log
