// vocab.json + merges.txt, the files of GPT-2 and OPT.
#include <utility>

#include "base/error.h"
#include "tokenizer/json_text.h"
#include "tokenizer/tokenizer_parts.h"

namespace ganglion::tokenizer {
namespace {

constexpr std::string_view kVocabFile = "vocab.json";
constexpr std::string_view kMergesFile = "merges.txt";

// The words of a line; byte-level tokens hold no white space.
std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (std::size_t start = line.find_first_not_of(" \t\r"); start != std::string_view::npos;) {
    const std::size_t end = std::min(line.find_first_of(" \t\r", start), line.size());
    words.push_back(line.substr(start, end - start));
    start = line.find_first_not_of(" \t\r", end);
  }
  return words;
}

}  // namespace

TokenizerParts read_vocab_merges(std::string_view vocab_json, std::string_view merges_txt) {
  TokenizerParts parts;
  parts.plain_byte_level = true;
  parts.use_byte_level(/*add_prefix_space=*/false, /*split_words=*/true);
  const Json vocab = parse_json_object(vocab_json, kVocabFile);
  for (const auto& [token, id] : vocab.items()) parts.vocabulary.add(token, integer(id, kVocabFile), kVocabFile);

  // The first line is the "#version" header whatever it says, and what follows the last newline is not a line: both as
  // GPT2Tokenizer reads the file, so that ranks agree.
  std::size_t number = 1;
  std::size_t start = std::min(merges_txt.find('\n'), merges_txt.size() - 1) + 1;
  for (std::size_t end; (end = merges_txt.find('\n', start)) != std::string_view::npos; start = end + 1) {
    ++number;
    const std::vector<std::string_view> words = words_of(merges_txt.substr(start, end - start));
    if (words.empty()) continue;
    if (words.size() != 2) {
      fail(Code::kDataCorrupt, "[{}] line {} has {} words; a merge is two tokens", kMergesFile, number, words.size());
    }
    parts.merges.push_back(make_merge_rule(parts.vocabulary, words[0], words[1], kMergesFile, parts.merges.size()));
  }
  return parts;
}

}  // namespace ganglion::tokenizer
