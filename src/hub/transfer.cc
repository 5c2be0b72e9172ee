#include "hub/transfer.h"

#include <fmt/format.h>

#include <charconv>

#include "base/error.h"
#include "base/log.h"
#include "hub/patience.h"
#include "hub/piece_window.h"
#include "hub/progress.h"

namespace ganglion::hub {
namespace {

// The state of one fetch: what is on the disk and the digest of it.
class Fetch {
 public:
  Fetch(const RemoteFile& remote, PartialFile& file, const Options& options)
      : remote_(remote), file_(file), options_(options), source_(remote), patience_(options) {}

  void run() {
    if (remote_.size && *remote_.size > remote_.most_bytes) too_large(*remote_.size);
    if (remote_.size && file_.size() > *remote_.size) restart();
    start_digest();
    if (wants_pieces()) fetch_pieces();
    HttpClient client(options_.http, options_.cancelled);
    while (!whole_) fetch_rest(client);
    verify();
  }

 private:
  bool wants_pieces() const {
    return options_.connections > 1 && remote_.size && *remote_.size - file_.size() > 2 * kPieceBytes;
  }

  void start_digest() {
    hasher_.reset();
    if (remote_.size && file_.size() == *remote_.size) whole_ = true;
    if (!remote_.checksum) return;
    hasher_.emplace(remote_.checksum->kind);
    if (remote_.checksum->kind == HashKind::kSha1) {  // git's: of the bytes behind a header
      const std::uint64_t size = remote_.size.value_or(0);
      hasher_->update(fmt::format("blob {}", size) + std::string(1, '\0'));
    }
    file_.hash(*hasher_, file_.size(), options_.cancelled);
  }

  void restart() {
    if (options_.progress != nullptr) options_.progress->retract(file_.size());
    file_.restart();
    start_digest();
  }

  void append(std::string_view bytes) {
    const std::uint64_t limit = remote_.size.value_or(remote_.most_bytes);
    if (bytes.size() > limit - std::min(limit, file_.size())) {
      if (!remote_.size) too_large(file_.size() + bytes.size());
      corrupt(fmt::format("the server sends more than the {} bytes it has promised", limit));
    }
    file_.append(bytes);
    if (hasher_) hasher_->update(bytes);
    patience_.progressed(bytes.size());
    if (options_.progress != nullptr) options_.progress->advance(bytes.size());
  }

  void fetch_pieces() {
    PieceWindow window(source_, file_.size(), *remote_.size, options_);
    const bool ranges = window.run([this](std::string_view bytes) { append(bytes); });
    whole_ = file_.size() == *remote_.size;
    if (!ranges) log::info("[hub] {}: the server gives no ranges; one connection is used", remote_.name);
  }

  void fetch_rest(HttpClient& client) {
    const std::uint64_t begin = file_.size();
    HttpRequest request = source_.request();
    if (begin > 0) {
      request.headers.emplace_back("Range", fmt::format("bytes={}-", begin));
      if (!remote_.if_range.empty()) request.headers.emplace_back("If-Range", remote_.if_range);
    }
    std::optional<std::uint64_t> promised;
    const HttpClient::Sink sink{.begin = [&](const HttpResponse& response) { promised = check_begin(response, begin); },
                                .piece =
                                    [&](std::string_view bytes) {
                                      append(bytes);
                                      return HttpClient::More::kYes;
                                    }};
    const HttpResponse response = client.send(request, sink);
    if (source_.answered(response)) return;
    if (response.status == 416 && response.failure.empty()) {
      if (begin == 0 || told_416_) refuse(remote_.name, response);
      told_416_ = true;
      log::info("[hub] {}: the server does not have byte {}; starting anew", remote_.name, begin);
      return restart();
    }
    if (may_pass(response)) return patience_.failed(response, remote_.name);
    if (!response.ok()) refuse(remote_.name, response);
    const std::optional<std::uint64_t> end = remote_.size ? remote_.size : promised;
    if (end && file_.size() < *end) {
      HttpResponse cut = response;
      cut.failure = fmt::format("the connection ended after {} of {} bytes", file_.size(), *end);
      return patience_.failed(cut, remote_.name);
    }
    whole_ = true;
  }

  // The size of the whole as this answer has it.
  std::optional<std::uint64_t> check_begin(const HttpResponse& response, std::uint64_t begin) {
    if (const std::string encoding = response.field("content-encoding"); !encoding.empty() && encoding != "identity") {
      corrupt(fmt::format("the server sends it encoded ({}), which was not asked for", encoding));
    }
    std::optional<std::uint64_t> total = parse_size(response.field("content-length"));
    if (response.status == 206) {
      const auto range = parse_content_range(response.field("content-range"));
      if (!range || range->begin != begin)
        corrupt(fmt::format("bytes from {} on were asked for: Content-Range is '{}'", begin,
                            response.field("content-range")));
      total = range->total;
    } else if (begin > 0) {
      log::info("[hub] {}: the server gives the whole again; starting anew", remote_.name);
      restart();
      whole_ = false;
    }
    if (remote_.size && total && *total != *remote_.size) {
      corrupt(fmt::format("{} bytes were announced, but the server now speaks of {}", *remote_.size, *total));
    }
    if (total && *total > remote_.most_bytes) too_large(*total);
    return total;
  }

  void verify() {
    if (!hasher_) return;
    const std::string seen = hasher_->finish();
    if (seen != remote_.checksum->hex) {
      corrupt(fmt::format("its {} is {}, announced was {}", hash_name(remote_.checksum->kind), seen,
                          remote_.checksum->hex));
    }
  }

  [[noreturn]] void corrupt(const std::string& what) {
    if (options_.progress != nullptr) options_.progress->retract(file_.size());
    file_.remove();
    fail(Code::kDataCorrupt, "[hub] {}: {}; what was fetched is deleted, try again", remote_.name, what);
  }

  [[noreturn]] void too_large(std::uint64_t bytes) const {
    fail(Code::kResourceExhausted, "[hub] {} has {} bytes: at most {} are fetched", remote_.name, bytes,
         remote_.most_bytes);
  }

  const RemoteFile& remote_;
  PartialFile& file_;
  const Options& options_;
  ResolvedUrl source_;
  Patience patience_;
  std::optional<Hasher> hasher_;
  bool whole_ = false, told_416_ = false;
};

}  // namespace

void fetch(const RemoteFile& remote, PartialFile& file, const Options& options) { Fetch(remote, file, options).run(); }

std::optional<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<ContentRange> parse_content_range(std::string_view text) {
  if (!text.starts_with("bytes ")) return std::nullopt;
  text.remove_prefix(6);
  const std::size_t dash = text.find('-');
  const std::size_t slash = text.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || dash > slash) return std::nullopt;
  const auto begin = parse_size(text.substr(0, dash));
  const auto last = parse_size(text.substr(dash + 1, slash - dash - 1));
  const std::string_view total = text.substr(slash + 1);
  ContentRange range;
  range.total = parse_size(total);
  if (!begin || !last || *last < *begin || *last == ~std::uint64_t{0} || (!range.total && total != "*"))
    return std::nullopt;
  range.begin = *begin;
  range.end = *last + 1;
  if (range.total && range.end > *range.total) return std::nullopt;
  return range;
}

}  // namespace ganglion::hub
