// The XML that S3 answers with, read by expat; no document type, no entities of its own, bounded in depth and size.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ganglion::hub {

struct S3Object {
  std::string key;
  std::uint64_t size = 0;
  std::string etag;  // without quotes
};

// One page of ListObjectsV2, asked with encoding-type=url.
struct S3Page {
  std::vector<S3Object> objects;
  std::string next;  // continuation token; "" on the last page
};
// kDataCorrupt when it is not that.
S3Page parse_s3_page(std::string_view xml, std::string_view place);

// "AccessDenied: Access Denied" of an error's XML: its Code and Message alone, since the rest may repeat the access
// key.
// "" when it is no such XML.
std::string s3_error(std::string_view xml);
// The Code alone, or the Region that a redirecting error names.
std::string s3_error_code(std::string_view xml);
std::string s3_error_region(std::string_view xml);

}  // namespace ganglion::hub
