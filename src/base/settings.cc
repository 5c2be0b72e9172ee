#include "base/settings.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "base/error.h"

namespace ganglion {

const std::vector<SettingInfo>& Settings::table() {
  static const std::vector<SettingInfo> kTable = {
      {"GANGLION_ISA", "", "kernel table to use: scalar, avx2, avx512 or amx (default: the best this CPU has)"},
      {"GANGLION_THREADS", "", "compute threads (default: the cores this process may use)"},
      {"GANGLION_LOG", "info", "log level: debug, info, warn, error or off"},
      {"GANGLION_MEMORY_BYTES", "", "memory a model may take (default: what the machine or the cgroup has free)"},
      {"GANGLION_WEIGHT_CACHE", "off",
       "packed weights on disk for a faster next start: off, on (XDG_CACHE_HOME) or a folder"},
      {"GANGLION_WEIGHT_CACHE_SIZE", "64G",
       "most that the folder may hold; what was not used for longest is deleted (0: no limit)"},
      {"GANGLION_DOWNLOAD_CONNECTIONS", "4", "connections for one large file that is downloaded"},
      {"GANGLION_ALLOW_PRIVATE_REDIRECTS", "", "1: a download may be redirected to a private address"},
      {"GANGLION_S3_ADDRESSING", "auto", "where an S3 bucket stands in URLs: path, virtual (host name) or auto"},
      {"HF_HOME", "", "folder of Hugging Face's token and cache (default: ~/.cache/huggingface)"},
      {"HF_HUB_CACHE", "", "folder of downloaded Hugging Face models (default: HF_HOME/hub)"},
      {"HUGGINGFACE_HUB_CACHE", "", "older name of HF_HUB_CACHE"},
      {"HF_ENDPOINT", "https://huggingface.co", "where Hugging Face ids are looked up"},
      {"HF_TOKEN", "", "token for private and gated models"},
      {"HUGGING_FACE_HUB_TOKEN", "", "older name of HF_TOKEN"},
      {"HF_TOKEN_PATH", "", "file with the token, when HF_TOKEN is not set (default: HF_HOME/token)"},
      {"HF_HUB_OFFLINE", "", "1: only models that are in the cache"},
      {"TRANSFORMERS_OFFLINE", "", "older name of HF_HUB_OFFLINE"},
      {"SERVING_DOWNLOAD_DIR", "", "folder of models from S3 and archives (default: DJL_CACHE_DIR/download)"},
      {"DJL_CACHE_DIR", "", "folder above it (default: ~/.cache/ganglion)"},
      {"AWS_ACCESS_KEY_ID", "", "access key for S3"},
      {"AWS_SECRET_ACCESS_KEY", "", "its secret"},
      {"AWS_SESSION_TOKEN", "", "token of temporary credentials"},
      {"AWS_PROFILE", "", "profile of the AWS files to use (default: default)"},
      {"AWS_DEFAULT_PROFILE", "", "older name of AWS_PROFILE"},
      {"AWS_REGION", "", "region of S3 (default: the profile's, else us-east-1)"},
      {"AWS_DEFAULT_REGION", "", "the same, when AWS_REGION is not set"},
      {"AWS_SHARED_CREDENTIALS_FILE", "", "file of credentials (default: ~/.aws/credentials)"},
      {"AWS_CONFIG_FILE", "", "file of profiles (default: ~/.aws/config)"},
      {"AWS_ENDPOINT_URL_S3", "", "another server with the API of S3"},
      {"AWS_ENDPOINT_URL", "", "the same, when AWS_ENDPOINT_URL_S3 is not set"},
      {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "", "where a container is given credentials"},
      {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "", "the same as a whole URL"},
      {"AWS_CONTAINER_AUTHORIZATION_TOKEN", "", "token to ask there with"},
      {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "", "file with that token"},
      {"AWS_EC2_METADATA_DISABLED", "", "true: the instance is not asked for credentials"},
      {"AWS_EC2_METADATA_SERVICE_ENDPOINT", "", "where the instance is asked (default: http://169.254.169.254)"},
      {"http_proxy", "", "proxy for http, not used for this machine itself"},
      {"HTTP_PROXY", "", "the same"},
      {"https_proxy", "", "proxy for https"},
      {"HTTPS_PROXY", "", "the same"},
      {"all_proxy", "", "proxy for both"},
      {"ALL_PROXY", "", "the same"},
      {"no_proxy", "", "hosts that are reached without a proxy, separated by commas"},
      {"NO_PROXY", "", "the same"},
      {"REQUESTS_CA_BUNDLE", "", "file or folder of certificates to trust (default: the system's)"},
      {"CURL_CA_BUNDLE", "", "the same"},
      {"SSL_CERT_FILE", "", "the same"},
      {"SSL_CERT_DIR", "", "the same"},
      {"HOME", "", "the user's folder"},
      {"XDG_CACHE_HOME", "", "folder of caches (default: ~/.cache)"},
      {"MODEL_SERVER_HOME", "", "folder that relative paths in config.properties start from"},
      {"MODEL_LOADING_TIMEOUT", "", "seconds a model may take to load, when serving.properties does not say"},
      {"PREDICT_TIMEOUT", "", "seconds a prediction may take, when serving.properties does not say"},
      {"TENSOR_PARALLEL_DEGREE", "", "tensor parallel degree, when serving.properties does not say"},
  };
  return kTable;
}

Settings Settings::from_environment() {
  std::map<std::string, std::string> values;
  for (const SettingInfo& info : table()) {
    if (const char* value = std::getenv(std::string(info.name).c_str())) values[std::string(info.name)] = value;
  }
  return Settings(std::move(values));
}

std::optional<std::string> Settings::get(std::string_view name) const {
  const auto& rows = table();
  GANGLION_CHECK(std::any_of(rows.begin(), rows.end(), [&](const SettingInfo& info) { return info.name == name; }));
  const auto found = values_.find(std::string(name));
  if (found == values_.end() || found->second.empty()) return std::nullopt;
  return found->second;
}

std::string Settings::value(std::string_view name) const {
  if (auto set = get(name)) return *set;
  for (const SettingInfo& info : table()) {
    if (info.name == name) return std::string(info.default_value);
  }
  return "";
}

std::optional<long long> Settings::integer(std::string_view name, long long low, long long high) const {
  const auto text = get(name);
  if (!text) return std::nullopt;
  long long number = 0;
  const char* end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, number);
  if (error != std::errc() || stop != end || number < low || number > high) {
    fail(Code::kInvalidArgument, "[environment] {}={}: wanted a whole number from {} to {}", name, *text, low, high);
  }
  return number;
}

std::filesystem::path Settings::user_cache() const {
  if (const auto caches = get("XDG_CACHE_HOME")) return *caches;
  if (const auto home = get("HOME")) return std::filesystem::path(*home) / ".cache";
  return {};
}

}  // namespace ganglion
