// The verbs of the program, one file each. A verb declares its options on its subcommand and returns what to do when it
// is the one that was called; main runs it and turns an Error into a message and an exit code.
#pragma once

#include <functional>

#include "base/settings.h"

namespace CLI {
class App;
}

namespace ganglion::cli {

// Returns the exit code.
using Action = std::function<int()>;

Action add_serve(CLI::App& verb, const Settings& settings);
Action add_generate(CLI::App& verb, const Settings& settings);
Action add_compile(CLI::App& verb, const Settings& settings);
Action add_run(CLI::App& verb, const Settings& settings);
Action add_plan(CLI::App& verb, const Settings& settings);
Action add_tokenize(CLI::App& verb, const Settings& settings);
Action add_inspect(CLI::App& verb, const Settings& settings);
Action add_quantize(CLI::App& verb, const Settings& settings);
Action add_split(CLI::App& verb, const Settings& settings);
Action add_download(CLI::App& verb, const Settings& settings);
Action add_profile(CLI::App& verb, const Settings& settings);
Action add_bench(CLI::App& verb, const Settings& settings);

}  // namespace ganglion::cli
