// Elementwise chains, a block of elements at a time: every register holds a block as float or int64 (element_types.h),
// and is rounded to its own type after every operation.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "runtime/cpu/element_types.h"
#include "runtime/cpu/steps.h"

namespace ganglion::runtime::cpu {
namespace {

using program::Access;
using program::ElementInstruction;
using program::ElementOp;
using program::kElementBlock;

std::optional<kernels::Unary> table_unary(ElementOp op) {
  switch (op) {
    case ElementOp::kNegate:
      return kernels::Unary::kNegate;
    case ElementOp::kAbs:
      return kernels::Unary::kAbs;
    case ElementOp::kExponential:
      return kernels::Unary::kExp;
    case ElementOp::kLog:
      return kernels::Unary::kLog;
    case ElementOp::kSqrt:
      return kernels::Unary::kSqrt;
    case ElementOp::kRsqrt:
      return kernels::Unary::kRsqrt;
    case ElementOp::kTanh:
      return kernels::Unary::kTanh;
    case ElementOp::kErf:
      return kernels::Unary::kErf;
    case ElementOp::kLogistic:
      return kernels::Unary::kLogistic;
    case ElementOp::kRelu:
      return kernels::Unary::kRelu;
    case ElementOp::kGeluErf:
      return kernels::Unary::kGeluErf;
    case ElementOp::kGeluTanh:
      return kernels::Unary::kGeluTanh;
    case ElementOp::kSilu:
      return kernels::Unary::kSilu;
    default:
      return std::nullopt;
  }
}

std::optional<kernels::Binary> table_binary(ElementOp op) {
  switch (op) {
    case ElementOp::kAdd:
      return kernels::Binary::kAdd;
    case ElementOp::kSubtract:
      return kernels::Binary::kSubtract;
    case ElementOp::kMultiply:
      return kernels::Binary::kMultiply;
    case ElementOp::kDivide:
      return kernels::Binary::kDivide;
    case ElementOp::kMaximum:
      return kernels::Binary::kMaximum;
    case ElementOp::kMinimum:
      return kernels::Binary::kMinimum;
    default:
      return std::nullopt;
  }
}

float float_op(ElementOp op, float a, float b) {
  switch (op) {
    case ElementOp::kSign:
      return std::isnan(a) || a == 0 ? a : std::copysign(1.0f, a);
    case ElementOp::kSine:
      return std::sin(a);
    case ElementOp::kCosine:
      return std::cos(a);
    case ElementOp::kFloor:
      return std::floor(a);
    case ElementOp::kRoundNearestEven:
      return std::nearbyint(a);
    case ElementOp::kPower:
      return std::pow(a, b);
    case ElementOp::kRemainder:
      return std::fmod(a, b);
    default:
      return std::numeric_limits<float>::quiet_NaN();
  }
}

int bits_of(DType dtype) { return dtype == DType::kPred ? 1 : static_cast<int>(dtype_size(dtype)) * 8; }

std::int64_t lowest(DType dtype) {
  return is_signed(dtype) ? std::numeric_limits<std::int64_t>::min() >> (64 - bits_of(dtype)) : 0;
}

std::uint64_t bit_mask(DType dtype) {
  return bits_of(dtype) == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits_of(dtype)) - 1;
}

std::int64_t power(DType dtype, std::int64_t a, std::int64_t b) {
  if (b < 0) return a == 1 ? 1 : a == -1 ? (b % 2 == 0 ? 1 : -1) : 0;
  std::uint64_t result = 1, base = static_cast<std::uint64_t>(a);
  for (; b != 0; b >>= 1, base *= base) {
    if (b & 1) result *= base;
  }
  return wrap_integer(dtype, static_cast<std::int64_t>(result));
}

// Wraps as XLA does: x / 0 is -1, x % 0 is x, shifts past the width give 0; of pred, a sum is an or.
std::int64_t integer_op(ElementOp op, DType dtype, std::int64_t a, std::int64_t b) {
  const auto ua = static_cast<std::uint64_t>(a), ub = static_cast<std::uint64_t>(b);
  const bool in_width = b >= 0 && b < bits_of(dtype);
  switch (op) {
    case ElementOp::kNegate:
      return static_cast<std::int64_t>(0 - ua);
    case ElementOp::kAbs:
      return a < 0 ? static_cast<std::int64_t>(0 - ua) : a;
    case ElementOp::kSign:
      return a > 0 ? 1 : (a < 0 ? -1 : 0);
    case ElementOp::kNot:
      return ~a;
    case ElementOp::kAdd:
      return dtype == DType::kPred ? (a | b) : static_cast<std::int64_t>(ua + ub);
    case ElementOp::kSubtract:
      return static_cast<std::int64_t>(ua - ub);
    case ElementOp::kMultiply:
      return static_cast<std::int64_t>(ua * ub);
    case ElementOp::kDivide:
      if (b == 0) return -1;
      return is_signed(dtype) && a == lowest(dtype) && b == -1 ? a : a / b;
    case ElementOp::kRemainder:
      if (b == 0) return a;
      return is_signed(dtype) && b == -1 ? 0 : a % b;
    case ElementOp::kMaximum:
      return std::max(a, b);
    case ElementOp::kMinimum:
      return std::min(a, b);
    case ElementOp::kPower:
      return power(dtype, a, b);
    case ElementOp::kAnd:
      return a & b;
    case ElementOp::kOr:
      return a | b;
    case ElementOp::kXor:
      return a ^ b;
    case ElementOp::kShiftLeft:
      return in_width ? static_cast<std::int64_t>(ua << b) : 0;
    case ElementOp::kShiftRightLogical:
      return in_width ? static_cast<std::int64_t>((ua & bit_mask(dtype)) >> b) : 0;
    default:
      return 0;
  }
}

template <typename T>
void compare_block(ElementOp op, const T* a, const T* b, std::int64_t* out, std::int64_t count) {
  const auto with = [&](auto holds) {
    for (std::int64_t i = 0; i < count; ++i) out[i] = holds(a[i], b[i]) ? 1 : 0;
  };
  switch (op) {
    case ElementOp::kEqual:
      return with([](T x, T y) { return x == y; });
    case ElementOp::kNotEqual:
      return with([](T x, T y) { return x != y; });
    case ElementOp::kGreaterEqual:
      return with([](T x, T y) { return x >= y; });
    case ElementOp::kGreater:
      return with([](T x, T y) { return x > y; });
    case ElementOp::kLessEqual:
      return with([](T x, T y) { return x <= y; });
    default:
      return with([](T x, T y) { return x < y; });
  }
}

std::int64_t float_to_integer(DType dtype, float x) {
  if (std::isnan(x)) return 0;
  const std::int64_t low = lowest(dtype);
  const auto high = static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + bit_mask(dtype));
  const double value = std::trunc(static_cast<double>(x));
  if (value <= static_cast<double>(low)) return low;
  if (value >= static_cast<double>(high)) return high;
  return static_cast<std::int64_t>(value);
}

