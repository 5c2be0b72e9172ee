// Where the time of a load went, and how far one has come.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace ganglion::engine {

struct LoadPhase {
  std::string name;  // "config", "tokenizer", "checkpoint", "graph", "compile", "weights", "warm"
  double seconds = 0;
  std::int64_t bytes = 0;  // that it read or made; 0: not counted
};

struct LoadReport {
  std::vector<LoadPhase> phases;  // one after another
  // Of the phase "weights": reading into memory, and bringing into the kernels' form, which for a weight that is packed
  // from where the file's pages lie includes reading them. Together they are the phase.
  double read_seconds = 0;
  double pack_seconds = 0;
  bool from_cache = false;  // packed weights were read as they are

  double seconds() const;
  // "config 0.001 s, ..., weights 0.813 s (2.45 GiB at 3.24 GB/s; read 0.4, pack 0.4), total 0.9 s"
  std::string text() const;
};

// Called on the loading thread now and then while weights are loaded.
struct LoadProgress {
  std::int64_t done = 0;  // bytes of stored weights
  std::int64_t total = 0;
  double seconds = 0;  // since the first
  // "loading weights: 45 % of 2.45 GiB at 1.23 GB/s, 1 s left"
  std::string text() const;
};
using OnProgress = std::function<void(const LoadProgress&)>;

// Shorter loads are over before a message about them is read.
inline constexpr double kWorthTelling = 2;  // seconds
// Passes on the first progress after kWorthTelling and then one for every tenth of the whole.
OnProgress every_tenth(OnProgress tell);

}  // namespace ganglion::engine
