// Where the bytes of one remote file are asked for: the URL one was given, or the one it redirects to, remembered so
// that the pieces of a large file do not each go through the redirect; and what refusals mean.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "hub/http_client.h"

namespace ganglion::hub {

struct RemoteFile;

// Thread-safe.
class ResolvedUrl {
 public:
  explicit ResolvedUrl(const RemoteFile& remote) : remote_(remote) {}

  const RemoteFile& remote() const noexcept { return remote_; }
  HttpRequest request() const;
  // To be told each answer. True: the remembered URL is no longer good (a signature that ran out): ask again at once.
  bool answered(const HttpResponse& response);

 private:
  const RemoteFile& remote_;
  mutable std::mutex mutex_;
  std::optional<Url> direct_;
};

// What an answer that is final and not good is for the one who asked: kNotFound (404, 410), kInvalidArgument (401, 403
// and other 4xx), kUnavailable. The message holds the status and what the server said, one line of it.
[[noreturn]] void refuse(const std::string& what, const HttpResponse& response);

}  // namespace ganglion::hub
