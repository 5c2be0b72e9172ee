#include <fmt/format.h>

#include "program/program.h"

namespace ganglion::program {
namespace {

constexpr std::string_view kElementOpNames[] = {
    "negate",
    "abs",
    "exponential",
    "log",
    "sqrt",
    "rsqrt",
    "tanh",
    "erf",
    "logistic",
    "sign",
    "sine",
    "cosine",
    "floor",
    "round-nearest-even",
    "not",
    "relu",
    "gelu-erf",
    "gelu-tanh",
    "silu",
    "add",
    "subtract",
    "multiply",
    "divide",
    "maximum",
    "minimum",
    "power",
    "remainder",
    "and",
    "or",
    "xor",
    "shift-left",
    "shift-right-logical",
    "equal",
    "not-equal",
    "greater-equal",
    "greater",
    "less-equal",
    "less",
    "select",
    "clamp",
    "convert",
};
static_assert(std::size(kElementOpNames) == static_cast<std::size_t>(ElementOp::kConvert) + 1);

std::string_view activation_name(Activation activation) {
  switch (activation) {
    case Activation::kRelu:
      return " relu";
    case Activation::kGeluErf:
      return " gelu-erf";
    case Activation::kGeluTanh:
      return " gelu-tanh";
    case Activation::kSilu:
      return " silu";
    case Activation::kNone:
      break;
  }
  return "";
}

std::string array_text(const Operand& operand) {
  std::string text = shape_text(operand.dtype, operand.dims);
  if (operand.rows != kAllRows) text.insert(text.find('[') + 1, "<=");
  return text;
}

std::string place_text(const Operand& operand) {
  switch (operand.space) {
    case Space::kArena:
      return fmt::format("arena+{}", operand.offset);
    case Space::kShared:
      return fmt::format("shared+{}", operand.offset);
    case Space::kConstant:
      return fmt::format("constant+{}", operand.offset);
    case Space::kWeight:
      return fmt::format("weight.{}", operand.index);
    case Space::kState:
      return fmt::format("state.{}", operand.index);
    case Space::kInput:
      return fmt::format("input.{}", operand.index);
    case Space::kResult:
      return fmt::format("result.{}", operand.index);
  }
  return "?";
}

struct Describe {
  const Step& step;
  std::string_view isa;

