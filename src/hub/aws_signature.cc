#include "hub/aws_signature.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <ctime>
#include <vector>

#include "base/error.h"
#include "hub/hash.h"

namespace ganglion::hub {
namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

// Without blanks at the ends, runs of blanks as one.
std::string folded(const std::string& value) {
  std::string out;
  for (const char c : value) {
    if (c != ' ' && c != '\t') {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

}  // namespace

std::string aws_time(std::int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm utc{};
  GANGLION_CHECK(::gmtime_r(&time, &utc) != nullptr);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour,
                     utc.tm_min, utc.tm_sec);
}

std::string canonical_query(const std::string& query) {
  std::vector<std::pair<std::string, std::string>> parameters;
  for (std::size_t at = 0; at < query.size();) {
    const std::size_t end = std::min(query.find('&', at), query.size());
    const std::string part = query.substr(at, end - at);
    const std::size_t equals = part.find('=');
    if (!part.empty()) {
      parameters.emplace_back(part.substr(0, equals), equals == std::string::npos ? "" : part.substr(equals + 1));
    }
    at = end + 1;
  }
  std::sort(parameters.begin(), parameters.end());
  std::string out;
  for (const auto& [name, value] : parameters) out += (out.empty() ? "" : "&") + name + "=" + value;
  return out;
}

std::string aws_authorization(const std::string& method, const Url& url, const Headers& signed_fields,
                              const std::string& body_hash, const AwsCredentials& credentials, const AwsScope& scope,
                              std::int64_t now) {
  Headers fields = {{"host", url.authority()}};
  for (const auto& [name, value] : signed_fields) fields.emplace_back(lower(name), folded(value));
  std::stable_sort(fields.begin(), fields.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string lines, names;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const bool again = i > 0 && fields[i].first == fields[i - 1].first;
    if (again) lines.pop_back();
    lines += (again ? "," : fields[i].first + ":") + fields[i].second + "\n";
    if (!again) names += (names.empty() ? "" : ";") + fields[i].first;
  }
  const std::string request =
      fmt::format("{}\n{}\n{}\n{}\n{}\n{}", method, url.path, canonical_query(url.query), lines, names, body_hash);
  const std::string time = aws_time(now), date = time.substr(0, 8);
  const std::string place = fmt::format("{}/{}/{}/aws4_request", date, scope.region, scope.service);
  const std::string text = fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", time, place, sha256_hex(request));
  std::string key = hmac_sha256("AWS4" + credentials.secret_key, date);
  for (const std::string& part : {scope.region, scope.service, std::string("aws4_request")})
    key = hmac_sha256(key, part);
  return fmt::format("AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}", credentials.access_key, place,
                     names, to_hex(hmac_sha256(key, text)));
}

void sign(HttpRequest& request, const AwsCredentials& credentials, const AwsScope& scope, std::int64_t now) {
  const std::string hash = sha256_hex("");
  Headers fields = {{"x-amz-content-sha256", hash}, {"x-amz-date", aws_time(now)}};
  if (!credentials.session_token.empty()) fields.emplace_back("x-amz-security-token", credentials.session_token);
  fields.emplace_back("Authorization",
                      aws_authorization(request.method, request.url, fields, hash, credentials, scope, now));
  request.secrets.insert(request.secrets.end(), fields.begin(), fields.end());
}

}  // namespace ganglion::hub
