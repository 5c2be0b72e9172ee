#include "hub/http_client.h"

#include <curl/curl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <exception>
#include <filesystem>
#include <mutex>

#include "base/error.h"
#include "hub/address.h"
#include "hub/proxy.h"

namespace ganglion::hub {
namespace {

constexpr int kMostRedirects = 8;
constexpr long kSlowest = 100;  // bytes a second that count as none
constexpr std::size_t kMostFields = 200;
constexpr std::size_t kMostFieldBytes = 64 * 1024;

std::string_view trim(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  return text;
}

struct FreeList {
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};

void add_fields(std::unique_ptr<curl_slist, FreeList>& list, const Headers& headers) {
  for (const auto& [name, value] : headers) {
    if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      fail(Code::kInvalidArgument, "[http] the value for {} holds a line break", name);
    }
    // libcurl's way to send a field without a value.
    const std::string line = value.empty() ? name + ";" : name + ": " + value;
    list.reset(curl_slist_append(list.release(), line.c_str()));
    GANGLION_CHECK(list != nullptr);
  }
}

bool lasting_failure(CURLcode code) {
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
      return true;
    default:
      return false;
  }
}

void trust(CURL* curl, const std::string& certificates) {
  std::error_code ignored;
  const bool folder = std::filesystem::is_directory(certificates, ignored);
  for (const auto file : {CURLOPT_CAINFO, CURLOPT_PROXY_CAINFO})
    curl_easy_setopt(curl, file, folder ? nullptr : certificates.c_str());
  for (const auto path : {CURLOPT_CAPATH, CURLOPT_PROXY_CAPATH})
    curl_easy_setopt(curl, path, folder ? certificates.c_str() : nullptr);
}

// Whether the other side's chain of certificates ends at none that is trusted (X509_V_ERR_* of OpenSSL), as opposed to
// being out of date or another host's.
bool is_unknown_authority(CURL* curl) {
  for (const auto info : {CURLINFO_SSL_VERIFYRESULT, CURLINFO_PROXY_SSL_VERIFYRESULT}) {
    long result = 0;
    curl_easy_getinfo(curl, info, &result);
    for (const long unknown : {2L, 18L, 19L, 20L, 21L}) {
      if (result == unknown) return true;
    }
  }
  return false;
}

// Why a connection failed, and what to do about it.
void explain(CURL* curl, CURLcode code, const std::string& words, const HttpOptions& options,
             const std::optional<std::string>& proxy, HttpResponse& response) {
  response.failure = words;
  response.lasting = lasting_failure(code);
  if (code == CURLE_PEER_FAILED_VERIFICATION && is_unknown_authority(curl)) {
    response.failure += fmt::format(
        "; trusted is what {} holds; name a file with the certificate of its authority in REQUESTS_CA_BUNDLE, "
        "CURL_CA_BUNDLE or SSL_CERT_FILE (the first that is set counts)",
        options.ca_file.value_or("the system"));
  }
  if (code == CURLE_SSL_CACERT_BADFILE) {
    response.failure += " (named by REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, SSL_CERT_FILE or SSL_CERT_DIR)";
  }
  if (!proxy) return;
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_HTTP_CONNECTCODE, &status);
  if (status >= 300) {
    response.failure = fmt::format("the proxy answered with {}", status);
    response.lasting = status < 500;
  }
  // libcurl quotes a proxy that it cannot use, password and all.
  for (std::size_t at; (at = response.failure.find(*proxy)) != std::string::npos && shown_proxy(*proxy) != *proxy;)
    response.failure.replace(at, proxy->size(), shown_proxy(*proxy));
  response.failure += fmt::format(" (by way of the proxy {})", shown_proxy(*proxy));
}

}  // namespace

std::string HttpResponse::field(const std::string& name) const {
  const auto found = fields.find(name);
  return found == fields.end() ? "" : found->second;
}

