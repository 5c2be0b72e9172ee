#include "cli/profile_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace ganglion::cli {
namespace {

double seconds_of(const runtime::TimeSpan& span) { return static_cast<double>(span.end - span.begin) * 1e-9; }

std::string phase_of(const runtime::RecordedBatch& batch) {
  return batch.decode_tokens == 0 ? "prefill" : batch.prompt_tokens == 0 ? "decode" : "mixed";
}

bool within(const runtime::TimeSpan& inner, const runtime::TimeSpan& outer) {
  return inner.begin >= outer.begin && inner.end <= outer.end;
}

// The run of a batch; null when its step failed before it ran. Both are in the order of time.
const runtime::RecordedRun* run_of(const runtime::Recorder& recorder, const runtime::RecordedBatch& batch) {
  const auto found = std::lower_bound(recorder.runs.begin(), recorder.runs.end(), batch.span.begin,
                                      [](const auto& run, std::int64_t time) { return run.span.begin < time; });
  return found != recorder.runs.end() && within(found->span, batch.span) ? &*found : nullptr;
}

double peak_of(const runtime::StepInfo& step, const runtime::Limits& limits) {
  return limits.flops_of(step.isa, step.storage);
}

void sort_by_time(std::vector<ProfileRow>& rows) {
  std::stable_sort(rows.begin(), rows.end(),
                   [](const ProfileRow& a, const ProfileRow& b) { return a.sum.seconds > b.sum.seconds; });
}

class PhaseBuilder {
 public:
  PhaseBuilder(const runtime::Recorder& recorder, const runtime::Limits& limits, const std::string& name)
      : recorder_(recorder), limits_(limits) {
    phase_.name = name;
  }

  void add(const runtime::RecordedBatch& batch, const runtime::RecordedRun& run) {
    ++phase_.steps;
    phase_.threads = run.threads;
    phase_.tokens += batch.prompt_tokens + batch.decode_tokens;
    phase_.seconds += seconds_of(batch.span);
    phase_.run_seconds += seconds_of(run.span);
    phase_.edge_seconds += seconds_of(run.span);
    runs_.push_back({&run, batch.prompt_tokens});
    spans_["run"] += seconds_of(run.span);
    for (std::size_t step = 0; step < recorder_.steps.size(); ++step) {
      const ProfileSum sum = sum_of(recorder_, run, step, limits_);
      phase_.edge_seconds -= sum.seconds;
      phase_.all += sum;
      const runtime::StepInfo& info = recorder_.steps[step];
      row(phase_.kinds, info, info.kind).sum += sum;
      row(phase_.rows, info, info.text).sum += sum;
    }
  }
  // An event that belongs to a batch of this phase; what is planned before a batch begins is a part of its time.
  void add(const runtime::RecordedEvent& event, bool inside) {
    spans_[event.name] += seconds_of(event.span);
    if (!inside) phase_.seconds += seconds_of(event.span);
  }

  ProfilePhase finish() {
    double rest = phase_.seconds;
    for (const char* name : {"schedule", "inputs", "run", "sample", "deliver"}) {
      phase_.engine.push_back({name, spans_[name]});
      rest -= spans_[name];
    }
    phase_.engine.push_back({"other", rest});
    sort_by_time(phase_.kinds);
    sort_by_time(phase_.rows);
    phase_.shown = shown();
    return std::move(phase_);
  }

 private:
  struct Run {
    const runtime::RecordedRun* run;
    std::int64_t prompt_tokens;
  };

  ProfileRow& row(std::vector<ProfileRow>& rows, const runtime::StepInfo& info, const std::string& text) {
    for (ProfileRow& row : rows) {
      if (row.text == text) return row;
    }
    return rows.emplace_back(ProfileRow{info.kind, text, peak_of(info, limits_), {}});
  }

  std::size_t shown() {
    std::sort(runs_.begin(), runs_.end(), [](const Run& a, const Run& b) {
      if (a.prompt_tokens != b.prompt_tokens) return a.prompt_tokens > b.prompt_tokens;
      return seconds_of(a.run->span) < seconds_of(b.run->span);
    });
    const auto largest = static_cast<std::size_t>(std::count_if(
        runs_.begin(), runs_.end(), [&](const Run& run) { return run.prompt_tokens == runs_[0].prompt_tokens; }));
    return static_cast<std::size_t>(runs_[(largest - 1) / 2].run - recorder_.runs.data());
  }

