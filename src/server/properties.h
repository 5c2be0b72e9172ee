// Java's .properties format, which serving.properties and config.properties are written in, with all its rules: '#' and
// '!' comments, '=', ':' or blank as separator, blanks around it dropped, '\' escapes (\t \n \r \f \uXXXX, any other
// character stands for itself), lines continued by a trailing '\'. Bytes above 0x7F are kept as they are, so UTF-8
// files read as people expect (Java itself would read them as Latin-1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ganglion::server {

class Properties {
 public:
  // Reads a whole file's text. `place` names the file in errors: kInvalidArgument for a broken \u escape.
  static Properties parse(std::string_view text, std::string place);

  // The last value of the key, as Java has it; nullopt when the key is not there.
  std::optional<std::string> get(std::string_view key) const;
  // As get(), checked: a whole number within [low, high], or "true"/"false" in any case. Errors: kInvalidArgument,
  // "[<place>] key=value: wanted ...".
  std::optional<std::int64_t> integer(std::string_view key, std::int64_t low, std::int64_t high) const;
  std::optional<bool> boolean(std::string_view key) const;
  // Every key once, with its last value, in the order of their first lines.
  const std::vector<std::pair<std::string, std::string>>& entries() const noexcept { return entries_; }
  const std::string& place() const noexcept { return place_; }
  void set(std::string key, std::string value);

 private:
  std::string place_;
  std::vector<std::pair<std::string, std::string>> entries_;
};

}  // namespace ganglion::server
