#include "hub/s3_reply.h"

#include <cstddef>
#include <cstdint>

#include "base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    for (const auto& object : ganglion::hub::parse_s3_page(text, "fuzz").objects) {
      if (object.key.empty()) __builtin_trap();
    }
  } catch (const ganglion::Error&) {
  }
  ganglion::hub::s3_error(text);
  return 0;
}