  const runtime::Recorder& recorder_;
  const runtime::Limits& limits_;
  ProfilePhase phase_;
  std::vector<Run> runs_;
  std::map<std::string, double> spans_;
};

double over(double value, double by) { return by > 0 ? value / by : 0; }

nlohmann::json json_of(const ProfileRow& row, int threads) {
  const ProfileSum& sum = row.sum;
  return {{"kind", row.kind},
          {"step", row.text},
          {"count", sum.count},
          {"seconds", sum.seconds},
          {"busy", sum.busy(threads)},
          {"bytes", sum.work.bytes},
          {"flops", sum.work.flops},
          {"bytes_per_second", over(sum.work.bytes, sum.seconds)},
          {"flops_per_second", over(sum.work.flops, sum.seconds)},
          {"peak_flops_per_second", row.peak_flops},
          {"bound", sum.bound_by_memory() ? "memory" : "arithmetic"},
          {"fraction_of_limit", sum.fraction_of_limit()}};
}

}  // namespace

ProfileSum& ProfileSum::operator+=(const ProfileSum& other) {
  count += other.count;
  seconds += other.seconds;
  busy_seconds += other.busy_seconds;
  work += other.work;
  memory_seconds += other.memory_seconds;
  arithmetic_seconds += other.arithmetic_seconds;
  limit_seconds += other.limit_seconds;
  return *this;
}

ProfileSum sum_of(const runtime::Recorder& recorder, const runtime::RecordedRun& run, std::size_t step,
                  const runtime::Limits& limits) {
  ProfileSum sum;
  sum.count = 1;
  std::int64_t begin = step == 0 ? run.span.end : run.span.begin, end = run.span.begin;
  for (int thread = 0; thread < run.threads; ++thread) {
    sum.busy_seconds += seconds_of(run.at(thread, step));
    end = std::max(end, run.at(thread, step).end);
    begin = step == 0 ? std::min(begin, run.at(thread, 0).begin) : std::max(begin, run.at(thread, step - 1).end);
  }
  sum.seconds = static_cast<double>(end - begin) * 1e-9;
  const runtime::StepInfo& info = recorder.steps[step];
  sum.work = info.work.at(run.sizes());
  sum.memory_seconds = over(sum.work.bytes, limits.bandwidth);
  sum.arithmetic_seconds = over(sum.work.flops, peak_of(info, limits));
  sum.limit_seconds = std::max(sum.memory_seconds, sum.arithmetic_seconds);
  return sum;
}

ProfileReport make_report(const runtime::Recorder& recorder, const runtime::Limits& limits, std::int64_t since) {
  ProfileReport report;
  report.limits = limits;
  std::vector<PhaseBuilder> builders;
  std::vector<std::string> names;
  const auto builder = [&](const std::string& name) -> PhaseBuilder& {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found != names.end()) return builders[static_cast<std::size_t>(found - names.begin())];
    names.push_back(name);
    return builders.emplace_back(recorder, limits, name);
  };
  auto event = recorder.events.begin();
  for (const runtime::RecordedBatch& batch : recorder.batches) {
    const runtime::RecordedRun* run = run_of(recorder, batch);
    const bool wanted = batch.span.begin >= since && run != nullptr;
    if (wanted) builder(phase_of(batch)).add(batch, *run);
    // The batch was scheduled before it began; an empty one before that is nobody's.
    for (; event != recorder.events.end() && event->span.end <= batch.span.end; ++event) {
      const bool inside = within(event->span, batch.span);
      const bool last_before =
          !inside && event + 1 != recorder.events.end() && (event + 1)->span.begin >= batch.span.begin;
      if (wanted && (inside || last_before)) builder(phase_of(batch)).add(*event, inside);
    }
  }
  for (PhaseBuilder& each : builders) report.phases.push_back(each.finish());
  return report;
}

