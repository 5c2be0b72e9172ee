// Reads a JSON body that a stranger sent: RFC 8259 strictly (no NaN, no comments, no trailing text, valid UTF-8, no
// lone surrogates), nesting bounded.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

namespace ganglion::http {

inline constexpr int kJsonDepth = 128;

// The document. Errors: kInvalidArgument, "[request] the body is ...", with the byte at which reading stopped.
nlohmann::json parse_json_body(std::string_view body, int depth_limit = kJsonDepth);

}  // namespace ganglion::http