  std::string kernel(DType storage) const {
    return isa.empty() ? std::string(dtype_name(storage)) : fmt::format("{} {}", dtype_name(storage), isa);
  }
  std::string result() const { return step.results.empty() ? "" : array_text(step.results[0]); }
  std::string operator()(const MatmulParams& p) const {
    const std::string group = p.group > 0 ? fmt::format(" groups of {}", p.group) : "";
    return fmt::format("matmul {} {}x[{},{}]{}{}{}{}", kernel(p.storage), array_text(step.operands[0]), p.n, p.k, group,
                       p.has_bias ? " bias" : "", activation_name(p.activation), p.has_residual ? " residual" : "");
  }
  std::string operator()(const PrepareRowsParams& p) const {
    return fmt::format("prepare_rows {} {}", kernel(p.storage), array_text(step.operands[0]));
  }
  std::string operator()(const LayerNormParams&) const { return "layer_norm " + kernel(DType::kF32) + " " + result(); }
  std::string operator()(const RmsNormParams&) const { return "rms_norm " + kernel(DType::kF32) + " " + result(); }
  std::string operator()(const RotaryParams& p) const {
    return fmt::format("rotary {} heads {} head_dim {} {} {} {}", kernel(DType::kF32), p.heads, p.head_dim, p.pairs,
                       p.neighbours ? "neighbours" : "halves", result());
  }
  std::string operator()(const EmbeddingParams& p) const {
    return fmt::format("embedding {}{} [{},{}] {}", kernel(step.operands[0].dtype), p.packed ? " packed" : "", p.rows,
                       p.cols, result());
  }
  std::string operator()(const KvWriteParams& p) const {
    return fmt::format("kv_write {} {} heads {} head_dim {} rows {}",
                       p.scales       ? "scale"
                       : p.transposed ? "key"
                                      : "value",
                       kernel(step.results[0].dtype), p.kv_heads, p.head_dim, array_text(step.operands[0]));
  }
  std::string operator()(const AttentionParams& p) const {
    return fmt::format("attention {} heads {}/{} head_dim {} {}", kernel(step.operands[1].dtype), p.heads, p.kv_heads,
                       p.head_dim, result());
  }
  std::string operator()(const ElementwiseParams& p) const {
    std::string text = "elementwise";
    for (const ElementInstruction& instruction : p.instructions) {
      text += fmt::format(" {}", element_op_name(instruction.op));
    }
    return text + " " + result();
  }
  std::string operator()(const MoveParams& p) const {
    return fmt::format("move {} {}", shape_text(step.results[0].dtype, p.dims), p.dynamic ? "dynamic" : "");
  }
  std::string operator()(const FillParams&) const { return "fill " + result(); }
  std::string operator()(const IotaParams&) const { return "iota " + result(); }
  std::string operator()(const DotParams&) const {
    return fmt::format("dot {}x{}", array_text(step.operands[0]), array_text(step.operands[1]));
  }
  std::string operator()(const ReduceParams&) const { return "reduce " + array_text(step.operands[0]); }
  std::string operator()(const GatherParams&) const {
    return fmt::format("gather {} from {}", result(), array_text(step.operands[0]));
  }
  std::string operator()(const ScatterParams&) const {
    return fmt::format("scatter {} into {}", array_text(step.operands[2]), result());
  }
  std::string operator()(const SortParams&) const { return "sort " + result(); }
  std::string operator()(const WhileParams&) const { return fmt::format("while of {} values", step.operands.size()); }
  std::string operator()(const AllReduceParams& p) const {
    return fmt::format("all_reduce {}{}{}", array_text(step.operands[0]), p.has_bias ? " bias" : "",
                       p.has_residual ? " residual" : "");
  }
  std::string operator()(const AllGatherParams&) const { return "all_gather " + result(); }
  std::string operator()(const ReplicaIdParams&) const { return "replica_id"; }
};

std::int64_t operand_bytes(const std::vector<Operand>& operands) {
  std::int64_t bytes = 0;
  for (const Operand& operand : operands) {
    bytes += static_cast<std::int64_t>(sizeof(Operand) + operand.dims.capacity() * sizeof(std::int64_t));
  }
  return bytes;
}

}  // namespace

std::string_view element_op_name(ElementOp op) noexcept { return kElementOpNames[static_cast<std::size_t>(op)]; }

std::string describe(const Step& step, std::string_view isa) { return std::visit(Describe{step, isa}, step.params); }

std::string dump(const Program& program) {
  std::string text =
      fmt::format("program {}: {} steps, arena {} bytes per rank, {} shared, {} of constants\n", program.name,
                  program.steps.size(), program.arena_bytes, program.shared_arena_bytes, program.constants.size());
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    const Step& step = program.steps[i];
    text += fmt::format("{}{:4} {:<60}", step.barrier ? "-" : " ", i, describe(step));
    for (const Operand& operand : step.results) text += " " + place_text(operand);
    text += " <-";
    for (const Operand& operand : step.operands) text += " " + place_text(operand);
    text += fmt::format("{} {} {}\n", step.per_rank ? " per rank" : "", step.place, step.name);
  }
  return text;
}

std::int64_t Program::program_bytes() const {
  std::int64_t bytes = static_cast<std::int64_t>(sizeof(Program) + constants.size());
  for (const Step& step : steps) {
    bytes += static_cast<std::int64_t>(sizeof(Step) + step.name.capacity() + step.place.capacity());
    bytes += operand_bytes(step.operands) + operand_bytes(step.results);
    if (const auto* p = std::get_if<ElementwiseParams>(&step.params)) {
      bytes += static_cast<std::int64_t>(p->accesses.size() * sizeof(Access) +
                                         p->instructions.size() * sizeof(ElementInstruction));
    }
    for (const auto& callee : step.called) bytes += callee->program_bytes();
  }
  for (const auto* ports : {&inputs, &results}) {
    for (const Port& port : *ports) bytes += static_cast<std::int64_t>(sizeof(Port) + port.name.capacity() + 32);
  }
  bytes += static_cast<std::int64_t>(weights.size() * sizeof(WeightForm) + states.size() * sizeof(StateSlot));
  return bytes;
}

}  // namespace ganglion::program