nlohmann::json json_of(const ProfileReport& report) {
  nlohmann::json phases = nlohmann::json::array();
  for (const ProfilePhase& phase : report.phases) {
    nlohmann::json kinds = nlohmann::json::array(), rows = nlohmann::json::array(), engine = nlohmann::json::object();
    for (const ProfileRow& row : phase.kinds) kinds.push_back(json_of(row, phase.threads));
    for (const ProfileRow& row : phase.rows) rows.push_back(json_of(row, phase.threads));
    for (const EngineShare& share : phase.engine) engine[share.name] = share.seconds;
    const ProfileSum& all = phase.all;
    phases.push_back({{"phase", phase.name},
                      {"steps", phase.steps},
                      {"tokens", phase.tokens},
                      {"seconds", phase.seconds},
                      {"run_seconds", phase.run_seconds},
                      {"edge_seconds", phase.edge_seconds},
                      {"tokens_per_second", over(static_cast<double>(phase.tokens), phase.seconds)},
                      {"busy", over(all.busy_seconds, phase.run_seconds * phase.threads)},
                      {"bytes", all.work.bytes},
                      {"flops", all.work.flops},
                      {"fraction_of_bandwidth", over(all.memory_seconds, phase.run_seconds)},
                      {"fraction_of_peak", over(all.arithmetic_seconds, phase.run_seconds)},
                      {"fraction_of_limit", over(all.limit_seconds, phase.run_seconds)},
                      {"engine", engine},
                      {"kinds", kinds},
                      {"rows", rows}});
  }
  return {{"limits",
           {{"bandwidth_bytes_per_second", report.limits.bandwidth},
            {"bandwidth_loop", report.limits.bandwidth_loop},
            {"peak_flops_per_second", report.limits.peak_flops},
            {"peak_isa", report.limits.peak_isa},
            {"tile_flops_per_second", report.limits.tile_flops}}},
          {"phases", phases}};
}

std::string text_of(const ProfileReport& report) {
  std::string text;
  for (const ProfilePhase& phase : report.phases) {
    const double per_step = 1e3 / static_cast<double>(phase.steps);
    text += fmt::format(
        "\n{}: {} steps of {:.3f} ms, {:.1f} tokens/s; {:.1f} % of the bandwidth, {:.1f} % of the peak\n", phase.name,
        phase.steps, phase.seconds * per_step, over(static_cast<double>(phase.tokens), phase.seconds),
        100 * over(phase.all.memory_seconds, phase.run_seconds),
        100 * over(phase.all.arithmetic_seconds, phase.run_seconds));
    std::size_t width = 12;
    for (const ProfileRow& row : phase.rows) width = std::max(width, std::min<std::size_t>(row.text.size(), 72));
    text += fmt::format("  {:<{}} {:>6} {:>10} {:>6} {:>9} {:>9} {:>7} {:>6}\n", "step", width, "count", "ms/step", "%",
                        "GB/s", "GFLOP/s", "limit %", "busy %");
    for (const ProfileRow& row : phase.rows) {
      const ProfileSum& sum = row.sum;
      text +=
          fmt::format("  {:<{}.72} {:>6} {:>10.4f} {:>6.1f} {:>9.1f} {:>9.1f} {:>5.1f} {} {:>6.1f}\n", row.text, width,
                      sum.count / phase.steps, sum.seconds * per_step, 100 * over(sum.seconds, phase.seconds),
                      over(sum.work.bytes, sum.seconds) / 1e9, over(sum.work.flops, sum.seconds) / 1e9,
                      100 * sum.fraction_of_limit(), sum.bound_by_memory() ? "m" : "a", 100 * sum.busy(phase.threads));
    }
    const auto line = [&](const std::string& name, double seconds) {
      text += fmt::format("  {:<{}} {:>6} {:>10.4f} {:>6.1f}\n", name, width, "", seconds * per_step,
                          100 * over(seconds, phase.seconds));
    };
    line("begin and end of a run", phase.edge_seconds);
    for (const EngineShare& share : phase.engine) {
      if (share.name != "run") line("engine: " + share.name, share.seconds);
    }
  }
  text +=
      "\nlimit %: of what the machine can do for this step, m by its bytes, a by its arithmetic; more than 100 where\n"
      "what it reads was still in a cache.\n";
  return text;
}

}  // namespace ganglion::cli
