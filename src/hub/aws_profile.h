// The files that AWS's programs keep credentials in (~/.aws/credentials and ~/.aws/config).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace ganglion::hub {

// Sections of an AWS file: their keys in lower case, with their values. Indented lines (nested settings) are passed
// over. `place` starts messages: kInvalidArgument for a line that is neither a section nor a setting, by its number (a
// line may hold a secret).
using AwsFile = std::map<std::string, std::map<std::string, std::string>>;
AwsFile parse_aws_file(std::string_view text, std::string_view place);

struct AwsProfile {
  std::optional<std::string> access_key, secret_key, session_token, region, endpoint;
};
// What both files say of a profile: [name] of the credentials over [profile name] of the config ([default] there).
// nullopt when neither has it. kUnsupported for a profile without keys whose credentials come in a way that is not
// supported here (role_arn, sso_*, credential_process ...), by name.
std::optional<AwsProfile> find_profile(const AwsFile& credentials, const AwsFile& config, const std::string& name);

}  // namespace ganglion::hub
