// A model in S3 (or a server with its API), brought into a folder here.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "hub/aws_credentials.h"
#include "hub/http_client.h"
#include "hub/options.h"
#include "hub/s3_reply.h"
#include "hub/transfer.h"

namespace ganglion::hub {

struct S3Address {
  std::string bucket;
  std::string key;  // of an object, or of a folder without its last '/'; "" for the whole bucket
};
// "s3://bucket/any/key". kInvalidArgument for a bucket name that S3 does not allow.
S3Address parse_s3_address(std::string_view text);

// The URL of a key: bucket in the path when the endpoint is not AWS's own, when the bucket's name has dots (which no
// certificate of AWS fits) or when `addressing` is "path"; else in the host name.
Url s3_url(const std::string& bucket, const std::string& key, const std::string& region,
           const std::optional<std::string>& endpoint, const std::string& addressing);

class S3 {
 public:
  // The options are kept by reference.
  S3(std::string_view address, const Options& options);

  // The folder with what choose_files() wants of the keys below the address; an address that ends as an archive does is
  // fetched and unpacked. What is here already, by the list of keys, sizes and ETags, is not fetched again.
  std::filesystem::path bring();

 private:
  std::vector<S3Object> list();
  HttpResponse send(const std::string& method, const std::string& key, const std::string& query);
  HttpRequest request(const std::string& method, const std::string& key, const std::string& query);
  std::filesystem::path bring_folder();
  std::filesystem::path bring_archive();
  void fetch_object(const S3Object& object, const std::filesystem::path& file);
  RemoteFile remote(const S3Object& object);
  [[noreturn]] void refuse_s3(const std::string& what, const HttpResponse& response);
  std::string place() const { return "s3://" + address_.bucket + "/" + address_.key; }

  const Options& options_;
  const S3Address address_;
  AwsCredentialChain credentials_;
  AwsScope scope_;
  HttpClient client_;
};

}  // namespace ganglion::hub
