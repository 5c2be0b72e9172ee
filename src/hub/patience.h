// How long one keeps trying: waits between attempts, what a server's Retry-After adds, and when it is enough.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "hub/http_client.h"

namespace ganglion::hub {

// Seconds from now that a Retry-After field asks for: a number, or an HTTP date (`now`: seconds since 1970). nullopt
// when it is neither.
std::optional<std::chrono::milliseconds> parse_retry_after(std::string_view text, long long now);
// Whether trying again may help: a connection that failed, 408, 425, 429, 500, 502, 503, 504.
bool may_pass(const HttpResponse& response) noexcept;

class Patience {
 public:
  static constexpr int kAttempts = 6;                                // without progress
  static constexpr std::chrono::milliseconds kLongestWait{120'000};  // that a server may ask for

  explicit Patience(const Options& options, int attempts = kAttempts) : options_(options), attempts_(attempts) {}

  // After a failure that may pass: waits, at first not at all when there was progress, then 0.5, 1, 2 ... seconds, or
  // as long as the server asks. Errors: kUnavailable with `what` and the last failure once so many attempts have failed
  // or the server asks for more than kLongestWait; kCancelled.
  void failed(const HttpResponse& response, const std::string& what);
  // Bytes have come: the count of attempts starts anew once a mebibyte has.
  void progressed(std::uint64_t bytes) noexcept;

 private:
  void wait(std::chrono::milliseconds time, const std::string& what);

  const Options& options_;
  const int attempts_;
  int failures_ = 0;
  std::uint64_t bytes_ = 0;
  bool moved_ = false;
};

// Sends until it is answered with something that will not pass by itself.
HttpResponse send_patiently(HttpClient& client, const HttpRequest& request, const Options& options,
                            const std::string& what, int attempts = Patience::kAttempts);
// "403 Forbidden-like" words for a message: the status, or how the connection failed.
std::string outcome(const HttpResponse& response);

}  // namespace ganglion::hub
