#include "runtime/cpu/executable.h"

#include <cstring>

#include "base/error.h"
#include "compiler/pipeline.h"
#include "compiler/storage.h"
#include "hlo/verifier.h"
#include "runtime/cpu/element_types.h"

namespace ganglion::runtime::cpu {

using program::kAllRows;
using program::Port;

CpuExecutable::CpuExecutable(std::unique_ptr<const hlo::Module> module, const CompileOptions& options)
    : module_(std::move(module)), table_(kernels::find_table(options.isa)), ranks_(options.ranks), pool_(options.pool) {
  if (ranks_ < 1 || ranks_ > 1024) {
    fail(Code::kInvalidArgument, "[{}] ranks={}: 1 to 1024 are wanted", module_->name, ranks_);
  }
  if (table_ == nullptr) {
    fail(Code::kInvalidArgument, "[{}] isa={}: no such kernel table, or this CPU cannot run it", module_->name,
         options.isa);
  }
  if (pool_ == nullptr) {
    own_pool_ = std::make_unique<ThreadPool>(1);
    pool_ = own_pool_.get();
  }
  hlo::verify(*module_);
  parameters_ = module_->entry->parameters();
  loaded_.assign(parameters_.size(), false);
  compiler::Options compile;
  compile.ranks = ranks_;
  compile.table = table_;
  plain_.program = compiler::compile(*module_, compile);
}

Footprint CpuExecutable::footprint_of_rank() const {
  const program::Program& program = plain_.program;
  Footprint sum;
  for (const program::WeightForm& form : program.weights) sum.weights += form.bytes;
  for (const program::StateSlot& state : program.states) sum.state += state.bytes;
  sum.activations = program.arena_bytes + program.shared_arena_bytes + program.scratch_bytes * pool_->threads();
  for (const Port& port : program.inputs) {
    if (port.rows != kAllRows) {
      sum.activations += element_count(port.dims) * static_cast<std::int64_t>(dtype_size(port.dtype));
    }
  }
  sum.program = program.program_bytes();
  return sum;
}

// All ranks run in this process: each has its shards, its cache and its arena, the rest is there once.
Footprint CpuExecutable::footprint() const {
  Footprint sum = footprint_of_rank();
  sum.weights = 0;
  for (const StoredWeight& weight : stored_weights()) sum.weights += weight.bytes * weight.copies;
  sum.state *= ranks_;
  sum.activations += plain_.program.arena_bytes * (ranks_ - 1);
  return sum;
}

std::vector<StoredWeight> CpuExecutable::stored_weights() const {
  std::vector<StoredWeight> out;
  for (const program::WeightForm& form : plain_.program.weights) {
    out.push_back({form.parameter, form.packed, form.bytes, weight_copies(form)});
  }
  return out;
}

void CpuExecutable::allocate(Plan& plan) {
  if (plan.allocated) return;
  allocate_weights();
  const program::Program& program = plan.program;
  const auto ranks = static_cast<std::size_t>(ranks_);
  plan.shared = Buffer(static_cast<std::size_t>(program.shared_arena_bytes));
  for (int thread = 0; thread < pool_->threads(); ++thread) {
    plan.scratches.emplace_back(static_cast<std::size_t>(program.scratch_bytes));
  }
  const std::size_t lists = &plan == &per_rank_ ? ranks : 1;
  for (std::size_t i = 0; i < lists * program.inputs.size(); ++i) {
    const Port& port = program.inputs[i % program.inputs.size()];
    const auto bytes = static_cast<std::size_t>(element_count(port.dims)) * dtype_size(port.dtype);
    plan.bounded_inputs.emplace_back(port.rows == kAllRows ? 0 : bytes);
  }
  plan.inputs.assign(ranks, std::vector<const std::byte*>(program.inputs.size()));
  plan.results.assign(ranks, std::vector<std::byte*>(program.results.size()));
  plan.rows.assign(program.sizes.size(), 0);
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    plan.arenas.emplace_back(static_cast<std::size_t>(program.arena_bytes));
    Frame frame;
    frame.rank = static_cast<int>(rank);
    frame.arena = plan.arenas.back().data();
    frame.shared = plan.shared.data();
    frame.constants = program.constants.data();
    frame.weights = weight_pointers_[rank];
    frame.states = state_pointers_[rank];
    frame.inputs = plan.inputs[rank];
    frame.results = plan.results[rank];
    frame.rows = plan.rows.data();
    plan.frames.push_back(frame);
  }
  plan.allocated = true;
}

