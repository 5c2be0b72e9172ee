// The trace: one track for the engine, one for each compute thread.
// https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU (Trace Event Format): "X" is a whole
// event, times are microseconds.
#include <fmt/format.h>

#include <iterator>

#include "cli/profile_report.h"

namespace ganglion::cli {
namespace {

constexpr int kEngineTrack = 0;

std::string quoted(const std::string& text) { return nlohmann::json(text).dump(); }

class Trace {
 public:
  explicit Trace(std::int64_t since) : since_(since) {}

  void name_track(int track, const std::string& name) {
    add(fmt::format(R"({{"ph":"M","pid":1,"tid":{},"name":"thread_name","args":{{"name":{}}}}})", track, quoted(name)));
    add(fmt::format(R"({{"ph":"M","pid":1,"tid":{},"name":"thread_sort_index","args":{{"sort_index":{}}}}})", track,
                    track));
  }
  void event(int track, const std::string& name, const char* category, const runtime::TimeSpan& span,
             const std::string& arguments = {}) {
    add(fmt::format(R"({{"ph":"X","pid":1,"tid":{},"name":{},"cat":"{}","ts":{:.3f},"dur":{:.3f},"args":{{{}}}}})",
                    track, quoted(name), category, static_cast<double>(span.begin - since_) / 1e3,
                    static_cast<double>(span.end - span.begin) / 1e3, arguments));
  }
  std::string finish(const nlohmann::json& about) {
    return text_ + "\n],\"displayTimeUnit\":\"ns\",\"otherData\":" + about.dump() + "}\n";
  }

 private:
  void add(const std::string& object) {
    text_ += text_.back() == '[' ? "\n" : ",\n";
    text_ += object;
  }

  std::int64_t since_;
  std::string text_ = "{\"traceEvents\":[";
};

// The ranks that a thread works for in a step of every rank: the ranks' work is one line, cut in equal parts.
std::string ranks_of(const runtime::Recorder& recorder, const runtime::StepInfo& step, int thread, int threads) {
  if (!step.per_rank) return "all";
  const int first = thread * recorder.ranks / threads;
  const int last = ((thread + 1) * recorder.ranks - 1) / threads;
  return first == last ? std::to_string(first) : fmt::format("{}-{}", first, last);
}

// The rows that were real, or null where a step has no such rows.
std::string rows_of(const runtime::StepInfo& step, const runtime::RecordedRun& run) {
  if (step.work.rows == program::kAllRows) return "null";
  return std::to_string(run.rows[static_cast<std::size_t>(step.work.rows)]);
}

}  // namespace

std::string trace_of(const runtime::Recorder& recorder, const ProfileReport& report, std::int64_t since,
                     const nlohmann::json& about) {
  Trace trace(since);
  trace.name_track(kEngineTrack, "engine");
  int tracks = 0;
  for (const runtime::RecordedRun& run : recorder.runs) {
    for (; tracks < run.threads; ++tracks) trace.name_track(tracks + 1, fmt::format("compute {}", tracks));
  }
  for (const runtime::RecordedBatch& batch : recorder.batches) {
    if (batch.span.begin < since) continue;
    trace.event(kEngineTrack, "step", "engine", batch.span,
                fmt::format(R"("prompt_tokens":{},"decode_tokens":{})", batch.prompt_tokens, batch.decode_tokens));
  }
  for (const runtime::RecordedEvent& event : recorder.events) {
    if (event.span.begin >= since) trace.event(kEngineTrack, event.name, "engine", event.span);
  }
  for (const runtime::RecordedRun& run : recorder.runs) {
    if (run.span.begin < since) continue;
    trace.event(kEngineTrack, "run", "engine", run.span);
    for (std::size_t step = 0; step < recorder.steps.size(); ++step) {
      const runtime::StepInfo& info = recorder.steps[step];
      const ProfileSum sum = sum_of(recorder, run, step, report.limits);
      const double seconds = sum.seconds > 0 ? sum.seconds : 1e-9;
      const std::string arguments = fmt::format(
          R"("step":{},"place":{},"rows":{},"seconds":{:.9f},"bytes":{:.0f},"flops":{:.0f},"GB/s":{:.3f},"GFLOP/s":{:.3f},)"
          R"("bound":"{}","fraction_of_limit":{:.4f})",
          quoted(info.text), quoted(info.place), rows_of(info, run), sum.seconds, sum.work.bytes, sum.work.flops,
          sum.work.bytes / seconds / 1e9, sum.work.flops / seconds / 1e9,
          sum.bound_by_memory() ? "memory" : "arithmetic", sum.fraction_of_limit());
      for (int thread = 0; thread < run.threads; ++thread) {
        trace.event(thread + 1, info.kind, "program", run.at(thread, step),
                    fmt::format(R"({},"ranks":"{}")", arguments, ranks_of(recorder, info, thread, run.threads)));
      }
    }
  }
  return trace.finish(about);
}

}  // namespace ganglion::cli
