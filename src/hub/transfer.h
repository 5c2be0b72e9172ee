// One file from a server to a partial file: goes on where an earlier attempt ended, fetches large files over several
// connections, and believes nothing until the size and the digest are right.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "hub/hash.h"
#include "hub/http_client.h"
#include "hub/options.h"
#include "hub/partial_file.h"

namespace ganglion::hub {

struct Checksum {
  HashKind kind = HashKind::kSha256;
  std::string hex;
};

struct RemoteFile {
  std::string name;                      // for messages
  std::function<HttpRequest()> request;  // a fresh GET of the whole (signed anew); the range is added
  std::optional<std::uint64_t> size;
  std::optional<Checksum> checksum;
  std::string if_range;  // a strong validator of this very server, or ""
  std::uint64_t most_bytes = std::uint64_t{1} << 40;
};

inline constexpr std::uint64_t kPieceBytes = 8u << 20;

// Fetches what `file` lacks. A file whose size or digest is wrong is deleted: kDataCorrupt. Other errors leave it, to
// go on from: kUnavailable after Patience, kNotFound (404), kInvalidArgument (401, 403: with what the server said),
// kResourceExhausted (disk full, over most_bytes), kCancelled.
void fetch(const RemoteFile& remote, PartialFile& file, const Options& options);

// "bytes 5-9/10" of a Content-Range field; nullopt when it is not that. total: nullopt for '*'.
struct ContentRange {
  std::uint64_t begin = 0, end = 0;  // end is one past the last byte
  std::optional<std::uint64_t> total;
};
std::optional<ContentRange> parse_content_range(std::string_view text);
// A whole number of a header field; nullopt when it is none.
std::optional<std::uint64_t> parse_size(std::string_view text);

}  // namespace ganglion::hub
