// `ganglion tokenize`: text to token ids and back, for people, scripts and the tests that compare with other programs.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "cli/verb.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

namespace ganglion::cli {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<std::int32_t>;
using tokenizer::Tokenizer;

struct Options {
  std::string model;
  std::string text = "-";
  bool decode = false;
  bool json = false;
  bool lines = false;
  bool pieces = false;
  bool no_special_tokens = false;
  bool skip_special_tokens = false;
};

constexpr JsonLimits kLineLimits = {.depth = 4, .malformed = Code::kInvalidArgument};

int hex_value(char c) {
  const std::size_t at = std::string_view("0123456789abcdef").find(c);
  if (at == std::string_view::npos) fail(Code::kInvalidArgument, "[tokenize] \"hex\" holds '{}': wanted 0-9 or a-f", c);
  return static_cast<int>(at);
}

// A line of --lines as a text: a JSON string, or {"hex": its bytes} for one that is not UTF-8.
std::string text_of(const Json& value, const std::string& place) {
  if (value.is_string()) return value.get<std::string>();
  const auto hex = value.is_object() ? value.find("hex") : value.end();
  if (!value.is_object() || hex == value.end() || !hex->is_string() || hex->get_ref<const std::string&>().size() % 2) {
    fail(Code::kInvalidArgument, "[{}] is {}: wanted a string, or an object with \"hex\"", place, value.type_name());
  }
  const std::string& digits = hex->get_ref<const std::string&>();
  std::string bytes;
  for (std::size_t i = 0; i < digits.size(); i += 2)
    bytes.push_back(static_cast<char>(16 * hex_value(digits[i]) + hex_value(digits[i + 1])));
  return bytes;
}

std::int32_t id_of(const Json& value, const std::string& place) {
  if (!value.is_number_integer() || value < 0 || value > 0x7FFFFFFF)
    fail(Code::kInvalidArgument, "[{}] {} is no token id", place, value.dump());
  return value.get<std::int32_t>();
}

Ids ids_of(const Json& value, const std::string& place) {
  if (!value.is_array()) fail(Code::kInvalidArgument, "[{}] is {}: wanted a list of ids", place, value.type_name());
  Ids ids;
  for (const Json& id : value) ids.push_back(id_of(id, place));
  return ids;
}

// "1, 15043 2787": ids between spaces, commas or brackets.
Ids parse_ids(const std::string& text) {
  constexpr const char* kBetween = " \t\r\n,[]";
  Ids ids;
  for (std::size_t start = text.find_first_not_of(kBetween); start != std::string::npos;) {
    const std::size_t end = std::min(text.find_first_of(kBetween, start), text.size());
    const std::string word = text.substr(start, end - start);
    if (word.size() > 10 || word.find_first_not_of("0123456789") != std::string::npos || std::stoll(word) > 0x7FFFFFFF)
      fail(Code::kInvalidArgument, "[tokenize] '{}' is no token id; --decode wants numbers", word);
    ids.push_back(static_cast<std::int32_t>(std::stoll(word)));
    start = text.find_first_not_of(kBetween, end);
  }
  return ids;
}

std::vector<std::string> stream_pieces(const Tokenizer& tokenizer, const Ids& ids, tokenizer::DecodeOptions options) {
  std::vector<std::string> pieces;
  tokenizer::StreamDecoder decoder(tokenizer, options);
  for (const std::int32_t id : ids) pieces.push_back(decoder.push(id));
  pieces.push_back(decoder.flush());
  return pieces;
}

void print(const Json& value) { std::cout << value.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n'; }

class Run {
 public:
  explicit Run(const Options& options)
      : options_(options),
        tokenizer_(Tokenizer::load(options.model)),
        encode_{.add_special_tokens = !options.no_special_tokens},
        decode_{.skip_special_tokens = options.skip_special_tokens} {}

  void lines() const {
    std::string line;
    for (std::size_t number = 1; std::getline(std::cin, line); ++number) {
      const std::string place = fmt::format("standard input line {}", number);
      const Json value = parse_json(line, place, kLineLimits);
      if (!options_.decode) {
        print(tokenizer_->encode(text_of(value, place), encode_));
      } else if (options_.pieces) {
        print(stream_pieces(*tokenizer_, ids_of(value, place), decode_));
      } else {
        print(tokenizer_->decode(ids_of(value, place), decode_));
      }
    }
  }

  void one(const std::string& text) const {
    const Ids ids = options_.decode ? parse_ids(text) : tokenizer_->encode(text, encode_);
    const std::string decoded = options_.decode ? tokenizer_->decode(ids, decode_) : std::string();
    if (options_.json) {
      Json tokens = Json::array();
      for (const std::int32_t id : ids) {
        const std::string* token = tokenizer_->token_text(id);
        tokens.push_back(token == nullptr ? Json() : Json(*token));
      }
      Json out = {{"ids", ids}, {"tokens", tokens}};
      if (options_.decode) out["text"] = decoded;
      print(out);
    } else if (options_.pieces) {
      for (const std::int32_t id : ids) {
        std::cout << fmt::format("{:>8}  {}\n", id, Json(to_valid(tokenizer_->token_bytes(id))).dump());
      }
    } else if (options_.decode) {
      std::cout << decoded << '\n';
    } else {
      std::cout << fmt::format("{}\n", fmt::join(ids, " "));
    }
  }

 private:
  static std::string to_valid(std::string_view bytes) { return tokenizer::to_valid_utf8(bytes); }

  const Options& options_;
  std::unique_ptr<Tokenizer> tokenizer_;
  tokenizer::EncodeOptions encode_;
  tokenizer::DecodeOptions decode_;
};

int tokenize(const Options& options) {
  std::ios::sync_with_stdio(false);
  const Run run(options);
  if (options.lines) {
    run.lines();
  } else if (options.text == "-") {
    run.one(std::string(std::istreambuf_iterator<char>(std::cin), {}));
  } else {
    run.one(options.text);
  }
  std::cout.flush();
  if (!std::cout) fail(Code::kUnavailable, "[tokenize] standard output was closed");
  return 0;
}

}  // namespace

Action add_tokenize(CLI::App& verb, const Settings&) {
  auto options = std::make_shared<Options>();
  verb.add_option("MODEL", options->model,
                  "a tokenizer.json or tokenizer.model, or a folder with one or with vocab.json")
      ->required();
  CLI::Option* text = verb.add_option("TEXT", options->text, "the text, or ids with --decode; -: all of standard input")
                          ->capture_default_str();
  verb.add_flag("--decode", options->decode, "ids to text");
  verb.add_flag("--pieces", options->pieces, "one token a line: its id and what it stands for");
  verb.add_flag("--json", options->json, "print {\"ids\", \"tokens\"} and, with --decode, \"text\"");
  verb.add_flag(
          "--lines", options->lines,
          "standard input has a JSON value a line, a string (or {\"hex\": bytes}), with --decode a list of ids; "
          "each is answered by a line of JSON, with --decode --pieces by what a stream would print token by token")
      ->excludes(text);
  verb.add_flag("--no-special-tokens", options->no_special_tokens, "encode without the tokens around a text");
  verb.add_flag("--skip-special-tokens", options->skip_special_tokens, "decode without special tokens");
  verb.footer("example: ganglion tokenize share/opt-demo 'Hello, world' --pieces");
  return [=] { return tokenize(*options); };
}

}  // namespace ganglion::cli