// What libcurl's callbacks share while one request runs. No exception crosses C: it waits in `error`.
struct HttpClient::Transfer {
  const HttpRequest& request;
  const std::function<bool()>& cancelled;
  const Sink* sink;
  HttpResponse response;
  std::size_t field_bytes = 0;
  bool began = false, stopped = false, refused_address = false, may_be_private = false;
  std::exception_ptr error;

  bool to_sink() const { return sink != nullptr && response.status >= 200 && response.status < 300; }

  static std::size_t on_field(char* data, std::size_t, std::size_t size, void* self) {
    return static_cast<Transfer*>(self)->take_field({data, size}) ? size : 0;
  }
  static std::size_t on_body(char* data, std::size_t, std::size_t size, void* self) {
    return static_cast<Transfer*>(self)->take_body({data, size}) ? size : 0;
  }
  static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return static_cast<Transfer*>(self)->cancelled() ? 1 : 0;
  }
  static curl_socket_t on_socket(void* self, curlsocktype, curl_sockaddr* address) {
    auto* transfer = static_cast<Transfer*>(self);
    if (!transfer->may_be_private && !is_public(address->addr)) {
      transfer->refused_address = true;
      return CURL_SOCKET_BAD;
    }
    return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  }

  bool take_field(std::string_view line) {
    field_bytes += line.size();
    if (field_bytes > kMostFieldBytes || response.fields.size() > kMostFields) {
      response.failure = "the answer's header is too large";
      return false;
    }
    if (line.starts_with("HTTP/")) {  // a new answer: after 100 Continue, too
      response.fields.clear();
      response.status = 0;
      const std::size_t blank = line.find(' ');
      if (blank != std::string_view::npos) response.status = std::atoi(std::string(line.substr(blank + 1, 3)).c_str());
      return true;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return true;
    std::string name(line.substr(0, colon));
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    std::string value(trim(line.substr(colon + 1)));
    std::replace_if(
        value.begin(), value.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, '?');
    response.fields[name] = std::move(value);
    return true;
  }

  bool take_body(std::string_view piece) {
    try {
      if (cancelled()) return false;
      if (to_sink()) {
        begin();
        stopped = sink->piece(piece) == More::kStop;
        return !stopped;
      }
      const std::uint64_t limit = response.status >= 300 ? 4096 : request.body_limit;
      if (response.body.size() + piece.size() > limit) {
        if (response.status >= 300) {  // of an error's page the beginning is enough
          stopped = true;
          return false;
        }
        fail(Code::kResourceExhausted, "[http] {}: the answer is longer than {} bytes", response.url.shown(), limit);
      }
      response.body += piece;
      return true;
    } catch (...) {
      error = std::current_exception();
      return false;
    }
  }

  void begin() {
    if (!began && sink->begin) sink->begin(response);
    began = true;
  }
};

void HttpClient::Close::operator()(void* handle) const noexcept { curl_easy_cleanup(handle); }

HttpClient::HttpClient(const HttpOptions& options, std::function<bool()> cancelled)
    : options_(options), cancelled_(std::move(cancelled)) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  handle_.reset(curl_easy_init());
  GANGLION_CHECK(handle_ != nullptr);
}

HttpClient::~HttpClient() = default;

