#include "hub/aws_profile.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/error.h"

namespace ganglion::hub {
namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  return text;
}

constexpr std::array kOtherWays = {"role_arn",           "source_profile",          "sso_session",  "sso_start_url",
                                   "credential_process", "web_identity_token_file", "login_session"};

}  // namespace

AwsFile parse_aws_file(std::string_view text, std::string_view place) {
  AwsFile out;
  std::map<std::string, std::string>* section = nullptr;
  int number = 0;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  while (!text.empty()) {
    ++number;
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view raw = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::string_view line = trim(raw);
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[') {
      const std::size_t close = line.find(']');
      if (close == std::string_view::npos) {
        fail(Code::kInvalidArgument, "[{}] line {}: wanted [name] with its closing bracket", place, number);
      }
      std::string name(trim(line.substr(1, close - 1)));
      // "[profile  x]" and "[profile x]" are one.
      if (name.starts_with("profile ") || name.starts_with("profile\t"))
        name = "profile " + std::string(trim(name.substr(8)));
      section = &out[name];
      continue;
    }
    if (raw.front() == ' ' || raw.front() == '\t') continue;
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos || section == nullptr) {
      fail(Code::kInvalidArgument, "[{}] line {}: wanted [section], or key = value below one", place, number);
    }
    std::string key(trim(line.substr(0, equals)));
    std::transform(key.begin(), key.end(), key.begin(), [](unsigned char c) { return std::tolower(c); });
    std::string_view value = line.substr(equals + 1);
    if (const std::size_t comment = value.find(" #"); comment != std::string_view::npos)
      value = value.substr(0, comment);
    (*section)[key] = trim(value);
  }
  return out;
}

std::optional<AwsProfile> find_profile(const AwsFile& credentials, const AwsFile& config, const std::string& name) {
  std::map<std::string, std::string> all;
  bool found = false;
  const auto take = [&](const AwsFile& file, const std::string& section) {
    const auto at = file.find(section);
    if (at == file.end()) return;
    found = true;
    for (const auto& [key, value] : at->second) all[key] = value;
  };
  take(config, "profile " + name);
  if (name == "default") take(config, name);
  take(credentials, name);
  if (!found) return std::nullopt;
  const auto get = [&](const char* key) -> std::optional<std::string> {
    const auto at = all.find(key);
    return at == all.end() || at->second.empty() ? std::nullopt : std::optional(at->second);
  };
  AwsProfile out;
  out.access_key = get("aws_access_key_id");
  out.secret_key = get("aws_secret_access_key");
  out.session_token = get("aws_session_token");
  out.region = get("region");
  out.endpoint = get("endpoint_url");
  if (!out.access_key || !out.secret_key) {
    for (const char* way : kOtherWays) {
      if (!get(way)) continue;
      fail(Code::kUnsupported,
           "[aws] profile '{}' gives credentials by {}, which is not supported here; set AWS_ACCESS_KEY_ID, "
           "AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN (`aws configure export-credentials` prints them)",
           name, way);
    }
  }
  return out;
}

}  // namespace ganglion::hub
