#include <fmt/format.h>

#include "cli/profile_page_html.h"
#include "cli/profile_report.h"

namespace ganglion::cli {
namespace {

double microseconds(std::int64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e3; }

// One run to look at: [step, thread, begin, end] with what each step did.
nlohmann::json timeline(const runtime::Recorder& recorder, const ProfilePhase& phase, const runtime::Limits& limits) {
  const runtime::RecordedRun& run = recorder.runs[phase.shown];
  nlohmann::json steps = nlohmann::json::array(), spans = nlohmann::json::array(), engine = nlohmann::json::array();
  for (std::size_t step = 0; step < recorder.steps.size(); ++step) {
    const runtime::StepInfo& info = recorder.steps[step];
    const ProfileSum sum = sum_of(recorder, run, step, limits);
    steps.push_back({{"kind", info.kind},
                     {"step", info.text},
                     {"place", info.place},
                     {"seconds", sum.seconds},
                     {"bytes", sum.work.bytes},
                     {"flops", sum.work.flops},
                     {"fraction_of_limit", sum.fraction_of_limit()}});
    for (int thread = 0; thread < run.threads; ++thread) {
      const runtime::TimeSpan& span = run.at(thread, step);
      spans.push_back(
          {step, thread, microseconds(span.begin - run.span.begin), microseconds(span.end - run.span.begin)});
    }
  }
  runtime::TimeSpan around = run.span;
  for (const runtime::RecordedBatch& batch : recorder.batches) {
    if (batch.span.begin <= run.span.begin && batch.span.end >= run.span.end) around = batch.span;
  }
  engine.push_back({"run", 0.0, microseconds(run.span.end - run.span.begin)});
  for (const runtime::RecordedEvent& event : recorder.events) {
    if (event.span.begin < around.begin || event.span.end > around.end) continue;
    engine.push_back(
        {event.name, microseconds(event.span.begin - run.span.begin), microseconds(event.span.end - run.span.begin)});
  }
  return {{"phase", phase.name},
          {"threads", run.threads},
          {"begin", microseconds(around.begin - run.span.begin)},
          {"end", microseconds(around.end - run.span.begin)},
          {"steps", steps},
          {"spans", spans},
          {"engine", engine}};
}

}  // namespace

std::string page_of(const runtime::Recorder& recorder, const ProfileReport& report, const nlohmann::json& about) {
  nlohmann::json data = json_of(report);
  data["about"] = about;
  data["timelines"] = nlohmann::json::array();
  for (const ProfilePhase& phase : report.phases) data["timelines"].push_back(timeline(recorder, phase, report.limits));
  std::string text = data.dump();
  // A name may hold what ends a script.
  for (std::size_t at = text.find('<'); at != std::string::npos; at = text.find('<', at))
    text.replace(at, 1, "\\u003c");
  std::string page = kProfilePage;
  const std::string mark = "@DATA@";
  page.replace(page.find(mark), mark.size(), text);
  return page;
}

}  // namespace ganglion::cli
