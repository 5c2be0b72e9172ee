// Requests over http and https by libcurl, with the rules that hold for every one of them: redirects are followed here,
// not by libcurl, so that secrets go to the first host only and no stranger's redirect reaches into the private
// network; sizes are bounded; every wait has an end; a cancelled request stops within a second.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hub/options.h"
#include "hub/url.h"

namespace ganglion::hub {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method = "GET";  // GET, HEAD, PUT
  Url url;
  Headers headers;
  Headers secrets;                         // as headers, but only to the origin of `url`
  std::string trusted_host;                // may have a private address; "": the host of `url`
  bool follow_absolute = true;             // false: a redirect whose Location is a whole URL is the answer
  std::uint64_t body_limit = 1u << 20;     // of a body without a sink
  std::chrono::milliseconds time_limit{};  // in all; 0: none but the stall timeout
};

struct HttpResponse {
  int status = 0;                             // 0: no answer
  std::map<std::string, std::string> fields;  // lower-case names; of the last answer
  Url url;                                    // that gave it
  std::string body;                           // of an answer that did not go to the sink
  std::string failure;                        // not empty: the connection failed, as said here
  bool lasting = false;                       // the failure will not go away by trying again (a bad certificate)

  bool ok() const noexcept { return failure.empty() && status >= 200 && status < 300; }
  // The value, or "".
  std::string field(const std::string& name) const;
};

// One connection's worth of requests, one after the other; a thread has its own. Not thread-safe.
class HttpClient {
 public:
  // What a sink says to a piece of a body.
  enum class More { kYes, kStop };
  struct Sink {
    std::function<void(const HttpResponse&)> begin;  // status and fields of a 2xx answer, before its body
    std::function<More(std::string_view)> piece;     // kStop ends the request early; that is not a failure
  };

  HttpClient(const HttpOptions& options, std::function<bool()> cancelled);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;

  // The answer after redirects. A 2xx body goes to the sink when there is one. What an exception of the sink says comes
  // through. A connection that fails is a value (`failure`). Errors: kCancelled; kInvalidArgument for a redirect that
  // is refused (a private address, another scheme, https to http, too many) and kResourceExhausted for a body over its
  // limit, each with the URL without its query.
  HttpResponse send(const HttpRequest& request);
  HttpResponse send(const HttpRequest& request, const Sink& sink);

 private:
  struct Transfer;
  HttpResponse send_once(const HttpRequest& request, const Url& url, bool secrets, const Sink* sink);
  HttpResponse follow(const HttpRequest& request, const Sink* sink);
  void check_redirect(const HttpRequest& request, const Url& from, const Url& to) const;

  const HttpOptions options_;
  const std::function<bool()> cancelled_;
  struct Close {
    void operator()(void* handle) const noexcept;
  };
  std::unique_ptr<void, Close> handle_;
};

}  // namespace ganglion::hub
