// A large file over several connections, given out in order: pieces are fetched side by side into memory, at most a
// window's worth of them, and the first one that is missing is waited for. So what is on the disk is always a prefix.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "hub/options.h"
#include "hub/resolved_url.h"

namespace ganglion::hub {

class PieceWindow {
 public:
  // The bytes [begin, end) of the file, which has `end` bytes.
  PieceWindow(ResolvedUrl& source, std::uint64_t begin, std::uint64_t end, const Options& options);

  // Fetches all and calls `take` on this thread with each piece in order. False when the server gives no ranges: what
  // was taken until then is right. Errors: what fetching throws, after every connection has ended.
  bool run(const std::function<void(std::string_view)>& take);

 private:
  void work();
  std::string fetch_piece(HttpClient& client, std::uint64_t begin, std::uint64_t end);
  void stop(std::exception_ptr error);
  bool stopping() const;

  ResolvedUrl& source_;
  const std::uint64_t begin_, end_;
  const std::uint64_t pieces_;
  const std::uint64_t width_;  // pieces that may be in memory
  const Options& options_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t next_ = 0, taken_ = 0;
  std::map<std::uint64_t, std::string> ready_;
  std::exception_ptr error_;
  bool stopped_ = false, no_ranges_ = false;
};

}  // namespace ganglion::hub
