#include "hub/piece_window.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "base/error.h"
#include "hub/patience.h"
#include "hub/transfer.h"

namespace ganglion::hub {
namespace {

// Ends a piece without being an error of the download.
struct NoRanges {};

}  // namespace

PieceWindow::PieceWindow(ResolvedUrl& source, std::uint64_t begin, std::uint64_t end, const Options& options)
    : source_(source),
      begin_(begin),
      end_(end),
      pieces_((end - begin + kPieceBytes - 1) / kPieceBytes),
      width_(2 * static_cast<std::uint64_t>(options.connections)),
      options_(options) {}

bool PieceWindow::stopping() const {
  std::lock_guard lock(mutex_);
  return stopped_;
}

void PieceWindow::stop(std::exception_ptr error) {
  std::lock_guard lock(mutex_);
  if (!stopped_) error_ = error;
  stopped_ = true;
  changed_.notify_all();
}

bool PieceWindow::run(const std::function<void(std::string_view)>& take) {
  std::vector<std::jthread> threads;  // joined on every way out, after stop()
  const auto count = std::min<std::uint64_t>(static_cast<std::uint64_t>(options_.connections), pieces_);
  try {
    for (std::uint64_t i = 0; i < count; ++i) {
      threads.emplace_back([this] { work(); });
      pthread_setname_np(threads.back().native_handle(), "download");
    }
    std::unique_lock lock(mutex_);
    while (taken_ < pieces_ && !stopped_) {
      changed_.wait_for(lock, std::chrono::milliseconds(100),
                        [this] { return stopped_ || (!ready_.empty() && ready_.begin()->first == taken_); });
      for (auto first = ready_.begin(); first != ready_.end() && first->first == taken_; first = ready_.begin()) {
        const std::string piece = std::move(first->second);
        ready_.erase(first);
        lock.unlock();
        take(piece);
        lock.lock();
        ++taken_;
        changed_.notify_all();
      }
      if (options_.cancelled()) fail(Code::kCancelled, "[hub] {}: cancelled", source_.remote().name);
    }
  } catch (...) {
    stop(std::current_exception());
  }
  stop(nullptr);
  threads.clear();
  if (error_) std::rethrow_exception(error_);
  return !no_ranges_;
}

void PieceWindow::work() {
  HttpClient client(options_.http, [this] { return stopping() || options_.cancelled(); });
  try {
    while (true) {
      std::uint64_t piece = 0;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return stopped_ || next_ == pieces_ || next_ < taken_ + width_; });
        if (stopped_ || next_ == pieces_) return;
        piece = next_++;
      }
      const std::uint64_t begin = begin_ + piece * kPieceBytes;
      std::string bytes = fetch_piece(client, begin, std::min(end_, begin + kPieceBytes));
      std::lock_guard lock(mutex_);
      ready_.emplace(piece, std::move(bytes));
      changed_.notify_all();
    }
  } catch (const NoRanges&) {
    std::lock_guard lock(mutex_);
    no_ranges_ = stopped_ = true;
    changed_.notify_all();
  } catch (...) {
    stop(std::current_exception());
  }
}

std::string PieceWindow::fetch_piece(HttpClient& client, std::uint64_t begin, std::uint64_t end) {
  const std::string& name = source_.remote().name;
  std::string bytes;
  bytes.reserve(end - begin);
  Patience patience(options_);
  while (true) {
    const std::uint64_t from = begin + bytes.size();
    HttpRequest request = source_.request();
    request.headers.emplace_back("Range", fmt::format("bytes={}-{}", from, end - 1));
    bool ranges = true;
    const HttpClient::Sink sink{
        .begin =
            [&](const HttpResponse& response) {
              const auto range = parse_content_range(response.field("content-range"));
              ranges = response.status == 206;
              if (ranges &&
                  (!range || range->begin != from || range->end > end || range->total.value_or(end_) != end_)) {
                fail(Code::kDataCorrupt, "[hub] {}: bytes {} to {} of {} were asked for: Content-Range is '{}'", name,
                     from, end - 1, end_, response.field("content-range"));
              }
            },
        .piece =
            [&](std::string_view piece) {
              if (!ranges) return HttpClient::More::kStop;
              if (piece.size() > end - begin - bytes.size()) {
                fail(Code::kDataCorrupt, "[hub] {}: the server sends more than the {} bytes asked for", name,
                     end - begin);
              }
              bytes += piece;
              patience.progressed(piece.size());
              return HttpClient::More::kYes;
            }};
    HttpResponse response = client.send(request, sink);
    if (source_.answered(response)) continue;
    if (!ranges || (response.status == 416 && response.failure.empty())) throw NoRanges{};
    if (may_pass(response)) {
      patience.failed(response, name);
      continue;
    }
    if (!response.ok()) refuse(name, response);
    if (bytes.size() == end - begin) return bytes;
    response.failure = fmt::format("the connection ended after {} of {} bytes", bytes.size(), end - begin);
    patience.failed(response, name);
  }
}

}  // namespace ganglion::hub
