// The steps of a tokenizer.json around its model: "normalizer", "pre_tokenizer", "decoder", "post_processor". Only for
// tokenizer_json.cc. Errors of all: kDataCorrupt for what is malformed, kUnsupported for a step that we do not have, by
// its name. `step` is nullptr when the file has null or nothing.
#pragma once

#include "tokenizer/json_text.h"
#include "tokenizer/tokenizer_parts.h"

namespace ganglion::tokenizer {

void read_normalizer(const Json* step, TokenizerParts& parts);
// Decides the alphabet of the model, too.
void read_pre_tokenizer(const Json* step, TokenizerParts& parts);
void read_decoder(const Json* step, TokenizerParts& parts);
// After the tokens that it names were read.
void read_post_processor(const Json* step, TokenizerParts& parts);

// kUnsupported with what is not supported, and what is.
[[noreturn]] void refuse(std::string_view what, std::string_view kind, std::string_view supported);

}  // namespace ganglion::tokenizer
