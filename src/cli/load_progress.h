// How far loading has come, for people: a line that is written over on a terminal, a line for every tenth elsewhere.
// Nothing for loads of less than two seconds.
#pragma once

#include <cstdio>

#include "engine/load_report.h"

namespace ganglion::cli {

// Writes to `out`, which must outlive what is returned. Not thread-safe.
engine::OnProgress print_load_progress(std::FILE* out);

}  // namespace ganglion::cli