CpuExecutable::Plan& CpuExecutable::plan_for(std::size_t lists) {
  if (lists == 1 || ranks_ == 1) return plain_;
  if (per_rank_.program.steps.empty()) {
    compiler::Options compile;
    compile.ranks = ranks_;
    compile.table = table_;
    compile.inputs_per_rank = true;
    per_rank_.program = compiler::compile(*module_, compile);
    GANGLION_CHECK(per_rank_.program.weights.size() == plain_.program.weights.size());
  }
  return per_rank_;
}

void CpuExecutable::bind_inputs(Plan& plan, std::span<const std::vector<TensorView>> inputs) {
  const program::Program& program = plan.program;
  for (std::size_t list = 0; list < inputs.size(); ++list) {
    if (inputs[list].size() != program.inputs.size()) {
      fail(Code::kInvalidArgument, "[{}] {} inputs were given, {} are wanted", module_->name, inputs[list].size(),
           program.inputs.size());
    }
    for (std::size_t s = 0; s < program.sizes.size(); ++s) {
      const program::SizeSlot& size = program.sizes[s];
      const TensorView& view = inputs[list][static_cast<std::size_t>(size.input)];
      if (view.dtype != DType::kS32 || !view.dims.empty() || view.data == nullptr) {
        fail(Code::kInvalidArgument, "[{}] size {} must be an s32[]", module_->name,
             program.inputs[static_cast<std::size_t>(size.input)].name);
      }
      std::int32_t rows = 0;
      std::memcpy(&rows, view.data, sizeof(rows));
      if (rows < 0 || rows > size.bound || (list > 0 && rows != plan.rows[s])) {
        fail(Code::kInvalidArgument, "[{}] {}={}: 0 to {} rows are wanted, equal on all ranks", module_->name,
             program.inputs[static_cast<std::size_t>(size.input)].name, rows, size.bound);
      }
      plan.rows[s] = rows;
    }
    for (std::size_t i = 0; i < program.inputs.size(); ++i) {
      const Port& port = program.inputs[i];
      const TensorView& view = inputs[list][i];
      bool fits = view.dtype == port.dtype && view.dims.size() == port.dims.size();
      for (std::size_t d = 0; fits && d < port.dims.size(); ++d) {
        const bool bounded = d == 0 && port.rows != kAllRows;
        fits = view.dims[d] == (bounded ? plan.rows[static_cast<std::size_t>(port.rows)] : port.dims[d]);
      }
      if (!fits || (view.data == nullptr && view.bytes() != 0)) {
        fail(Code::kInvalidArgument, "[{}] input {} is {}, the module wants {}{}", module_->name, port.name,
             shape_text(view.dtype, view.dims), shape_text(port.dtype, port.dims),
             port.rows == kAllRows ? "" : fmt::format(" with {} rows", plan.rows[static_cast<std::size_t>(port.rows)]));
      }
      const std::byte* data = view.data;
      if (port.rows != kAllRows) {
        // Steps may read up to the bound; the caller's memory ends at the real rows.
        Buffer& own = plan.bounded_inputs[list * program.inputs.size() + i];
        if (view.bytes() != 0) std::memcpy(own.data(), view.data, view.bytes());
        data = own.data();
      }
      plan.inputs[list][i] = data;
    }
  }
  for (std::size_t rank = inputs.size(); rank < plan.inputs.size(); ++rank) plan.inputs[rank] = plan.inputs[0];
  for (std::size_t rank = 0; rank < plan.frames.size(); ++rank) plan.frames[rank].inputs = plan.inputs[rank];
  for (std::size_t list = 0; list < inputs.size(); ++list) check_cache_indices(program, plan.frames[list]);
}

