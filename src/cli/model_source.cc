#include "cli/model_source.h"

#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>

#include "hub/hub.h"
#include "hub/progress.h"

namespace ganglion::cli {
namespace {

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // a signal handler may touch nothing else
struct sigaction old_int, old_term;

}  // namespace

void add_revision(CLI::App& verb, ModelSource& model) {
  verb.add_option("--revision", model.revision, "branch, tag or commit of a Hugging Face id (default: main)");
}

Interruption::Interruption() {
  interrupted = false;
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = true; };
  ::sigaction(SIGINT, &action, &old_int);
  ::sigaction(SIGTERM, &action, &old_term);
}

Interruption::~Interruption() {
  ::sigaction(SIGINT, &old_int, nullptr);
  ::sigaction(SIGTERM, &old_term, nullptr);
}

bool Interruption::cancelled() noexcept { return interrupted; }

std::filesystem::path bring_model(const ModelSource& model, hub::Options options, const std::string& place) {
  const hub::Source source = hub::parse_source(model.text, {std::filesystem::path()}, place);
  const auto progress = hub::make_progress();
  const Interruption interruption;
  options.progress = progress.get();
  options.cancelled = Interruption::cancelled;
  return hub::Hub(std::move(options)).bring(source, model.revision);
}

std::filesystem::path bring_model(const ModelSource& model, const Settings& settings, const std::string& place) {
  return bring_model(model, hub::read_options(settings), place);
}

}  // namespace ganglion::cli
