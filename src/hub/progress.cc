#include "hub/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/log.h"

namespace ganglion::hub {
namespace {

constexpr std::chrono::milliseconds kRedraw{100};
constexpr std::uint64_t kWidth = 30;
constexpr std::uint64_t kLineOfUnknown = 100'000'000;  // bytes between two lines when the size is not known

}  // namespace

std::string size_text(double bytes) {
  constexpr const char* kUnits[] = {"kB", "MB", "GB", "TB"};
  if (bytes < 1000) return fmt::format("{:.0f} B", bytes);
  int unit = -1;
  while (bytes >= 999.95 && unit < 3) {
    bytes /= 1000;
    ++unit;
  }
  return fmt::format("{:.1f} {}", bytes, kUnits[unit]);
}

std::string time_text(std::chrono::seconds time) {
  const long long seconds = time.count();
  if (seconds < 3600) return fmt::format("{}:{:02}", seconds / 60, seconds % 60);
  return fmt::format("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

Progress::Progress(Form form, Show show, Clock clock) : form_(form), show_(std::move(show)), clock_(std::move(clock)) {}

void Progress::begin(std::string name, std::uint64_t total, std::uint64_t have) {
  std::lock_guard lock(mutex_);
  name_ = std::move(name);
  total_ = total;
  have_ = start_have_ = have;
  shown_tenth_ = total > 0 ? have * 10 / total : 0;
  running_ = true;
  drawn_ = false;
  start_ = shown_ = clock_();
}

std::string Progress::line(std::chrono::steady_clock::time_point now) const {
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double rate = seconds > 0 && have_ > start_have_ ? static_cast<double>(have_ - start_have_) / seconds : 0;
  std::string text = name_ + " ";
  if (total_ > 0) {
    const std::uint64_t have = std::min(have_, total_);
    text += fmt::format("{:3}%", have * 100 / total_);
    if (form_ == Form::kBar) {
      const std::uint64_t full = have * kWidth / total_;
      text += " [" + std::string(full, '=') + std::string(kWidth - full, ' ') + "]";
    }
    text += fmt::format(" {} of {}", size_text(static_cast<double>(have_)), size_text(static_cast<double>(total_)));
  } else {
    text += size_text(static_cast<double>(have_));
  }
  if (rate > 0) {
    text += fmt::format(", {}/s", size_text(rate));
    if (total_ > have_) {
      const double left = std::min(static_cast<double>(total_ - have_) / rate, 1e9);
      text += fmt::format(", {} left", time_text(std::chrono::seconds(static_cast<long long>(left + 0.5))));
    }
  }
  return text;
}

void Progress::show_due(std::chrono::steady_clock::time_point now) {
  if (form_ == Form::kBar) {
    if (now - shown_ < kRedraw) return;
    shown_ = now;
    drawn_ = true;
    show_(line(now), true);
    return;
  }
  const std::uint64_t tenth = total_ > 0 ? have_ * 10 / total_ : have_ / kLineOfUnknown;
  if (tenth <= shown_tenth_ || (total_ > 0 && have_ >= total_)) return;
  shown_tenth_ = tenth;
  show_(line(now), true);
}

void Progress::advance(std::uint64_t bytes) {
  std::lock_guard lock(mutex_);
  if (!running_) return;
  have_ += bytes;
  show_due(clock_());
}

void Progress::retract(std::uint64_t bytes) {
  std::lock_guard lock(mutex_);
  have_ -= std::min(have_, bytes);
  start_have_ = std::min(start_have_, have_);
}

void Progress::end(bool whole) {
  std::lock_guard lock(mutex_);
  if (!running_) return;
  running_ = false;
  if (whole || drawn_) show_(line(clock_()), false);
}

std::unique_ptr<Progress> make_progress() {
  if (::isatty(STDERR_FILENO) != 1) {
    return std::make_unique<Progress>(Progress::Form::kLines,
                                      [](const std::string& text, bool) { log::info("[hub] {}", text); });
  }
  return std::make_unique<Progress>(Progress::Form::kBar, [](const std::string& text, bool more) {
    std::fprintf(stderr, "\r\x1b[K%s%s", text.c_str(), more ? "" : "\n");
    std::fflush(stderr);
  });
}

}  // namespace ganglion::hub
