#include "hub/aws_profile.h"

#include <cstddef>
#include <cstdint>

#include "base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto file = ganglion::hub::parse_aws_file(text, "fuzz");
    ganglion::hub::find_profile(file, file, "default");
  } catch (const ganglion::Error&) {
  }
  return 0;
}
