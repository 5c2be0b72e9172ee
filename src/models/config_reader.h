// Takes fields out of a config.json, each checked as it is read. Messages begin with the place and name the field.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "nn/activation.h"

namespace ganglion::models {

class ConfigReader {
 public:
  // `object` must be a JSON object and outlive the reader; kDataCorrupt when it is something else.
  ConfigReader(const nlohmann::json& object, std::string place);

  // A number within [low, high]. Errors: kInvalidArgument when it is missing and there is no `otherwise`, not an
  // integer, or out of range. A null counts as missing.
  std::int64_t integer(const char* key, std::int64_t low, std::int64_t high,
                       std::optional<std::int64_t> otherwise = std::nullopt) const;
  double number(const char* key, double low, double high, std::optional<double> otherwise = std::nullopt) const;
  bool flag(const char* key, bool otherwise) const;
  std::string text(const char* key, const std::string& otherwise) const;
  // Token ids: one or a list of them, below `vocab`; empty when there is none (a null or -1).
  std::vector<std::int64_t> token_ids(const char* key, std::int64_t vocab,
                                      std::optional<std::int64_t> otherwise = std::nullopt) const;
  // An activation's name, as transformers spells them: kUnsupported with the names there are.
  nn::ActivationFunction activation(const char* key, const std::string& otherwise) const;
  // A nested object; nullopt when there is none. It counts what is read by itself.
  std::optional<ConfigReader> object(const char* key) const;
  bool has(const char* key) const { return find(key) != nullptr; }
  const std::string& place() const noexcept { return place_; }

  // kUnsupported when a field that would change the mathematics is there, was not read, and is not neutral.
  void refuse_unread() const;
  // kUnsupported for every field that was not read, but the `harmless` ones: for small objects such as rope_scaling.
  void refuse_all_unread(std::initializer_list<const char*> harmless = {}) const;

 private:
  const nlohmann::json* find(const char* key) const;

  const nlohmann::json& object_;
  std::string place_;
  mutable std::set<std::string> read_;
};

// Fields that families share.
struct Config;
void read_token_ids(const ConfigReader& reader, Config& config, std::optional<std::int64_t> bos,
                    std::optional<std::int64_t> eos, std::optional<std::int64_t> pad);

}  // namespace ganglion::models
