// `ganglion quantize`: a checkpoint in s8 or s4.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "base/cores.h"
#include "base/error.h"
#include "cli/model_source.h"
#include "cli/progress_line.h"
#include "cli/verb.h"
#include "models/quantize_checkpoint.h"

namespace ganglion::cli {
namespace {

struct Options {
  ModelSource model;
  std::string to = "s8";
  std::string out;
  std::int64_t group = 32;
  int threads = 1;
};

int quantize(const Options& options, const Settings& settings) {
  const std::filesystem::path folder = bring_model(options.model, settings, "quantize");
  ThreadPool pool(options.threads);
  models::QuantizeReport report;
  {
    ProgressLine line("quantize");
    report =
        models::quantize_checkpoint(folder, options.out,
                                    {.to = options.to == "s4" ? DType::kS4 : DType::kS8,
                                     .group = options.group,
                                     .pool = &pool,
                                     .progress = [&](std::uint64_t done, std::uint64_t all) { line.show(done, all); }});
  }
  const auto mib = [](std::uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
  std::printf("%s: weights of %.1f MiB, before %.1f MiB (%.0f %%)\n", options.out.c_str(), mib(report.bytes_after),
              mib(report.bytes_before),
              100.0 * static_cast<double>(report.bytes_after) / static_cast<double>(report.bytes_before));
  std::printf("tensors: %lld in s4, %lld in s8, %lld as they were, %lld left out (the model does not use them)\n",
              static_cast<long long>(report.in_s4), static_cast<long long>(report.in_s8),
              static_cast<long long>(report.kept), static_cast<long long>(report.left_out));
  std::printf("largest relative error of a matrix: %.2f %% (%s)\n", 100 * report.largest_error,
              report.largest_error_at.c_str());
  return 0;
}

}  // namespace

Action add_quantize(CLI::App& verb, const Settings& settings) {
  auto options = std::make_shared<Options>();
  options->threads = static_cast<int>(settings.integer("GANGLION_THREADS", 1, 1024).value_or(available_cores()));
  verb.add_option("MODEL", options->model.text, kModelHelp)->required();
  add_revision(verb, options->model);
  verb.add_option("--to", options->to,
                  "s8 (a scale for each output), or s4 (a scale for each group of inputs; the vocabulary's in s8)")
      ->capture_default_str()
      ->check(CLI::IsMember({"s8", "s4"}));
  verb.add_option("--group-size", options->group, "with s4: inputs that share a scale, 32, 64 or 128")
      ->capture_default_str()
      ->check(CLI::IsMember({32, 64, 128}));
  verb.add_option("--threads", options->threads, "compute threads")->capture_default_str()->check(CLI::Range(1, 1024));
  verb.add_option("--out", options->out, "folder to write; it must not exist yet")->required();
  verb.footer("example: ganglion quantize share/opt-demo --to s4 --group-size 32 --out /tmp/opt-demo-s4");
  return [=, &settings] { return quantize(*options, settings); };
}

}  // namespace ganglion::cli
