// Which files of a published model are wanted: what transformers would load, once. Configuration and tokenizer, and the
// weights in one form: safetensors when there are some, else PyTorch's, never both, and none of other frameworks.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace ganglion::hub {

// Most files that a model may have, wanted or not.
inline constexpr std::size_t kMostFiles = 100'000;

// kDataCorrupt for a name that could lead out of the folder it is put in or that no file can have: empty, absolute,
// with an empty, "." or ".." part, a backslash, a control character, over 1024 bytes or 16 parts.
void check_file_name(std::string_view name, std::string_view place);

struct FileChoice {
  std::vector<std::string> files;  // configuration, tokenizer, weights (but the shards of `index`), sorted
  std::string index;               // names the shards, also in `files`; "" when there are none
};

// Of the names in the model's folder ('/' between parts). kNotFound when there is no config.json, or no weights that
// can be read, naming what is there instead.
FileChoice choose_files(const std::vector<std::string>& names, std::string_view place);
// The distinct shards that an index's JSON text ("weight_map") names. kDataCorrupt when it is no index, names none, or
// a name that is not safe, or more than kMostFiles.
std::vector<std::string> shards_of_index(std::string_view json, std::string_view place);

}  // namespace ganglion::hub
