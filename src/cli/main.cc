// ganglion: see `ganglion --help`.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <exception>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "base/settings.h"
#include "cli/verb.h"

namespace ganglion::cli {
namespace {

struct Row {
  const char* name;
  const char* summary;
  Action (*add)(CLI::App&, const Settings&);
};

constexpr Row kVerbs[] = {
    {"serve", "serve models over HTTP, as DJL Serving does", add_serve},
    {"generate", "generate text from prompts in the terminal", add_generate},
    {"compile", "write the step module of a model as HLO", add_compile},
    {"run", "run any HLO module", add_run},
    {"split", "write a checkpoint as one file per tensor, as save_pretrained_split does", add_split},
    {"plan", "what a model will take, byte by byte, and whether it fits", add_plan},
    {"tokenize", "text to token ids and back", add_tokenize},
    {"inspect", "show a model, the devices or the instruction sets", add_inspect},
    {"quantize", "write a checkpoint with weights of 8 or 4 bits", add_quantize},
    {"download", "bring a model here: from Hugging Face, S3 or the web", add_download},
    {"profile", "where the time of a model goes: a trace, a page and a table", add_profile},
    {"bench", "measure this machine and this program", add_bench},
};

int main_of_program(int argc, char** argv) {
  CLI::App app{"ganglion: decoders as XLA HLO on CPU threads and PJRT devices, served as DJL Serving does", "ganglion"};
  app.require_subcommand(1);
  app.footer("example: ganglion generate share/opt-demo -p 'Hello, I am' --max-new-tokens 32");
  const Settings settings = Settings::from_environment();
  std::string log_level = settings.value("GANGLION_LOG");
  app.add_option("--log", log_level, "log level: debug, info, warn, error or off")->capture_default_str();
  std::vector<std::pair<CLI::App*, Action>> verbs;
  for (const Row& row : kVerbs) {
    CLI::App* verb = app.add_subcommand(row.name, row.summary);
    verbs.emplace_back(verb, row.add(*verb, settings));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : exit_code(Code::kInvalidArgument);
  }
  log::install(log::parse_level(log_level));
  for (const auto& [verb, action] : verbs) {
    if (verb->parsed()) return action();
  }
  return 0;
}

}  // namespace
}  // namespace ganglion::cli

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a closed socket or pipe is an error code, not a death
  try {
    return ganglion::cli::main_of_program(argc, argv);
  } catch (const ganglion::Error& error) {
    std::fprintf(stderr, "ganglion: %s\n", error.what());
    return ganglion::exit_code(error.code());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ganglion: [internal] %s\n", error.what());
    return ganglion::exit_code(ganglion::Code::kInternal);
  }
}
