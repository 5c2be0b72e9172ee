#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "server/properties.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto properties =
        ganglion::server::Properties::parse(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz");
    for (const auto& [key, value] : properties.entries()) {
      if (properties.get(key) != value) __builtin_trap();
    }
  } catch (const ganglion::Error&) {
  }
  return 0;
}
