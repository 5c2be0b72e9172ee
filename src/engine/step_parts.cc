#include "engine/step_parts.h"

#include <string_view>

namespace ganglion::engine {
namespace {

double us(const runtime::TimeSpan& span) { return 1e-3 * static_cast<double>(span.end - span.begin); }

// Adds up the segments between barriers.
void add_run(const runtime::Recorder& recorder, const runtime::RecordedRun& run, StepParts& parts) {
  const std::size_t count = recorder.steps.size();
  for (std::size_t begin = 0; begin < count;) {
    std::size_t end = begin + 1;
    while (end < count && !recorder.steps[end].barrier) ++end;
    double longest = -1, walk = 0;
    for (int thread = 0; thread < run.threads; ++thread) {
      double kernels = 0;
      for (std::size_t i = begin; i < end; ++i) kernels += us(run.at(thread, i));
      if (kernels <= longest) continue;
      longest = kernels;
      walk = us({run.at(thread, begin).begin, run.at(thread, end - 1).end}) - kernels;
    }
    parts.kernels += longest;
    parts.walk += walk;
    begin = end;
  }
  parts.waiting = us(run.span) - parts.kernels - parts.walk;
}

}  // namespace

std::vector<StepParts> decode_step_parts(const runtime::Recorder& recorder) {
  std::vector<StepParts> out;
  std::size_t event = 0;
  for (std::size_t i = 0; i + 1 < recorder.batches.size() && i < recorder.runs.size(); ++i) {
    const runtime::RecordedBatch& batch = recorder.batches[i];
    const runtime::RecordedRun& run = recorder.runs[i];
    StepParts parts;
    parts.whole = us({batch.span.begin, recorder.batches[i + 1].span.begin});
    for (; event < recorder.events.size() && recorder.events[event].span.begin < batch.span.end; ++event) {
      const runtime::RecordedEvent& what = recorder.events[event];
      if (what.span.begin < batch.span.begin) continue;
      if (std::string_view(what.name) == "sample") parts.sampling += us(what.span);
      if (std::string_view(what.name) == "deliver") parts.deliver += us(what.span);
    }
    if (batch.prompt_tokens > 0) continue;
    add_run(recorder, run, parts);
    parts.inputs = us({batch.span.begin, run.span.begin});
    parts.engine = parts.whole - us(run.span) - parts.inputs - parts.sampling - parts.deliver;
    out.push_back(parts);
  }
  return out;
}

}  // namespace ganglion::engine
