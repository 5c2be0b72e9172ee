// What a recording says: time, bytes and FLOPs of every step of the program, summed up by phase and by kind, against
// the limits that were measured in the same process.
//
// The time of a step is from when all threads had done the step before to when all had done it, waiting included, so
// the times of a run's steps and what was before the first and after the last are the time of the run. What a step is
// bound by is whichever takes longer at the limits: its bytes at the read bandwidth or its FLOPs at the peak of what
// multiplies them; that time over the step's own is its fraction of the limit.
#pragma once

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "runtime/limits.h"
#include "runtime/recorder.h"

namespace ganglion::cli {

// Over any number of steps.
struct ProfileSum {
  std::int64_t count = 0;  // of steps, in all runs
  double seconds = 0;
  double busy_seconds = 0;  // of all threads
  program::Work work;
  double memory_seconds = 0, arithmetic_seconds = 0;  // that the work takes at the limits
  double limit_seconds = 0;                           // the longer of the two, step by step

  // Of so many threads. A step that is done while a thread is still at the one before has no time of its own.
  double busy(int threads) const { return seconds > 0 ? std::min(1.0, busy_seconds / seconds / threads) : 1; }
  double fraction_of_limit() const { return seconds > 0 ? limit_seconds / seconds : 0; }
  bool bound_by_memory() const { return memory_seconds >= arithmetic_seconds; }
  ProfileSum& operator+=(const ProfileSum& other);
};

struct ProfileRow {
  std::string kind;  // "matmul"
  std::string text;  // "matmul f16 avx2 [<=512,2048]x[8192,2048]"; of a row by kind: the kind
  double peak_flops = 0;
  ProfileSum sum;
};

struct EngineShare {
  std::string name;  // "schedule", "inputs", "run", "sample", "deliver", "other"
  double seconds = 0;
};

struct ProfilePhase {
  std::string name;  // "prefill", "decode", "mixed"
  std::int64_t steps = 0, tokens = 0;
  int threads = 0;
  double seconds = 0;       // of the engine's steps
  double run_seconds = 0;   // of these, in the program
  double edge_seconds = 0;  // of these, before the first step and after the last
  ProfileSum all;
  std::vector<EngineShare> engine;  // their sum is `seconds`
  std::vector<ProfileRow> kinds;    // both by time, longest first
  std::vector<ProfileRow> rows;     // equal texts together
  std::size_t shown = 0;            // the run that stands for the phase: of median time, or the largest prompt chunk
};

struct ProfileReport {
  runtime::Limits limits;
  std::vector<ProfilePhase> phases;
};

// Of the runs that began at `since` or later.
ProfileReport make_report(const runtime::Recorder& recorder, const runtime::Limits& limits, std::int64_t since);
// Of one step in one run.
ProfileSum sum_of(const runtime::Recorder& recorder, const runtime::RecordedRun& run, std::size_t step,
                  const runtime::Limits& limits);

nlohmann::json json_of(const ProfileReport& report);
std::string text_of(const ProfileReport& report);

// profile_trace.cc: the same runs in Chrome's trace event format, which Perfetto reads. `about` goes into otherData.
std::string trace_of(const runtime::Recorder& recorder, const ProfileReport& report, std::int64_t since,
                     const nlohmann::json& about);
// profile_page.cc: one HTML page that needs nothing else.
std::string page_of(const runtime::Recorder& recorder, const ProfileReport& report, const nlohmann::json& about);

}  // namespace ganglion::cli
