#include "cli/load_progress.h"

#include <unistd.h>

#include <memory>

namespace ganglion::cli {

engine::OnProgress print_load_progress(std::FILE* out) {
  const bool terminal = ::isatty(::fileno(out)) == 1;
  if (!terminal) {
    return engine::every_tenth(
        [out](const engine::LoadProgress& progress) { std::fprintf(out, "%s\n", progress.text().c_str()); });
  }
  return [out, shown = 0.0](const engine::LoadProgress& progress) mutable {
    const bool last = progress.done == progress.total;
    if (progress.seconds < engine::kWorthTelling || (!last && progress.seconds < shown + 0.2)) return;
    shown = progress.seconds;
    std::fprintf(out, "\r%s\033[K%s", progress.text().c_str(), last ? "\n" : "");
    std::fflush(out);
  };
}

}  // namespace ganglion::cli
