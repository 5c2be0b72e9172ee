#include "hub/patience.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <thread>

#include "base/error.h"
#include "base/log.h"

namespace ganglion::hub {

std::optional<std::chrono::milliseconds> parse_retry_after(std::string_view text, long long now) {
  constexpr long long kMost = 10'000'000;
  double seconds = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, seconds, std::chars_format::fixed);
  const bool digits = text.find_first_not_of("0123456789.") == std::string_view::npos;
  if (!text.empty() && digits && error == std::errc() && stop == end && seconds >= 0) {
    return std::chrono::milliseconds(static_cast<long long>(std::min(seconds, static_cast<double>(kMost)) * 1000));
  }
  const std::time_t date = text.empty() ? -1 : curl_getdate(std::string(text).c_str(), nullptr);
  if (date < 0) return std::nullopt;
  return std::chrono::seconds(std::clamp(static_cast<long long>(date) - now, 0LL, kMost));
}

bool may_pass(const HttpResponse& response) noexcept {
  if (!response.failure.empty()) return !response.lasting;
  switch (response.status) {
    case 408:
    case 425:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
      return true;
    default:
      return false;
  }
}

std::string outcome(const HttpResponse& response) {
  return response.failure.empty() ? "answered with " + std::to_string(response.status) : response.failure;
}

void Patience::failed(const HttpResponse& response, const std::string& what) {
  if (response.lasting) fail(Code::kUnavailable, "[hub] {}: {}", what, outcome(response));
  const bool at_once = moved_;
  moved_ = false;
  if (++failures_ >= attempts_) {
    fail(Code::kUnavailable, "[hub] {}: {}; given up after {} attempts", what, outcome(response), failures_);
  }
  std::chrono::milliseconds time{at_once ? 0 : 500 << (failures_ - 1)};
  if (response.failure.empty()) {
    if (const auto asked = parse_retry_after(response.field("retry-after"), std::time(nullptr))) {
      if (*asked > kLongestWait) {
        fail(Code::kUnavailable, "[hub] {}: {} and asks to wait {} s, which is longer than {} s; try again later", what,
             outcome(response), asked->count() / 1000, kLongestWait.count() / 1000);
      }
      time = *asked;
    }
  }
  log::info("[hub] {}: {}; trying again{}", what, outcome(response),
            time.count() > 0 ? fmt::format(" in {:.1f} s", static_cast<double>(time.count()) / 1000) : "");
  wait(time, what);
}

void Patience::progressed(std::uint64_t bytes) noexcept {
  moved_ = moved_ || bytes > 0;
  bytes_ += bytes;
  if (bytes_ < (1u << 20)) return;
  bytes_ = 0;
  failures_ = 0;
}

void Patience::wait(std::chrono::milliseconds time, const std::string& what) {
  if (options_.wait) {
    options_.wait(time);
    return;
  }
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
    if (options_.cancelled()) fail(Code::kCancelled, "[hub] {}: cancelled", what);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

HttpResponse send_patiently(HttpClient& client, const HttpRequest& request, const Options& options,
                            const std::string& what, int attempts) {
  Patience patience(options, attempts);
  while (true) {
    HttpResponse response = client.send(request);
    if (!may_pass(response)) {
      if (response.lasting) patience.failed(response, what);
      return response;
    }
    patience.failed(response, what);
  }
}

}  // namespace ganglion::hub