HttpResponse HttpClient::send_once(const HttpRequest& request, const Url& url, bool secrets, const Sink* sink) {
  if (cancelled_()) fail(Code::kCancelled, "[http] {}: cancelled", url.shown());
  CURL* curl = handle_.get();
  curl_easy_reset(curl);
  Transfer transfer{.request = request, .cancelled = cancelled_, .sink = sink, .response = {}, .error = nullptr};
  transfer.response.url = url;
  const std::string& trusted = request.trusted_host.empty() ? request.url.host : request.trusted_host;
  const std::optional<std::string> proxy = proxy_for(url, options_);
  // The address that is connected to by way of a proxy is the proxy's, which the user chose.
  transfer.may_be_private = options_.allow_private_redirects || proxy || url.host == trusted;

  std::unique_ptr<curl_slist, FreeList> fields;
  add_fields(fields, {{"User-Agent", "ganglion"}, {"Expect", ""}});
  add_fields(fields, request.headers);
  if (secrets) add_fields(fields, request.secrets);

  const std::string text = url.text();
  curl_easy_setopt(curl, CURLOPT_URL, text.c_str());
  curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, fields.get());
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connect_timeout.count()));
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, kSlowest);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(options_.stall_timeout.count()));
  if (request.time_limit.count() > 0)
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(request.time_limit.count()));
  curl_easy_setopt(curl, CURLOPT_PROXY, proxy ? proxy->c_str() : "");
  curl_easy_setopt(curl, CURLOPT_NOPROXY, "");
  curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  if (options_.ca_file) trust(curl, *options_.ca_file);
  if (request.method == "HEAD") curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  if (request.method == "PUT") {  // without a body
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, curl_off_t{0});
  }
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, Transfer::on_field);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, Transfer::on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, Transfer::on_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, Transfer::on_socket);
  curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, &transfer);
  // A connection that was opened under one rule is not used again under another.
  curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, transfer.may_be_private ? 0L : 1L);
  std::array<char, CURL_ERROR_SIZE> words{};
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, words.data());

  const CURLcode code = curl_easy_perform(curl);
  if (transfer.error) std::rethrow_exception(transfer.error);
  if (cancelled_()) fail(Code::kCancelled, "[http] {}: cancelled", url.shown());
  HttpResponse response = std::move(transfer.response);
  if (transfer.refused_address) {
    fail(Code::kInvalidArgument,
         "[http] a redirect leads to {}, whose address is private; if that is right, set "
         "GANGLION_ALLOW_PRIVATE_REDIRECTS=1",
         url.shown());
  }
  if (code == CURLE_OK && transfer.to_sink()) transfer.begin();  // an empty body
  if (code != CURLE_OK && !transfer.stopped && response.failure.empty()) {
    explain(curl, code, words[0] != '\0' ? words.data() : curl_easy_strerror(code), options_, proxy, response);
  }
  return response;
}

void HttpClient::check_redirect(const HttpRequest& request, const Url& from, const Url& to) const {
  if (from.scheme == "https" && to.scheme == "http") {
    fail(Code::kInvalidArgument, "[http] {} redirects from https to http ({}): refused", from.shown(), to.shown());
  }
  const std::string& trusted = request.trusted_host.empty() ? request.url.host : request.trusted_host;
  if (!options_.allow_private_redirects && to.host != trusted && host_kind(to.host) == HostKind::kPrivateAddress) {
    fail(
        Code::kInvalidArgument,
        "[http] {} redirects to {}, whose address is private; if that is right, set GANGLION_ALLOW_PRIVATE_REDIRECTS=1",
        from.shown(), to.shown());
  }
}

HttpResponse HttpClient::follow(const HttpRequest& request, const Sink* sink) {
  Url url = request.url;
  for (int hop = 0; hop <= kMostRedirects; ++hop) {
    HttpResponse response = send_once(request, url, url.same_origin(request.url), sink);
    const int status = response.status;
    const bool redirects = status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
    const std::string location = response.field("location");
    if (!response.failure.empty() || !redirects || location.empty()) return response;
    if (!request.follow_absolute && location.find("://") != std::string::npos) return response;
    const Url next = url.resolve(location, "http, redirect of " + url.shown());
    check_redirect(request, url, next);
    url = next;
  }
  fail(Code::kInvalidArgument, "[http] {}: more than {} redirects", request.url.shown(), kMostRedirects);
}

HttpResponse HttpClient::send(const HttpRequest& request) { return follow(request, nullptr); }
HttpResponse HttpClient::send(const HttpRequest& request, const Sink& sink) { return follow(request, &sink); }

}  // namespace ganglion::hub
