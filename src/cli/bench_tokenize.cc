// `ganglion bench tokenize`: how fast text becomes ids, on one thread.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "cli/bench.h"
#include "tokenizer/tokenizer.h"

namespace ganglion::cli {
namespace {

struct Options {
  std::string model;
  std::string text;
  std::int64_t part = 0;
  int repeats = 3;
  bool json = false;
};

// The text in parts of about `size` bytes (all of it for 0), each ending with a line.
std::vector<std::string_view> parts_of(std::string_view text, std::size_t size) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    std::size_t end = text.size();
    if (size != 0 && size < end) {
      const std::size_t newline = text.find('\n', size);
      end = newline == std::string_view::npos ? end : newline + 1;
    }
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return parts;
}

int bench_tokenize(const Options& options) {
  using Clock = std::chrono::steady_clock;
  const auto seconds_since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const auto before_load = Clock::now();
  const auto tokenizer = tokenizer::Tokenizer::load(options.model);
  const double load_s = seconds_since(before_load);
  const std::string text = read_text(options.text, 1u << 30);
  if (text.empty()) fail(Code::kInvalidArgument, "[bench tokenize] {} is empty", options.text);
  const std::vector<std::string_view> parts = parts_of(text, static_cast<std::size_t>(options.part));
  std::vector<double> encode_rates;
  std::vector<double> decode_rates;
  std::size_t tokens = 0;
  for (int repeat = 0; repeat < options.repeats; ++repeat) {
    std::vector<std::vector<std::int32_t>> ids;
    const auto start = Clock::now();
    for (const std::string_view part : parts) ids.push_back(tokenizer->encode(part));
    encode_rates.push_back(static_cast<double>(text.size()) / 1e6 / seconds_since(start));
    tokens = 0;
    const auto decode_start = Clock::now();
    for (const auto& one : ids) {
      tokens += one.size();
      if (tokenizer->decode(one).empty()) fail(Code::kInternal, "[bench tokenize] a part decodes to nothing");
    }
    decode_rates.push_back(static_cast<double>(text.size()) / 1e6 / seconds_since(decode_start));
  }
  const Spread encode = spread(encode_rates);
  const Spread decode = spread(decode_rates);
  if (options.json) {
    const nlohmann::json out = {{"bytes", text.size()},
                                {"parts", parts.size()},
                                {"tokens", tokens},
                                {"load_s", load_s},
                                {"encode_mb_s", encode.median},
                                {"encode_mb_s_min", encode.min},
                                {"encode_mb_s_max", encode.max},
                                {"decode_mb_s", decode.median},
                                {"decode_mb_s_min", decode.min},
                                {"decode_mb_s_max", decode.max}};
    std::printf("%s\n", out.dump(2).c_str());
    return 0;
  }
  std::printf("%zu bytes in %zu parts, %zu tokens; loaded in %.3f s\n", text.size(), parts.size(), tokens, load_s);
  std::printf("encode  %8.1f MB/s  (%.1f to %.1f)\n", encode.median, encode.min, encode.max);
  std::printf("decode  %8.1f MB/s  (%.1f to %.1f)\n", decode.median, decode.min, decode.max);
  return 0;
}

}  // namespace

Action add_bench_tokenize(CLI::App& verb, const Settings&) {
  auto options = std::make_shared<Options>();
  verb.add_option("MODEL", options->model, "folder with a tokenizer")->required();
  verb.add_option("--text", options->text, "the file to encode")->required();
  verb.add_option("--part", options->part, "encode it in parts of so many bytes, up to the end of a line (0: whole)")
      ->capture_default_str()
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 30));
  verb.add_option("--repeats", options->repeats, "how often; the median is printed")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  verb.add_flag("--json", options->json, "print JSON");
  verb.footer("example: ganglion bench tokenize share/opt-demo --text README.md");
  return [=] { return bench_tokenize(*options); };
}

}  // namespace ganglion::cli
