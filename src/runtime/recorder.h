// What happened when, for `ganglion profile`: the steps of every run by thread, and the events of the engine around
// them. Whoever makes the steps owns it while it records: nothing here is locked, and it is read when no step is being
// made. Times are nanoseconds of the steady clock.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "program/work.h"

namespace ganglion::runtime {

inline std::int64_t to_ns(std::chrono::steady_clock::time_point time) noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}
inline std::int64_t now_ns() noexcept { return to_ns(std::chrono::steady_clock::now()); }

struct TimeSpan {
  std::int64_t begin = 0, end = 0;
};

// A step of the program, as it is in every run.
struct StepInfo {
  std::string kind;     // "matmul"
  std::string text;     // "matmul f16 avx2 [512,2048]x[8192,2048]"
  std::string place;    // "[opt] layer 3"
  std::string isa;      // of a matmul or attention: the table whose kernel runs it; else empty
  std::string storage;  // of a matmul: how its weight is kept, of attention: the cache; else empty
  std::int64_t n = 0, k = 0;
  bool per_rank = false;
  bool barrier = false;     // threads meet before it
  program::SizedWork work;  // of all ranks
};

struct RecordedRun {
  TimeSpan span;
  int threads = 0;
  std::vector<TimeSpan> steps;     // [threads, steps of the program]; each thread writes its own
  std::vector<std::int64_t> rows;  // program::RunSizes
  double cached = 0, pairs = 0;

  program::RunSizes sizes() const { return {rows, cached, pairs}; }
  const TimeSpan& at(int thread, std::size_t step) const {
    return steps[static_cast<std::size_t>(thread) * (steps.size() / static_cast<std::size_t>(threads)) + step];
  }
};

struct RecordedEvent {
  const char* name = "";  // a literal
  TimeSpan span;
};

// What one step of the engine was made for.
struct RecordedBatch {
  TimeSpan span;
  std::int64_t prompt_tokens = 0, decode_tokens = 0;
};

struct Recorder {
  int ranks = 1;
  std::vector<StepInfo> steps;
  std::vector<RecordedRun> runs;
  std::vector<RecordedEvent> events;
  std::vector<RecordedBatch> batches;
};

// Adds an event from its construction to its end; does nothing without a recorder.
class Recording {
 public:
  Recording(Recorder* recorder, const char* name) : recorder_(recorder), name_(name) {
    if (recorder_ != nullptr) begin_ = now_ns();
  }
  ~Recording() {
    if (recorder_ != nullptr) recorder_->events.push_back({name_, {begin_, now_ns()}});
  }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

 private:
  Recorder* recorder_;
  const char* name_;
  std::int64_t begin_ = 0;
};

}  // namespace ganglion::runtime
