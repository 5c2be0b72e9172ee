// `ganglion quantize`: a checkpoint in s8 or s4.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include "base/error.h"
#include "cli/verb.h"
#include "models/quantize_checkpoint.h"

namespace ganglion::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string model;
  std::string to = "s8";
  std::string out;
  std::int64_t group = 32;
};

// Rate and time left on standard error, once it takes longer than two seconds: four times a second on a terminal, else
// a line every ten seconds.
class ProgressLine {
 public:
  ~ProgressLine() {
    if (terminal_ && shown_) std::fprintf(stderr, "\n");
  }
  void show(std::uint64_t done, std::uint64_t all) {
    const auto now = Clock::now();
    const std::chrono::duration<double> taken = now - start_;
    if (taken.count() < 2 || now < next_ || done == 0) return;
    next_ = now + (terminal_ ? std::chrono::milliseconds(250) : std::chrono::milliseconds(10'000));
    shown_ = true;
    const double rate = static_cast<double>(done) / taken.count();
    std::fprintf(stderr, "%squantize: %3.0f %%, %.0f MB/s, %.0f s left%s", terminal_ ? "\r" : "",
                 100.0 * static_cast<double>(done) / static_cast<double>(all), rate / 1e6,
                 static_cast<double>(all - done) / rate, terminal_ ? "   " : "\n");
  }

 private:
  const bool terminal_ = ::isatty(2) == 1;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point next_ = start_;
  bool shown_ = false;
};

int quantize(const Options& options) {
  models::QuantizeReport report;
  {
    ProgressLine line;
    report =
        models::quantize_checkpoint(options.model, options.out,
                                    {.to = options.to == "s4" ? DType::kS4 : DType::kS8,
                                     .group = options.group,
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

Action add_quantize(CLI::App& verb, const Settings&) {
  auto options = std::make_shared<Options>();
  verb.add_option("MODEL", options->model, "folder of a Hugging Face checkpoint")->required();
  verb.add_option("--to", options->to,
                  "s8 (a scale for each output), or s4 (a scale for each group of inputs; the vocabulary's in s8)")
      ->capture_default_str()
      ->check(CLI::IsMember({"s8", "s4"}));
  verb.add_option("--group-size", options->group, "with s4: inputs that share a scale, 32, 64 or 128")
      ->capture_default_str()
      ->check(CLI::IsMember({32, 64, 128}));
  verb.add_option("--out", options->out, "folder to write; it must not exist yet")->required();
  verb.footer("example: ganglion quantize share/opt-demo --to s4 --group-size 32 --out /tmp/opt-demo-s4");
  return [=] { return quantize(*options); };
}

}  // namespace ganglion::cli
