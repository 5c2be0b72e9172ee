#include "engine/load_report.h"

#include <fmt/core.h>

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

}  // namespace ganglion::engine
