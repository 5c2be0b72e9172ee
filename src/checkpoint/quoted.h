// Names that a file holds, as messages show them.
#pragma once

#include <string>
#include <string_view>

namespace ganglion::checkpoint {

// In quotes; of a long name the beginning, and bytes that are not printable ASCII or UTF-8's as \xNN.
std::string in_quotes(std::string_view name);
// Whether the text may be the name of a weight: whole UTF-8, as JSON and safetensors want it.
bool is_utf8(std::string_view text) noexcept;

}  // namespace ganglion::checkpoint