void CpuExecutable::bind_results(Plan& plan, std::span<std::vector<MutableTensorView>> results) {
  const program::Program& program = plan.program;
  const auto ranks = static_cast<std::size_t>(ranks_);
  if (results.size() != 1 && results.size() != ranks && !(results.empty() && program.results.empty())) {
    fail(Code::kInvalidArgument, "[{}] {} lists of results: 1 or one for each of {} ranks are wanted", module_->name,
         results.size(), ranks_);
  }
  for (std::size_t list = 0; list < ranks; ++list) {
    if (list >= results.size()) {
      plan.results[list].assign(program.results.size(), nullptr);
      continue;
    }
    if (results[list].size() != program.results.size()) {
      fail(Code::kInvalidArgument, "[{}] room for {} results was given, there are {}", module_->name,
           results[list].size(), program.results.size());
    }
    for (std::size_t i = 0; i < program.results.size(); ++i) {
      const Port& port = program.results[i];
      const MutableTensorView& view = results[list][i];
      bool fits = view.dtype == port.dtype && view.dims.size() == port.dims.size();
      for (std::size_t d = 0; fits && d < port.dims.size(); ++d) {
        const bool bounded = d == 0 && port.rows != kAllRows;
        fits = bounded ? view.dims[d] >= plan.rows[static_cast<std::size_t>(port.rows)] : view.dims[d] == port.dims[d];
      }
      if (!fits || (view.data == nullptr && view.bytes() != 0)) {
        fail(Code::kInvalidArgument, "[{}] {} is given room for {}, it is {}", module_->name, port.name,
             shape_text(view.dtype, view.dims), shape_text(port.dtype, port.dims));
      }
      plan.results[list][i] = view.data;
    }
  }
}

CpuExecutable::Plan& CpuExecutable::bind(std::span<const std::vector<TensorView>> inputs,
                                         std::span<std::vector<MutableTensorView>> results) {
  if (inputs.size() != 1 && inputs.size() != static_cast<std::size_t>(ranks_)) {
    fail(Code::kInvalidArgument, "[{}] {} lists of inputs: 1 or one for each of {} ranks are wanted", module_->name,
         inputs.size(), ranks_);
  }
  Plan& plan = plan_for(inputs.size());
  for (const program::WeightForm& form : plan.program.weights) {
    if (!loaded_[static_cast<std::size_t>(form.parameter)]) {
      fail(Code::kInvalidArgument, "[{}] weight {} has not been loaded", module_->name,
           parameters_[static_cast<std::size_t>(form.parameter)]->name);
    }
  }
  allocate(plan);
  bind_inputs(plan, inputs);
  bind_results(plan, results);
  return plan;
}

Team CpuExecutable::team_of(const Plan& plan, int thread, int threads) const {
  Team team;
  team.thread = thread;
  team.threads = threads;
  team.pool = pool_;
  team.scratch = const_cast<std::byte*>(plan.scratches[static_cast<std::size_t>(thread)].data());
  team.table = table_;
  return team;
}

