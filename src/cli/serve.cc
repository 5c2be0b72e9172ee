// `ganglion serve`: the model server, with DJL Serving's flags.
#include <pthread.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <string>
#include <thread>

#include "base/cores.h"
#include "base/log.h"
#include "base/thread_pool.h"
#include "cli/model_options.h"
#include "cli/verb.h"
#include "metrics/registry.h"
#include "server/config.h"
#include "server/engine_predictor.h"
#include "server/server.h"

namespace ganglion::cli {
namespace {

struct Options {
  server::CommandLine command_line;
  std::string store, config, address, log_file, isa;
  int threads = 1;
  int stop_seconds = 30;
};

// Waits for SIGINT or SIGTERM on a thread of its own, from before the models load: a download ends when one comes.
class StopSignal {
 public:
  // Blocks the signals in this thread and in those it starts from now on.
  StopSignal() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    thread_ = std::thread([this, signals] {
      pthread_setname_np(pthread_self(), "signals");
      int signal = 0;
      sigwait(&signals, &signal);
      came_ = signal;
      came_.notify_all();
    });
  }
  ~StopSignal() {
    if (came_ == 0) pthread_kill(thread_.native_handle(), SIGTERM);
    thread_.join();
  }
  StopSignal(const StopSignal&) = delete;

  bool came() const noexcept { return came_ != 0; }
  int wait() const noexcept {
    came_.wait(0);
    return came_;
  }

 private:
  std::atomic<int> came_{0};
  std::thread thread_;
};

int serve(const Options& options, const Settings& settings, log::Level level) {
  const StopSignal stop;

  if (!options.log_file.empty()) log::install(level, options.log_file);
  server::ServerConfig config = server::make_config(options.command_line, settings);
  config.hub.cancelled = [&stop] { return stop.came(); };
  metrics::Registry registry;
  ThreadPool pool(options.threads, [] { return available_cores(); });
  log::info("loading {} models with {} compute threads", config.models.size(), pool.threads());
  server::Server server(config,
                        server::engine_loader({.pool = &pool,
                                               .registry = &registry,
                                               .isa = options.isa,
                                               .memory_bytes = memory_setting(settings),
                                               .weight_cache = weight_cache_setting(settings),
                                               .weight_cache_bytes = weight_cache_size_setting(settings),
                                               .user_cache = settings.user_cache()}),
                        registry);
  log::info("serving on http://{}:{}", config.host, server.port());

  const int signal = stop.wait();
  log::info("{}: finishing what is in flight, at most {} s", signal == SIGINT ? "interrupted" : "terminated",
            options.stop_seconds);
  server.stop(std::chrono::seconds(options.stop_seconds));
  log::info("stopped");
  return 0;
}

}  // namespace

Action add_serve(CLI::App& verb, const Settings& settings) {
  auto options = std::make_shared<Options>();
  options->threads = static_cast<int>(settings.integer("GANGLION_THREADS", 1, 1024).value_or(available_cores()));
  options->isa = settings.value("GANGLION_ISA");
  verb.add_option("-m,--models", options->command_line.models,
                  "models, each [name[:version[:engine[:devices]]]=]url: a folder, a Hugging Face id, s3://, "
                  "https://...tar.gz or file:");
  CLI::Option* store =
      verb.add_option("-s,--model-store", options->store, "a folder with one folder per model (default /opt/ml/model)");
  CLI::Option* file = verb.add_option("-f,--config-file", options->config, "config.properties");
  CLI::Option* address =
      verb.add_option("--address", options->address, "where to listen (default http://127.0.0.1:8080)");
  verb.add_option("--threads", options->threads, "compute threads")->capture_default_str()->check(CLI::Range(1, 1024));
  verb.add_option("--log-file", options->log_file, "write the log there too");
  verb.add_option("--stop-seconds", options->stop_seconds, "time to finish what is in flight after SIGTERM")
      ->capture_default_str()
      ->check(CLI::Range(0, 3600));
  verb.footer("example: ganglion serve -s examples/models");
  return [=, &settings] {
    if (store->count() > 0) options->command_line.model_store = options->store;
    if (file->count() > 0) options->command_line.config_file = options->config;
    if (address->count() > 0) options->command_line.address = options->address;
    return serve(*options, settings, log::parse_level(settings.value("GANGLION_LOG")));
  };
}

}  // namespace ganglion::cli
