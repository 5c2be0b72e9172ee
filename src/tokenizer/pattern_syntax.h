// Regular expressions of Oniguruma (Ruby's syntax), the engine of Hugging Face's tokenizers, in PCRE2's words. Only for
// pattern.cc.
#pragma once

#include <string>
#include <string_view>

namespace ganglion::tokenizer {

// The expression for PCRE2 (UTF and UCP on) that matches what `expression` matches in Oniguruma. White space is spelled
// out, because the two know different characters as such. Errors: kUnsupported, with what it is that we cannot vouch to
// mean the same in both.
std::string to_pcre2(std::string_view expression, std::string_view place);

}  // namespace ganglion::tokenizer