void convert_block(const ElementInstruction& in, const void* from, void* to, std::int64_t count) {
  const auto* floats = static_cast<const float*>(from);
  const auto* integers = static_cast<const std::int64_t*>(from);
  for (std::int64_t i = 0; i < count; ++i) {
    if (is_float(in.to)) {
      static_cast<float*>(to)[i] = is_float(in.from) ? floats[i] : static_cast<float>(integers[i]);
    } else if (in.to == DType::kPred) {
      static_cast<std::int64_t*>(to)[i] = is_float(in.from) ? floats[i] != 0 : integers[i] != 0;
    } else {
      static_cast<std::int64_t*>(to)[i] = is_float(in.from) ? float_to_integer(in.to, floats[i]) : integers[i];
    }
  }
}

template <typename T>
void select_block(const std::int64_t* condition, const T* a, const T* b, T* out, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = condition[i] != 0 ? a[i] : b[i];
}

void float_block(const kernels::Table& table, ElementOp op, const float* a, const float* b, float* out,
                 std::int64_t count) {
  if (const auto unary = table_unary(op)) return table.unary[static_cast<std::size_t>(*unary)](a, out, count);
  if (const auto binary = table_binary(op)) return table.binary[static_cast<std::size_t>(*binary)](a, b, out, count);
  for (std::int64_t i = 0; i < count; ++i) out[i] = float_op(op, a[i], b == nullptr ? 0.0f : b[i]);
}

template <typename T>
void clamp_block(const T* low, const T* x, const T* high, T* out, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    // A NaN in x stays.
    const T raised = x[i] < low[i] ? low[i] : x[i];
    out[i] = raised > high[i] ? high[i] : raised;
  }
}

class Block {
 public:
  Block(const program::ElementwiseParams& params, const StepContext& context, const Frame& frame)
      : params_(params), context_(context), frame_(frame) {}

  void run(std::int64_t begin, std::int64_t count) {
    const auto& operands = context_.step.operands;
    for (std::size_t i = 0; i < operands.size(); ++i) load(i, operands[i], begin, count);
    for (std::size_t i = 0; i < params_.instructions.size(); ++i) {
      apply(params_.instructions[i], slot(operands.size() + i), count);
    }
    const program::Operand& result = context_.step.results[0];
    std::byte* out = frame_.at(result) + begin * static_cast<std::int64_t>(dtype_size(result.dtype));
    store_block(*context_.team.table, result.dtype, slot(operands.size() + params_.instructions.size() - 1), out,
                count);
  }