void CpuExecutable::run(std::span<const std::vector<TensorView>> inputs,
                        std::span<std::vector<MutableTensorView>> results) {
  Plan& plan = bind(inputs, results);
  last_sizes_ = run_sizes(plan.program, plan.frames[0]);
  const int threads = pool_->team();
  RecordedRun* record = nullptr;
  if (recorder_ != nullptr && &plan == &plain_) {
    record = &recorder_->runs.emplace_back();
    record->threads = threads;
    record->steps.resize(plan.program.steps.size() * static_cast<std::size_t>(threads));
    record->rows = plan.rows;
    record->cached = last_sizes_.cached;
    record->pairs = last_sizes_.pairs;
    record->span.begin = now_ns();
  }
  struct Job {
    CpuExecutable* self;
    Plan* plan;
    RecordedRun* record;
    int threads;
  } job{this, &plan, record, threads};
  pool_->run(threads, [&job](int thread) {
    run_program(job.plan->program, job.plan->frames, job.self->team_of(*job.plan, thread, job.threads), job.record);
  });
  if (record != nullptr) record->span.end = now_ns();
  for (std::size_t list = 1; list < results.size(); ++list) {
    for (std::size_t i = 0; i < results[list].size(); ++i) {
      const Port& port = plan.program.results[i];
      if (!port.replicated) continue;
      std::int64_t count = element_count(port.dims);
      if (port.rows != kAllRows && port.dims[0] != 0) {
        count = count / port.dims[0] * plan.rows[static_cast<std::size_t>(port.rows)];
      }
      const auto bytes = static_cast<std::size_t>(count) * dtype_size(port.dtype);
      if (bytes != 0) std::memcpy(results[list][i].data, results[0][i].data, bytes);
    }
  }
}

TensorView CpuExecutable::state(std::int64_t parameter, int rank) const {
  const auto& slots = plain_.program.states;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (slots[i].parameter != parameter) continue;
    if (rank < 0 || rank >= ranks_) fail(Code::kInvalidArgument, "[{}] rank {} of {}", module_->name, rank, ranks_);
    if (!allocated_) fail(Code::kInvalidArgument, "[{}] nothing has run yet: there is no state", module_->name);
    const hlo::Shape& shape = parameters_[static_cast<std::size_t>(parameter)]->shape;
    return {shape.dtype, shape.dims, states_[i][static_cast<std::size_t>(rank)].data()};
  }
  fail(Code::kInvalidArgument, "[{}] parameter {} is no state", module_->name, parameter);
}

std::vector<StepInfo> CpuExecutable::steps() const {
  std::vector<StepInfo> out;
  for (const program::Step& step : plain_.program.steps) {
    StepInfo& info = out.emplace_back();
    info.kind = program::kind(step);
    info.text = program::describe(step, table_->isa);
    info.place = step.place;
    info.per_rank = step.per_rank;
    info.barrier = step.barrier;
    info.work = program::work_of(step, ranks_);
    if (std::holds_alternative<program::AttentionParams>(step.params)) {
      const DType cache = step.operands[1].dtype;
      info.isa = kernels::attention_isa(*table_, storage_of(cache));
      info.storage = dtype_name(cache);
    }
    const auto* matmul = std::get_if<program::MatmulParams>(&step.params);
    if (matmul == nullptr) continue;
    info.isa = kernels::matmul_isa(*table_, storage_of(matmul->storage));
    info.storage = dtype_name(matmul->storage);
    info.n = matmul->n;
    info.k = matmul->k;
  }
  return out;
}

void CpuExecutable::record(Recorder* recorder) {
  recorder_ = recorder;
  if (recorder == nullptr) return;
  recorder->ranks = ranks_;
  recorder->steps = steps();
}

std::vector<std::string> CpuExecutable::describe_steps() const {
  std::vector<std::string> lines;
  for (const program::Step& step : plain_.program.steps) {
    lines.push_back(fmt::format("{} {} {}", program::describe(step, table_->isa), step.place, step.name));
  }
  return lines;
}

}  // namespace ganglion::runtime::cpu

namespace ganglion::runtime {

std::unique_ptr<Executable> compile_for_cpu(std::unique_ptr<const hlo::Module> module, const CompileOptions& options) {
  GANGLION_CHECK(module != nullptr);
  return std::make_unique<cpu::CpuExecutable>(std::move(module), options);
}

}  // namespace ganglion::runtime
