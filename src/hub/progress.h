// How far a download is, for people: a bar on a terminal, a line per 10 % elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace ganglion::hub {

// "1.3 GB", "512 B": powers of 1000.
std::string size_text(double bytes);
// "0:07", "1:02:03".
std::string time_text(std::chrono::seconds time);

// Counts the bytes of one model and shows them. Thread-safe.
class Progress {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;
  // One line to show. `more` is false for the last one.
  using Show = std::function<void(const std::string& line, bool more)>;
  enum class Form { kBar, kLines };

  Progress(Form form, Show show, Clock clock = std::chrono::steady_clock::now);

  // A model begins: its name, its bytes in all (0: not known) and those that are here already.
  void begin(std::string name, std::uint64_t total, std::uint64_t have);
  void advance(std::uint64_t bytes);
  // What was counted is fetched again.
  void retract(std::uint64_t bytes);
  // Everything is here, or the download ended without that: a bar is then left as it stands.
  void end(bool whole);

 private:
  std::string line(std::chrono::steady_clock::time_point now) const;
  void show_due(std::chrono::steady_clock::time_point now);

  const Form form_;
  const Show show_;
  const Clock clock_;
  std::mutex mutex_;
  std::string name_;
  std::uint64_t total_ = 0, have_ = 0, start_have_ = 0, shown_tenth_ = 0;
  bool running_ = false, drawn_ = false;
  std::chrono::steady_clock::time_point start_, shown_;
};

// A model's begin() and end() on whatever way out; nullptr: nobody looks.
class ProgressScope {
 public:
  ProgressScope(Progress* progress, const std::string& name, std::uint64_t total) : progress_(progress) {
    if (progress_ != nullptr) progress_->begin(name, total, 0);
  }
  ~ProgressScope() {
    if (progress_ != nullptr) progress_->end(whole_);
  }
  ProgressScope(const ProgressScope&) = delete;
  void done() noexcept { whole_ = true; }

 private:
  Progress* progress_;
  bool whole_ = false;
};

// A bar when stderr is a terminal, else log lines.
std::unique_ptr<Progress> make_progress();

}  // namespace ganglion::hub
