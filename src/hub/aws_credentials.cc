#include "hub/aws_credentials.h"

#include <ctime>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "hub/address.h"
#include "hub/aws_profile.h"
#include "hub/patience.h"

namespace ganglion::hub {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kQuickly{1000};
constexpr std::int64_t kEarly = 300;  // seconds before credentials run out that new ones are asked for

AwsFile read_aws_file(const fs::path& path) {
  std::error_code ignored;
  if (path.empty() || !fs::is_regular_file(path, ignored)) return {};
  return parse_aws_file(read_text(path, 1u << 20), path.string());
}

// A quick question to an endpoint near by; nullopt unless it is answered well.
std::optional<std::string> ask(const Options& options, const HttpRequest& question, const char* what) {
  HttpOptions http = options.http;
  http.connect_timeout = kQuickly;
  http.http_proxy.reset();
  http.https_proxy.reset();
  HttpRequest request = question;
  request.time_limit = kQuickly;
  request.body_limit = 64 * 1024;
  const HttpResponse response = HttpClient(http, options.cancelled).send(request);
  if (response.ok()) return response.body;
  log::debug("[aws] {}: {}", what, outcome(response));
  return std::nullopt;
}

bool may_be_asked(const Url& url) {
  return url.scheme == "https" || is_loopback(url.host) || url.host == "169.254.170.2" ||
         url.host == "169.254.170.23" || url.host == "fd00:ec2::23";
}

}  // namespace

AwsCredentials parse_credentials(std::string_view text, std::string_view place) {
  const nlohmann::json reply = parse_json(text, place);
  const auto member = [&](const char* name) {
    const bool there = reply.is_object() && reply.contains(name) && reply[name].is_string();
    return there ? reply[name].get<std::string>() : std::string();
  };
  AwsCredentials out;
  out.access_key = member("AccessKeyId");
  out.secret_key = member("SecretAccessKey");
  out.session_token = member("Token");
  if (out.access_key.empty() || out.secret_key.empty()) {
    fail(Code::kDataCorrupt, "[{}] wanted an object with AccessKeyId and SecretAccessKey", place);
  }
  std::tm time{};
  const std::string expiration = member("Expiration");
  if (::strptime(expiration.c_str(), "%Y-%m-%dT%H:%M:%S", &time) != nullptr) out.expires_at = ::timegm(&time);
  return out;
}

AwsCredentialChain::AwsCredentialChain(const Options& options) : options_(options) {
  const AwsOptions& aws = options.aws;
  const std::string name = aws.profile.value_or("default");
  const bool in_environment = aws.access_key || aws.secret_key;
  if (in_environment && (!aws.access_key || !aws.secret_key)) {
    fail(Code::kInvalidArgument,
         "[environment] AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: one is set without the other");
  }
  std::optional<AwsProfile> profile;
  try {
    profile = find_profile(read_aws_file(aws.credentials_file), read_aws_file(aws.config_file), name);
  } catch (const Error& error) {
    if (!in_environment) throw;  // else the files only add a region
    log::debug("{}", error.what());
  }
  if (aws.profile && !profile && !in_environment) {
    fail(Code::kInvalidArgument, "[environment] AWS_PROFILE={}: neither {} nor {} has that profile", *aws.profile,
         aws.credentials_file.string(), aws.config_file.string());
  }
  endpoint_ = aws.endpoint;
  if (in_environment) {
    current_ = AwsCredentials{*aws.access_key, *aws.secret_key, aws.session_token.value_or(""), 0};
  } else if (profile && profile->access_key && profile->secret_key) {
    current_ = AwsCredentials{*profile->access_key, *profile->secret_key, profile->session_token.value_or(""), 0};
  }
  if (profile && profile->region) region_ = *profile->region;
  if (profile && profile->endpoint && !endpoint_) endpoint_ = profile->endpoint;
  if (aws.region) region_ = *aws.region;
}

std::optional<AwsCredentials> AwsCredentialChain::get() {
  std::lock_guard lock(mutex_);
  const bool fresh = current_ && (current_->expires_at == 0 || std::time(nullptr) < current_->expires_at - kEarly);
  if (fresh || (asked_ && !current_)) return current_;
  auto found = from_container();
  if (!found) found = from_instance();
  asked_ = true;
  if (found) current_ = found;
  return current_;
}

std::optional<AwsCredentials> AwsCredentialChain::from_container() {
  const AwsOptions& aws = options_.aws;
  if (!aws.container_path && !aws.container_url) return std::nullopt;
  HttpRequest request;
  request.url = Url::parse(aws.container_path ? "http://169.254.170.2" + *aws.container_path : *aws.container_url,
                           "environment: AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (!may_be_asked(request.url)) {
    fail(Code::kInvalidArgument,
         "[environment] AWS_CONTAINER_CREDENTIALS_FULL_URI={}: wanted https, or http to this machine's own endpoint",
         request.url.shown());
  }
  auto token = aws.container_token;
  if (aws.container_token_file) token = read_text(*aws.container_token_file, 64 * 1024);
  if (token) {
    std::erase_if(*token, [](unsigned char c) { return c == '\n' || c == '\r'; });
    request.secrets.emplace_back("Authorization", *token);
  }
  const auto reply = ask(options_, request, "the container's credentials");
  if (!reply) return std::nullopt;
  return parse_credentials(*reply, "aws: the container's credentials");
}

std::optional<AwsCredentials> AwsCredentialChain::from_instance() {
  if (!options_.aws.metadata) return std::nullopt;
  const std::string base = options_.aws.metadata_endpoint + "/latest";
  HttpRequest request;
  request.method = "PUT";
  request.url = Url::parse(base + "/api/token", "environment: AWS_EC2_METADATA_SERVICE_ENDPOINT");
  request.headers = {{"x-aws-ec2-metadata-token-ttl-seconds", "300"}};
  const auto token = ask(options_, request, "the instance's token");
  if (!token || token->find_first_of("\r\n") != std::string::npos) return std::nullopt;
  request.method = "GET";
  request.headers.clear();
  request.secrets = {{"x-aws-ec2-metadata-token", *token}};
  request.url.path = "/latest/meta-data/iam/security-credentials/";
  auto role = ask(options_, request, "the instance's role");
  if (!role) return std::nullopt;
  role = role->substr(0, role->find('\n'));
  request.url.path += percent_encode(*role, false);
  const auto reply = ask(options_, request, "the instance's credentials");
  if (!reply) return std::nullopt;
  return parse_credentials(*reply, "aws: the instance's credentials");
}

std::string AwsCredentialChain::tried() const {
  return "AWS_ACCESS_KEY_ID, " + options_.aws.credentials_file.string() +
         ", the container's and the instance's endpoint";
}

}  // namespace ganglion::hub
