// A compiled module, ready to run, whatever runs it. The CPU backend is in runtime/cpu, PJRT plugins in runtime/pjrt.
//
// Entry parameters keep their module numbers everywhere. By their role: inputs are given to every run; weights are
// loaded once, before the first run, and may be packed; state (KV caches) belongs to the executable, is zero at first
// and is updated in place. A module whose parameters are all inputs (any foreign module) just runs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "hlo/module.h"
#include "program/work.h"
#include "runtime/recorder.h"
#include "tensor/source.h"
#include "tensor/tensor.h"

namespace ganglion {
class ThreadPool;
}

namespace ganglion::runtime {

struct CompileOptions {
  int ranks = 1;               // SPMD: the same module on every rank
  std::string isa = {};        // kernel table; empty: the best this CPU has
  ThreadPool* pool = nullptr;  // not owned, must outlive the executable; null: the calling thread only
};

// Bytes, summed over ranks; what is held by all ranks in common is counted once.
struct Footprint {
  std::int64_t weights = 0;  // packed
  std::int64_t state = 0;
  std::int64_t activations = 0;  // arenas
  std::int64_t program = 0;
  std::int64_t total() const { return weights + state + activations + program; }
};

// One form in which a weight parameter is kept; there may be two of a parameter.
struct StoredWeight {
  std::int64_t parameter = 0;
  bool packed = false;      // for matmuls; otherwise as rows to be looked up
  std::int64_t bytes = 0;   // of one copy
  std::int64_t copies = 1;  // one per rank when sharded, else one
};

// Where the numbers of a weight parameter come from.
struct WeightSources {
  std::int64_t parameter = 0;
  std::vector<std::shared_ptr<const TensorSource>> per_rank;  // one per rank when sharded, else one
};

// Where to look for values that are not finite: rows [begin, end) of what is bounded by each size input, in the order
// of those inputs; what has no such rows is looked at whole.
struct RowRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};
using RowsInQuestion = std::vector<RowRange>;

class Executable {
 public:
  virtual ~Executable() = default;

  // What it takes, known right after compiling and before anything large is allocated.
  virtual Footprint footprint() const = 0;
  // The same for one rank that shares nothing with others, as on a device of its own.
  virtual Footprint footprint_of_rank() const = 0;
  // What footprint().weights is the sum of.
  virtual std::vector<StoredWeight> stored_weights() const = 0;

  // Loads weights, each from its sources, on all threads; `on_bytes` is called on this thread now and then with the
  // bytes stored so far. A source's dims must be the parameter's; a float source of another float type is converted
  // (nearest even), and it is let go when the last of it has been read, since it may hold memory. kInvalidArgument when
  // a parameter, dims, type or count do not fit, before anything is read; whatever a source throws. Not thread-safe.
  virtual void load_weights(std::vector<WeightSources> weights, const std::function<void(std::int64_t)>& on_bytes) = 0;
  void load_weights(std::vector<WeightSources> weights) { load_weights(std::move(weights), nullptr); }

  // All stored weights as one piece of memory, allocated now, and a text that says how they lie in it: images of equal
  // layouts are interchangeable. A caller that fills the image itself says so with weights_are_in_image(), instead of
  // load_weights. The span is valid as long as the executable.
  virtual std::string weight_layout() const = 0;
  virtual std::span<std::byte> weight_image() = 0;
  virtual void weights_are_in_image() = 0;

  // Takes the memory of a run now, rather than in the first run.
  virtual void prepare() = 0;

  // Runs the module once. inputs: in the order of the input parameters; one list, given to every rank, or one per rank.
  // A bounded input has as many rows as its size parameter says. results: in the order of the module's results without
  // the aliased ones, for rank 0 only or for every rank (as many lists as were passed); allocated by the caller with
  // the result's dims (a bounded result: at least the actual rows). kInvalidArgument when a shape or type does not fit
  // or a weight has not been loaded. Not thread-safe: one run at a time.
  virtual void run(std::span<const std::vector<TensorView>> inputs,
                   std::span<std::vector<MutableTensorView>> results) = 0;

  // Runs the module once more, slowly, and says for each of `questions` which step was the first to give a value that
  // is not finite in those rows: "layer 3: matmul f16 avx2 [512,2048]x[8192,2048] with model.layers.3.fc1.weight";
  // empty when none was, or when the backend has no steps to look at. Right after a run with the same arguments it
  // changes nothing: the results and the state get the bits they have. Errors: as run.
  virtual std::vector<std::string> find_not_finite(std::span<const std::vector<TensorView>> inputs,
                                                   std::span<std::vector<MutableTensorView>> results,
                                                   std::span<const RowsInQuestion> questions) = 0;

  // The state of one rank as it is now, for tests and `run --dump`. The view is valid until the next run.
  virtual TensorView state(std::int64_t parameter, int rank) const = 0;

  // The steps of the program in their order, with what each has to touch and to compute. Backends without steps have
  // none.
  virtual std::vector<StepInfo> steps() const = 0;
  // From now on every run is written down: it costs two readings of the clock for each step and thread. Null: no more.
  // Not owned; filled in run(), on the threads that run. Runs with inputs per rank are not written down.
  virtual void record(Recorder* recorder) = 0;
  // Of the last run, to evaluate the steps' work at; valid until the next one.
  virtual program::RunSizes last_sizes() const = 0;
  // One line per step, for people and for tests of the plan ("no generic step on weights").
  virtual std::vector<std::string> describe_steps() const = 0;
};

// Compiles for the CPU. Verifies the module first. kInvalidArgument, kUnsupported with the instruction's name and
// place.
std::unique_ptr<Executable> compile_for_cpu(std::unique_ptr<const hlo::Module> module, const CompileOptions& options);

}  // namespace ganglion::runtime
