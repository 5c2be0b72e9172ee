// AWS Signature Version 4 for requests to S3 without a body (the header form;
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html).
#pragma once

#include <cstdint>
#include <string>

#include "hub/http_client.h"
#include "hub/url.h"

namespace ganglion::hub {

struct AwsCredentials {
  std::string access_key, secret_key;
  std::string session_token;    // "" when there is none
  std::int64_t expires_at = 0;  // seconds since 1970; 0: never
};

struct AwsScope {
  std::string region = "us-east-1";
  std::string service = "s3";
};

// "20130524T000000Z" of seconds since 1970.
std::string aws_time(std::int64_t seconds);
// The parameters of a query that is percent-encoded already, sorted by name and value, each with '='.
std::string canonical_query(const std::string& query);

// The value of the Authorization field of a request with exactly these fields and Host signed. The URL's path counts as
// it is sent (encoded once). `body_hash` is sha256_hex of the body.
std::string aws_authorization(const std::string& method, const Url& url, const Headers& signed_fields,
                              const std::string& body_hash, const AwsCredentials& credentials, const AwsScope& scope,
                              std::int64_t now);
// Adds what S3 wants to a request without a body: x-amz-date, x-amz-content-sha256, the session token, Authorization.
// All of it goes to request.secrets, so it never follows a redirect to another host.
void sign(HttpRequest& request, const AwsCredentials& credentials, const AwsScope& scope, std::int64_t now);

}  // namespace ganglion::hub
