#include "hub/resolved_url.h"

#include <fmt/format.h>

#include "base/error.h"
#include "hub/transfer.h"

namespace ganglion::hub {
namespace {

// The beginning of a body as one printable line.
std::string excerpt(std::string_view body) {
  std::string out;
  for (const char c : body.substr(0, 300)) {
    const bool plain = static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7F;
    if (plain || (!out.empty() && out.back() != ' ')) out += plain ? c : ' ';
  }
  return out;
}

}  // namespace

HttpRequest ResolvedUrl::request() const {
  HttpRequest request = remote_.request();
  std::lock_guard lock(mutex_);
  if (direct_) {
    request.trusted_host = request.url.host;
    if (!direct_->same_origin(request.url)) request.secrets.clear();
    request.url = *direct_;
  }
  return request;
}

bool ResolvedUrl::answered(const HttpResponse& response) {
  std::lock_guard lock(mutex_);
  if (response.ok()) {
    direct_ = response.url;
    return false;
  }
  const bool refused = response.failure.empty() && response.status >= 400 && response.status < 500;
  if (!direct_ || !refused || response.status == 408 || response.status == 416 || response.status == 429) return false;
  direct_.reset();
  return true;
}

void refuse(const std::string& what, const HttpResponse& response) {
  const int status = response.status;
  const Code code = !response.failure.empty()        ? Code::kUnavailable
                    : status == 404 || status == 410 ? Code::kNotFound
                    : status >= 400 && status < 500  ? Code::kInvalidArgument
                                                     : Code::kUnavailable;
  const std::string said =
      !response.field("x-error-message").empty() ? excerpt(response.field("x-error-message")) : excerpt(response.body);
  const std::string how = response.failure.empty() ? fmt::format("answered with {}", status) : response.failure;
  fail(code, "[hub] {}: {} {}{}", what, response.url.shown(), how, said.empty() ? "" : ": " + said);
}

}  // namespace ganglion::hub
