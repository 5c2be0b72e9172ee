// The CPU backend's executable: a program, the weights and states of all ranks, the arenas, and the frames that point
// into them. The face is runtime/executable.h.
#pragma once

#include <memory>
#include <vector>

#include "program/program.h"
#include "runtime/cpu/execute.h"
#include "runtime/executable.h"

namespace ganglion::runtime::cpu {

class CpuExecutable : public Executable {
 public:
  CpuExecutable(std::unique_ptr<const hlo::Module> module, const CompileOptions& options);

  Footprint footprint() const override;
  Footprint footprint_of_rank() const override;
  std::vector<StoredWeight> stored_weights() const override;
  std::string weight_layout() const override;
  std::span<std::byte> weight_image() override;
  void weights_are_in_image() override;
  void load_weights(std::vector<WeightSources> weights, const std::function<void(std::int64_t)>& on_bytes) override;
  void prepare() override { allocate(plain_); }
  void run(std::span<const std::vector<TensorView>> inputs, std::span<std::vector<MutableTensorView>> results) override;
  std::vector<std::string> find_not_finite(std::span<const std::vector<TensorView>> inputs,
                                           std::span<std::vector<MutableTensorView>> results,
                                           std::span<const RowsInQuestion> questions) override;
  TensorView state(std::int64_t parameter, int rank) const override;
  std::vector<StepInfo> steps() const override;
  void record(Recorder* recorder) override;
  program::RunSizes last_sizes() const override { return last_sizes_; }
  std::vector<std::string> describe_steps() const override;

  const program::Program& program() const { return plain_.program; }

 private:
  // A program with the memory it runs in. There is a second one only when the ranks get different inputs.
  struct Plan {
    program::Program program;
    Buffer shared;
    std::vector<Buffer> arenas, scratches, bounded_inputs;  // by rank, thread, input
    std::vector<std::vector<const std::byte*>> inputs;      // by rank
    std::vector<std::vector<std::byte*>> results;           // by rank
    std::vector<Frame> frames;
    std::vector<std::int64_t> rows;
    bool allocated = false;
  };

  void allocate_weights();
  void check_source(const WeightSources& weight) const;
  void allocate(Plan& plan);
  Plan& plan_for(std::size_t lists);
  // Everything that a run wants before its first step. Errors: as run.
  Plan& bind(std::span<const std::vector<TensorView>> inputs, std::span<std::vector<MutableTensorView>> results);
  Team team_of(const Plan& plan, int thread, int threads) const;
  std::string describe_place(const program::Step& step) const;
  void bind_inputs(Plan& plan, std::span<const std::vector<TensorView>> inputs);
  void bind_results(Plan& plan, std::span<std::vector<MutableTensorView>> results);
  int weight_copies(const program::WeightForm& form) const { return form.sharded ? ranks_ : 1; }

  std::unique_ptr<const hlo::Module> module_;
  std::vector<hlo::Instruction*> parameters_;
  const kernels::Table* table_;
  int ranks_;
  ThreadPool* pool_;
  std::unique_ptr<ThreadPool> own_pool_;  // of one thread, when none was given
  Plan plain_, per_rank_;
  Buffer weights_;                                        // all forms of all ranks, one after another
  std::vector<std::vector<Buffer>> states_;               // by state, by rank
  std::vector<std::vector<std::byte*>> weight_pointers_;  // by rank, by form
  std::vector<std::vector<std::byte*>> state_pointers_;   // by rank, by state
  std::vector<bool> loaded_;                              // by parameter
  bool allocated_ = false;
  Recorder* recorder_ = nullptr;
  program::RunSizes last_sizes_;
};

// The sizes of a run by the inputs of one rank, already checked; it points to frame.rows.
program::RunSizes run_sizes(const program::Program& program, const Frame& frame);

// Checks what the kernels of the paged cache trust, of the inputs of one rank. kInvalidArgument.
void check_cache_indices(const program::Program& program, const Frame& frame);

}  // namespace ganglion::runtime::cpu
