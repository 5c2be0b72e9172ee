#include "engine/load_report.h"

#include <fmt/core.h>

#include <utility>

#include "planner/plan.h"

namespace ganglion::engine {

double LoadReport::seconds() const {
  double sum = 0;
  for (const LoadPhase& phase : phases) sum += phase.seconds;
  return sum;
}

std::string LoadReport::text() const {
  std::string out;
  for (const LoadPhase& phase : phases) {
    out += fmt::format("{} {:.3f} s", phase.name, phase.seconds);
    if (phase.bytes > 0 && phase.seconds > 0) {
      out += fmt::format(" ({} at {:.2f} GB/s", planner::size_text(phase.bytes),
                         static_cast<double>(phase.bytes) / phase.seconds / 1e9);
      if (phase.name == "weights" && from_cache) out += ", packed before";
      if (phase.name == "weights" && !from_cache)
        out += fmt::format("; read {:.3f} s, pack {:.3f} s", read_seconds, pack_seconds);
      out += ")";
    }
    out += ", ";
  }
  return out + fmt::format("total {:.3f} s", seconds());
}

std::string LoadProgress::text() const {
  const double share = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 1;
  const double left = share > 0 ? seconds / share - seconds : 0;
  return fmt::format("loading weights: {:.0f} % of {} at {:.2f} GB/s, {:.0f} s left", 100 * share,
                     planner::size_text(total), seconds > 0 ? static_cast<double>(done) / seconds / 1e9 : 0.0, left);
}

OnProgress every_tenth(OnProgress tell) {
  return [tell = std::move(tell), told = std::int64_t{-1}](const LoadProgress& progress) mutable {
    const std::int64_t tenth = progress.total > 0 ? 10 * progress.done / progress.total : 10;
    if (progress.seconds < kWorthTelling || tenth <= told) return;
    told = tenth;
    tell(progress);
  };
}

}  // namespace ganglion::engine
