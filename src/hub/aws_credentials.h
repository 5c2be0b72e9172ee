// Where credentials for S3 come from, in AWS's order: the environment, a profile of the AWS files, the container's
// endpoint, the instance's metadata. The last two are only asked when the others have nothing, and never for longer
// than a second each.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "hub/aws_signature.h"
#include "hub/options.h"

namespace ganglion::hub {

// Thread-safe.
class AwsCredentialChain {
 public:
  // Reads the files. The options are kept by reference. kInvalidArgument for half a pair of keys, a profile that is
  // asked for and not there, a broken file; kUnsupported as find_profile().
  explicit AwsCredentialChain(const Options& options);

  // nullopt when there are none: requests are then sent unsigned, as public buckets allow. Temporary ones are asked for
  // again before they run out.
  std::optional<AwsCredentials> get();
  const std::string& region() const noexcept { return region_; }
  const std::optional<std::string>& endpoint() const noexcept { return endpoint_; }
  // What was looked at, for messages.
  std::string tried() const;

 private:
  std::optional<AwsCredentials> from_container();
  std::optional<AwsCredentials> from_instance();

  const Options& options_;
  std::string region_ = "us-east-1";
  std::optional<std::string> endpoint_;
  std::mutex mutex_;
  std::optional<AwsCredentials> current_;
  bool asked_ = false;
};

// The reply of a container's or instance's endpoint. kDataCorrupt when it is not that; no message repeats it.
AwsCredentials parse_credentials(std::string_view json, std::string_view place);

}  // namespace ganglion::hub