 private:
  void* slot(std::size_t index) const {
    return context_.team.scratch + index * static_cast<std::size_t>(kElementBlock) * 8;
  }

  void load(std::size_t index, const program::Operand& operand, std::int64_t begin, std::int64_t count) {
    const Access& access = params_.accesses[index];
    const std::byte* from = frame_.at(operand);
    const auto size = static_cast<std::int64_t>(dtype_size(operand.dtype));
    if (access.full()) {
      load_block(*context_.team.table, operand.dtype, from + begin * size, slot(index), count);
      return;
    }
    // The index of the operand's element moves on after every `divisor` elements and returns to 0 after `period` of
    // them.
    std::int64_t step = begin % access.divisor;
    std::int64_t element = begin / access.divisor;
    if (access.period != 0) element %= access.period;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::byte* at = from + element * size;
      if (is_float(operand.dtype)) {
        static_cast<float*>(slot(index))[i] = load_float(operand.dtype, at);
      } else {
        static_cast<std::int64_t*>(slot(index))[i] = load_integer(operand.dtype, at);
      }
      if (++step == access.divisor) {
        step = 0;
        if (++element == access.period) element = 0;
      }
    }
  }

  void apply(const ElementInstruction& in, void* out, std::int64_t count) {
    const void* a = slot(static_cast<std::size_t>(in.arguments[0]));
    const void* b = slot(static_cast<std::size_t>(in.arguments[1]));
    const void* c = slot(static_cast<std::size_t>(in.arguments[2]));
    const bool floats = is_float(in.from);
    const auto f = [](const void* p) { return static_cast<const float*>(p); };
    const auto n = [](const void* p) { return static_cast<const std::int64_t*>(p); };
    auto* float_out = static_cast<float*>(out);
    auto* integer_out = static_cast<std::int64_t*>(out);
    if (in.op == ElementOp::kConvert) {
      convert_block(in, a, out, count);
    } else if (in.op >= ElementOp::kEqual && in.op <= ElementOp::kLess) {
      floats ? compare_block(in.op, f(a), f(b), integer_out, count)
             : compare_block(in.op, n(a), n(b), integer_out, count);
      return;
    } else if (in.op == ElementOp::kSelect) {
      floats ? select_block(n(a), f(b), f(c), float_out, count) : select_block(n(a), n(b), n(c), integer_out, count);
      return;
    } else if (in.op == ElementOp::kClamp) {
      floats ? clamp_block(f(a), f(b), f(c), float_out, count) : clamp_block(n(a), n(b), n(c), integer_out, count);
      return;
    } else if (floats) {
      float_block(*context_.team.table, in.op, f(a), f(b), float_out, count);
    } else {
      for (std::int64_t i = 0; i < count; ++i) integer_out[i] = integer_op(in.op, in.from, n(a)[i], n(b)[i]);
    }
    round_block(*context_.team.table, in.to, out, count);
  }

  const program::ElementwiseParams& params_;
  const StepContext& context_;
  const Frame& frame_;
};

// One table kernel on contiguous f32 does the whole step.
bool run_whole(const program::ElementwiseParams& params, const StepContext& context, const Frame& frame,
               std::int64_t begin, std::int64_t end) {
  const auto& operands = context.step.operands;
  if (params.instructions.size() != 1 || params.instructions[0].from != DType::kF32 ||
      params.instructions[0].to != DType::kF32) {
    return false;
  }
  const ElementInstruction& in = params.instructions[0];
  const auto unary = table_unary(in.op);
  const auto binary = table_binary(in.op);
  for (const Access& access : params.accesses) {
    if (!access.full()) return false;
  }
  float* out = frame.as<float>(context.step.results[0]) + begin;
  const auto argument = [&](int i) {
    return frame.as<const float>(operands[static_cast<std::size_t>(in.arguments[static_cast<std::size_t>(i)])]) + begin;
  };
  if (unary) {
    context.team.table->unary[static_cast<std::size_t>(*unary)](argument(0), out, end - begin);
  } else if (binary) {
    context.team.table->binary[static_cast<std::size_t>(*binary)](argument(0), argument(1), out, end - begin);
  } else {
    return false;
  }
  return true;
}

}  // namespace

void run_step(const program::ElementwiseParams& params, const StepContext& context) {
  const std::int64_t count = context.frames[0].elements(context.step.results[0]);
  const auto cost = static_cast<std::int64_t>(8 * params.instructions.size());
  for_share(context, count, cost, kElementBlock, [&](const Frame& frame, std::int64_t begin, std::int64_t end) {
    if (run_whole(params, context, frame, begin, end)) return;
    Block block(params, context, frame);
    for (; begin < end; begin += kElementBlock) block.run(begin, std::min(kElementBlock, end - begin));
  });
}

}  // namespace ganglion::runtime::cpu
