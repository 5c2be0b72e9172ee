#include "hub/options.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "base/file.h"
#include "hub/url.h"

namespace ganglion::hub {
namespace {

namespace fs = std::filesystem;

bool is_true(const std::optional<std::string>& value) {
  if (!value) return false;
  std::string text = *value;
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::toupper(c); });
  return text == "1" || text == "ON" || text == "YES" || text == "TRUE";
}

fs::path home_of(const Settings& settings) { return settings.get("HOME").value_or("/"); }

// "~/x" as shells have it.
fs::path expand(const std::string& text, const Settings& settings) {
  if (text == "~" || text.starts_with("~/"))
    return home_of(settings) / fs::path(text.substr(std::min<std::size_t>(2, text.size())));
  return text;
}

fs::path path_setting(const Settings& settings, const char* name, const fs::path& otherwise) {
  const auto value = settings.get(name);
  return value ? expand(*value, settings) : otherwise;
}

std::optional<std::string> first_of(const Settings& settings, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (auto value = settings.get(name)) return value;
  }
  return std::nullopt;
}

std::optional<std::string> read_token(const Settings& settings, const fs::path& home) {
  auto token = first_of(settings, {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"});
  if (!token) {
    const fs::path file = path_setting(settings, "HF_TOKEN_PATH", home / "token");
    std::error_code ignored;
    if (!fs::is_regular_file(file, ignored)) return std::nullopt;
    try {
      token = read_text(file, 64 * 1024);
    } catch (const Error&) {  // one that may not be read is as good as none
      return std::nullopt;
    }
  }
  std::erase_if(*token, [](unsigned char c) { return std::isspace(c); });
  if (!std::all_of(token->begin(), token->end(), [](unsigned char c) { return std::isgraph(c); })) {
    fail(Code::kInvalidArgument, "[environment] HF_TOKEN (or the token file) holds something other than plain letters");
  }
  return token->empty() ? std::nullopt : token;
}

std::string endpoint_setting(const Settings& settings, const char* name, const std::string& otherwise) {
  std::string text = settings.get(name).value_or(otherwise);
  while (text.ends_with('/')) text.pop_back();
  if (!text.empty()) Url::parse(text, std::string("environment: ") + name);
  return text;
}

HuggingFaceOptions hugging_face_options(const Settings& settings) {
  HuggingFaceOptions out;
  const fs::path caches = path_setting(settings, "XDG_CACHE_HOME", home_of(settings) / ".cache");
  const fs::path home = path_setting(settings, "HF_HOME", caches / "huggingface");
  const fs::path old = path_setting(settings, "HUGGINGFACE_HUB_CACHE", home / "hub");
  out.cache = path_setting(settings, "HF_HUB_CACHE", old);
  out.endpoint = endpoint_setting(settings, "HF_ENDPOINT", out.endpoint);
  out.offline = is_true(first_of(settings, {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"}));
  out.token = read_token(settings, home);
  return out;
}

AwsOptions aws_options(const Settings& settings) {
  AwsOptions out;
  out.access_key = settings.get("AWS_ACCESS_KEY_ID");
  out.secret_key = settings.get("AWS_SECRET_ACCESS_KEY");
  out.session_token = settings.get("AWS_SESSION_TOKEN");
  out.profile = first_of(settings, {"AWS_PROFILE", "AWS_DEFAULT_PROFILE"});
  out.region = first_of(settings, {"AWS_REGION", "AWS_DEFAULT_REGION"});
  const std::string common = endpoint_setting(settings, "AWS_ENDPOINT_URL", "");
  const std::string endpoint = endpoint_setting(settings, "AWS_ENDPOINT_URL_S3", common);
  if (!endpoint.empty()) out.endpoint = endpoint;
  out.addressing = settings.value("GANGLION_S3_ADDRESSING");
  if (out.addressing != "auto" && out.addressing != "path" && out.addressing != "virtual") {
    fail(Code::kInvalidArgument, "[environment] GANGLION_S3_ADDRESSING={}: wanted auto, path or virtual",
         out.addressing);
  }
  const fs::path folder = home_of(settings) / ".aws";
  out.credentials_file = path_setting(settings, "AWS_SHARED_CREDENTIALS_FILE", folder / "credentials");
  out.config_file = path_setting(settings, "AWS_CONFIG_FILE", folder / "config");
  out.container_path = settings.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  out.container_url = settings.get("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  out.container_token = settings.get("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  out.container_token_file = settings.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
  out.metadata = !is_true(settings.get("AWS_EC2_METADATA_DISABLED"));
  out.metadata_endpoint = endpoint_setting(settings, "AWS_EC2_METADATA_SERVICE_ENDPOINT", out.metadata_endpoint);
  return out;
}

HttpOptions http_options(const Settings& settings) {
  HttpOptions out;
  out.allow_private_redirects = is_true(settings.get("GANGLION_ALLOW_PRIVATE_REDIRECTS"));
  out.http_proxy = first_of(settings, {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"});
  out.https_proxy = first_of(settings, {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"});
  out.no_proxy = first_of(settings, {"no_proxy", "NO_PROXY"});
  // As requests and then OpenSSL have it.
  out.ca_file = first_of(settings, {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"});
  return out;
}

}  // namespace

Options read_options(const Settings& settings) {
  Options out;
  out.hugging_face = hugging_face_options(settings);
  out.aws = aws_options(settings);
  out.http = http_options(settings);
  const fs::path caches = path_setting(settings, "XDG_CACHE_HOME", home_of(settings) / ".cache");
  const fs::path djl = path_setting(settings, "DJL_CACHE_DIR", caches / "ganglion");
  out.cache = path_setting(settings, "SERVING_DOWNLOAD_DIR", djl / "download");
  out.connections =
      static_cast<int>(settings.integer("GANGLION_DOWNLOAD_CONNECTIONS", 1, 64).value_or(out.connections));
  return out;
}

}  // namespace ganglion::hub
