#include "hub/url.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"

// A URL that is accepted is well formed: read again it is the same, and so is every reference resolved against it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using ganglion::hub::Url;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string_view first = text.substr(0, text.find('\n'));
  const std::string_view second = text.substr(std::min(text.size(), first.size() + 1));
  try {
    const Url url = Url::parse(first, "fuzz");
    if (Url::parse(url.text(), "fuzz").text() != url.text()) __builtin_trap();
    const Url resolved = url.resolve(second, "fuzz");
    if (Url::parse(resolved.text(), "fuzz").text() != resolved.text()) __builtin_trap();
  } catch (const ganglion::Error&) {
  }
  return 0;
}
