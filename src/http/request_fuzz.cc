#include <cstddef>
#include <cstdint>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "http/request_parser.h"

#include <nlohmann/json.hpp>

// The first byte chooses the size of the pieces in which the rest arrives; bodies are read as JSON.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ganglion;
  if (size < 1) return 0;
  const std::size_t piece = data[0] + std::size_t{1};
  http::RequestLimits limits;
  limits.body_bytes = 4096;
  http::RequestParser parser(limits);
  std::string input;
  for (std::size_t at = 1; at < size; at += piece) {
    input.append(reinterpret_cast<const char*>(data) + at, piece < size - at ? piece : size - at);
    input.erase(0, parser.put(input));
    if (parser.state() == http::RequestParser::State::kMalformed ||
        parser.state() == http::RequestParser::State::kBodyTooLarge)
      return 0;
    if (parser.state() == http::RequestParser::State::kDone) break;
  }
  if (parser.state() != http::RequestParser::State::kDone) return 0;
  const http::Request request = parser.take();
  if (request.body.size() > limits.body_bytes) __builtin_trap();
  try {
    parse_json(request.body, "body");
  } catch (const Error&) {
  }
  return 0;
}
