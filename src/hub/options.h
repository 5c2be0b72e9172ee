// What bringing a model here is told: places and credentials of the environment, limits, and the hooks of whoever asks.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "base/settings.h"

namespace ganglion::hub {

class Progress;

struct HuggingFaceOptions {
  std::string endpoint = "https://huggingface.co";
  std::filesystem::path cache;       // holds models--org--name folders
  std::optional<std::string> token;  // a secret: never printed
  bool offline = false;              // only what the cache holds
};

struct AwsOptions {
  std::optional<std::string> access_key, secret_key, session_token;  // secrets
  std::optional<std::string> profile, region, endpoint;
  std::string addressing = "auto";  // auto, path or virtual
  std::filesystem::path credentials_file, config_file;
  std::optional<std::string> container_path, container_url, container_token, container_token_file;
  bool metadata = true;  // ask the instance for credentials when nothing else gives some
  std::string metadata_endpoint = "http://169.254.169.254";
};

struct HttpOptions {
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::seconds stall_timeout{30};  // with hardly a byte
  bool allow_private_redirects = false;
  std::optional<std::string> http_proxy, https_proxy, no_proxy;
  std::optional<std::string> ca_file;  // or a folder, of certificates to trust; nullopt: the system's
};

struct Options {
  HuggingFaceOptions hugging_face;
  AwsOptions aws;
  HttpOptions http;
  std::filesystem::path cache;  // of what comes by S3 and as archives
  int connections = 4;          // for one large file
  std::uint64_t most_file_bytes = std::uint64_t{1} << 40;
  std::uint64_t most_archive_bytes = std::uint64_t{1} << 40;  // unpacked

  // Hooks. `cancelled` is asked often, by several threads; once it says yes, Error{kCancelled} follows.
  std::function<bool()> cancelled = [] { return false; };
  std::function<void(std::chrono::milliseconds)> wait;                    // empty: sleeps, unless cancelled
  std::function<std::uint64_t(const std::filesystem::path&)> free_bytes;  // empty: asks the file system
  Progress* progress = nullptr;                                           // nullptr: nobody looks
};

// From the table of base/settings.h. Errors: kInvalidArgument for an endpoint that is no URL, a token that cannot be
// sent, a number that is none; each with the variable's name, never with a secret.
Options read_options(const Settings& settings);

}  // namespace ganglion::hub
