#include "tests/differential/golden.h"

#include <cstring>
#include <nlohmann/json.hpp>
#include <span>

#include "base/error.h"
#include "base/json.h"
#include "hlo/proto_reader.h"

namespace ganglion::differential {
namespace {

std::string decode_base64(const std::string& text) {
  static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  std::uint32_t bits = 0;
  int held = 0;
  for (const char digit : text) {
    if (digit == '=') break;
    const std::size_t value = kDigits.find(digit);
    if (value == std::string_view::npos) fail(Code::kDataCorrupt, "[golden] '{}' is no base64 digit", digit);
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes.push_back(static_cast<char>((bits >> held) & 0xffu));
    }
  }
  return bytes;
}

Tensor tensor_of(const nlohmann::json& json) {
  const auto dtype = parse_dtype(json.at("dtype").get<std::string>());
  if (!dtype) fail(Code::kDataCorrupt, "[golden] unknown dtype {}", json.at("dtype").dump());
  Tensor tensor(*dtype, json.at("dims").get<Dims>());
  const std::string bytes = decode_base64(json.at("data").get<std::string>());
  if (bytes.size() != tensor.bytes())
    fail(Code::kDataCorrupt, "[golden] {} bytes for dims {}", bytes.size(), json.at("dims").dump());
  if (!bytes.empty()) std::memcpy(tensor.data(), bytes.data(), bytes.size());
  return tensor;
}

std::vector<std::vector<Tensor>> tensors_of(const nlohmann::json& json) {
  std::vector<std::vector<Tensor>> per_rank;
  for (const auto& of_rank : json) {
    per_rank.emplace_back();
    for (const auto& tensor : of_rank) per_rank.back().push_back(tensor_of(tensor));
  }
  return per_rank;
}

}  // namespace

std::vector<Golden> read_goldens(const std::filesystem::path& path) {
  std::vector<Golden> goldens;
  for (const nlohmann::json& json : read_json(path)) {
    Golden golden;
    golden.name = json.at("name").get<std::string>();
    const std::string proto = decode_base64(json.at("module").get<std::string>());
    try {
      golden.module = hlo::read_proto(std::as_bytes(std::span(proto.data(), proto.size())));
    } catch (const Error& error) {
      fail(error.code(), "[golden] {}: {}: {}", path.filename().string(), golden.name, error.what());
    }
    golden.arguments = tensors_of(json.at("arguments"));
    golden.results = tensors_of(json.at("results"));
    golden.closeness = {json.value("ulps", 0), json.value("flushed", false), json.value("tolerance", 0.0)};
    goldens.push_back(std::move(golden));
  }
  return goldens;
}

std::vector<std::vector<TensorView>> views(const std::vector<std::vector<Tensor>>& per_rank) {
  std::vector<std::vector<TensorView>> result;
  for (const auto& of_rank : per_rank) {
    result.emplace_back();
    for (const Tensor& tensor : of_rank) result.back().push_back(tensor.view());
  }
  return result;
}

}  // namespace ganglion::differential
