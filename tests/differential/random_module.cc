#include "tests/differential/random_module.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "hlo/builder.h"
#include "hlo/composite.h"
#include "tests/differential/random_tensor.h"

namespace ganglion::differential {
namespace {

using hlo::Builder;
using hlo::Comparison;
using hlo::Opcode;
using hlo::Shape;
using hlo::Value;

constexpr DType kTypes[] = {DType::kF32, DType::kF16, DType::kBF16, DType::kS32, DType::kPred};
constexpr std::int64_t kMaxElements = 300;
constexpr double kMaxBound = 200;   // of floats
constexpr double kMaxError = 0.25;  // of floats, at most

struct Known {
  Value value;
  double bound = 0;  // |value| of floats
  double error = 0;  // two right implementations differ by at most this; 0: not at all
  bool used = false;
};

// One operation's rounding, relative: in f32 a few units (functions are polynomials), in 16 bits one unit.
double rounding(DType dtype) {
  if (dtype == DType::kF32) return 1e-6;
  return dtype == DType::kF16 ? 0x1p-10 : 0x1p-7;
}

class Generator {
 public:
  Generator(std::uint64_t seed, int operations) : random_(seed), builder_("random"), operations_(operations) {}

  RandomModule run() {
    for (int i = 0; i < 4; ++i) add_input(i == 0 ? DType::kF32 : random_.pick(kTypes), random_dims(), false);
    for (int i = 0; i < 2; ++i) add_input(DType::kS32, {}, true);
    for (int made = 0, tried = 0; made < operations_ && tried < 20 * operations_; ++tried) made += step() ? 1 : 0;
    std::vector<Value> outputs;
    for (const Known& known : pool_) {
      if (known.used && known.value.instruction() != pool_.back().value.instruction()) continue;
      outputs.push_back(known.value);
      made_.tolerances.push_back(known.error);
    }
    made_.module = builder_.finish(outputs);
    return std::move(made_);
  }

 private:
  Dims random_dims() {
    Dims dims;
    for (std::int64_t rank = random_.between(0, 3); rank > 0; --rank) dims.push_back(random_.between(1, 6));
    return dims;
  }

  void add_input(DType dtype, Dims dims, bool index) {
    const Value value = builder_.input("x" + std::to_string(made_.arguments.size()), Shape::array(dtype, dims));
    made_.arguments.push_back(random_tensor(random_, dtype, dims));
    pool_.push_back({value, 2, 0, true});
    if (index) indices_.push_back(value);
  }

  std::size_t any() { return static_cast<std::size_t>(random_.below(static_cast<std::int64_t>(pool_.size()))); }
  // Some value of the shape; a fresh constant when chance or need has it so.
  Known like(const Value& x) {
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < pool_.size(); ++i) {
      if (pool_[i].value.shape() == x.shape()) found.push_back(i);
    }
    if (!found.empty() && random_.chance(80)) {
      const std::size_t at = random_.pick(found);
      pool_[at].used = true;
      return pool_[at];
    }
    return {builder_.constant(random_tensor(random_, x.dtype(), x.dims())), 2, 0, true};
  }
  Known constant(DType dtype, Dims dims) {
    return {builder_.constant(random_tensor(random_, dtype, std::move(dims))), 2, 0, true};
  }

  // Takes a new value in. `error` is what comes from the operands; a rounding is added when the operation rounds.
  bool take(Value value, double bound, double error, bool rounds = false) {
    if (is_float(value.dtype())) {
      if (rounds) error += bound * rounding(value.dtype()) + 1e-37;
      bound += error;
    } else {
      bound = error = 0;
    }
    pool_.push_back({value, bound, error, false});
    return true;
  }

  // What an operation would make of bound and error is asked before it is built, so that nothing is left unused.
  static bool acceptable(DType dtype, double bound, double error) {
    return !is_float(dtype) || (bound <= kMaxBound && error + bound * rounding(dtype) <= kMaxError);
  }

  bool step() {
    const std::size_t at = any();
    const Known x = pool_[at];
    bool done = false;
    switch (random_.below(12)) {
      case 0:
      case 1:
        done = unary(x);
        break;
      case 2:
      case 3:
        done = binary(x);
        break;
      case 4:
        done = choose(x);
        break;
      case 5:
        done = convert_to(x);
        break;
      case 6:
      case 7:
        done = move(x);
        break;
      case 8:
        done = contract(x);
        break;
      case 9:
        done = reduce_or_sort(x);
        break;
      case 10:
        done = index(x);
        break;
      default:
        done = random_.chance(50) ? control(x) : composite(x);
        break;
    }
    if (done) pool_[at].used = true;
    return done;
  }

  bool unary(const Known& x) {
    const DType dtype = x.value.dtype();
    if (dtype == DType::kPred) return take(hlo::unary(Opcode::kNot, x.value), 0, 0);
    if (dtype == DType::kS32) {
      constexpr Opcode kIntegers[] = {Opcode::kNegate, Opcode::kAbs, Opcode::kSign, Opcode::kNot};
      return take(hlo::unary(random_.pick(kIntegers), x.value), 0, 0);
    }
    constexpr Opcode kContinuous[] = {Opcode::kNegate,   Opcode::kAbs,   Opcode::kTanh,   Opcode::kErf,
                                      Opcode::kLogistic, Opcode::kSine,  Opcode::kCosine, Opcode::kExponential,
                                      Opcode::kSqrt,     Opcode::kRsqrt, Opcode::kLog};
    constexpr Opcode kJumping[] = {Opcode::kSign, Opcode::kFloor, Opcode::kRoundNearestEven};
    if (x.error == 0 && random_.chance(25)) return take(hlo::unary(random_.pick(kJumping), x.value), x.bound + 1, 0);
    const Opcode opcode = random_.pick(kContinuous);
    switch (opcode) {
      case Opcode::kNegate:
      case Opcode::kAbs:
        return take(hlo::unary(opcode, x.value), x.bound, x.error);
      case Opcode::kExponential: {
        const double bound = std::exp(x.bound);
        return acceptable(dtype, bound, bound * x.error) &&
               take(hlo::unary(opcode, x.value), bound, bound * x.error, true);
      }
      case Opcode::kSqrt:
      case Opcode::kRsqrt:
      case Opcode::kLog: {  // of |x| + 1, where slopes are at most 1
        if (!acceptable(dtype, x.bound + 1, x.error)) return false;
        const Value away = hlo::unary(Opcode::kAbs, x.value) + 1.0;
        return take(hlo::unary(opcode, away), x.bound + 1, x.error + (x.bound + 1) * rounding(dtype), true);
      }
      default: {  // slopes of tanh, erf, logistic, sine and cosine are below 1.2, values at most 1
        return acceptable(dtype, 1, 1.2 * x.error) && take(hlo::unary(opcode, x.value), 1, 1.2 * x.error, true);
      }
    }
  }

  bool binary(const Known& x) {
    const DType dtype = x.value.dtype();
    const Known y = like(x.value);
    if (dtype == DType::kPred) {
      constexpr Opcode kLogic[] = {Opcode::kAnd, Opcode::kOr, Opcode::kXor};
      return take(hlo::binary(random_.pick(kLogic), x.value, y.value), 0, 0);
    }
    if (dtype == DType::kS32) {
      constexpr Opcode kIntegers[] = {Opcode::kAdd,
                                      Opcode::kSubtract,
                                      Opcode::kMultiply,
                                      Opcode::kDivide,
                                      Opcode::kRemainder,
                                      Opcode::kMaximum,
                                      Opcode::kMinimum,
                                      Opcode::kPower,
                                      Opcode::kAnd,
                                      Opcode::kOr,
                                      Opcode::kXor,
                                      Opcode::kShiftLeft,
                                      Opcode::kShiftRightLogical};
      const Opcode opcode = random_.pick(kIntegers);
      if (opcode != Opcode::kPower) return take(hlo::binary(opcode, x.value, y.value), 0, 0);
      // XLA's CPU backend looks at the exponent's low six bits only.
      const Value exponent = hlo::clamp(builder_.scalar(dtype, -2), y.value, builder_.scalar(dtype, 40));
      return take(hlo::binary(opcode, x.value, exponent), 0, 0);
    }
    constexpr Opcode kFloats[] = {Opcode::kAdd,    Opcode::kSubtract, Opcode::kMultiply,
                                  Opcode::kDivide, Opcode::kMaximum,  Opcode::kMinimum};
    const Opcode opcode = random_.pick(kFloats);
    const double both = x.error + y.error;
    switch (opcode) {
      case Opcode::kMaximum:
      case Opcode::kMinimum:
        return take(hlo::binary(opcode, x.value, y.value), std::max(x.bound, y.bound), std::max(x.error, y.error));
      case Opcode::kMultiply: {
        const double error = x.error * y.bound + y.error * x.bound;
        return acceptable(dtype, x.bound * y.bound, error) &&
               take(hlo::binary(opcode, x.value, y.value), x.bound * y.bound, error, true);
      }
      case Opcode::kDivide: {  // by |y| + 1: at most x, slopes at most 1 and x
        const double error = x.error + x.bound * (y.error + (y.bound + 1) * rounding(dtype));
        if (!acceptable(dtype, x.bound, error)) return false;
        return take(x.value / (hlo::unary(Opcode::kAbs, y.value) + 1.0), x.bound, error, true);
      }
      default:
        return acceptable(dtype, x.bound + y.bound, both) &&
               take(hlo::binary(opcode, x.value, y.value), x.bound + y.bound, both, true);
    }
  }

  bool choose(const Known& x) {
    const Known y = like(x.value);
    if (random_.chance(40) && x.error == 0 && y.error == 0 && x.value.dtype() != DType::kPred) {
      constexpr Comparison kAll[] = {Comparison::kEq, Comparison::kNe, Comparison::kGe,
                                     Comparison::kGt, Comparison::kLe, Comparison::kLt};
      return take(hlo::compare(x.value, y.value, random_.pick(kAll)), 0, 0);
    }
    if (random_.chance(30) && x.value.dtype() != DType::kPred) {
      const Value low = builder_.scalar(x.value.dtype(), -1), high = builder_.scalar(x.value.dtype(), 1);
      return take(hlo::clamp(low, x.value, high), 1, x.error);
    }
    const Known mask = like(constant(DType::kPred, x.value.dims()).value);
    return take(hlo::select(mask.value, x.value, y.value), std::max(x.bound, y.bound), std::max(x.error, y.error));
  }

  bool convert_to(const Known& x) {
    const DType to = random_.pick(kTypes);
    if (to == x.value.dtype()) return false;
    if (is_float(x.value.dtype()) && !is_float(to) && x.error > 0) return false;
    if (!is_float(x.value.dtype()) && is_float(to)) {  // integers may be large: brought to a float's range first
      Value small = x.value;
      if (x.value.dtype() == DType::kS32)
        small = hlo::clamp(builder_.scalar(DType::kS32, -20), x.value, builder_.scalar(DType::kS32, 20));
      return take(hlo::convert(small, to), 20, 0);
    }
    // An exact value is rounded the same way by all; one that is not may fall on either side.
    const bool rounds = x.error > 0;
    return acceptable(to, x.bound, x.error) && take(hlo::convert(x.value, to), x.bound * 1.01, x.error, rounds);
  }

  bool move(const Known& x) {
    const Dims& dims = x.value.dims();
    const auto rank = static_cast<std::int64_t>(dims.size());
    const std::int64_t count = element_count(dims);
    switch (random_.below(9)) {
      case 0: {  // broadcast to one more dimension
        const std::int64_t at = random_.between(0, rank), size = random_.between(1, 4);
        if (count * size > kMaxElements || rank >= 4) return false;
        Dims to = dims, dimensions;
        to.insert(to.begin() + at, size);
        for (std::int64_t d = 0; d < rank; ++d) dimensions.push_back(d < at ? d : d + 1);
        return take(hlo::broadcast(x.value, Shape::array(x.value.dtype(), to), dimensions), x.bound, x.error);
      }
      case 1: {
        Dims flat = {count};
        for (std::int64_t factor = 2; factor < 7; ++factor) {
          if (count % factor == 0 && random_.chance(50)) flat = {factor, count / factor};
        }
        return take(hlo::reshape(x.value, flat), x.bound, x.error);
      }
      case 2: {
        Dims permutation(dims.size());
        for (std::size_t d = 0; d < dims.size(); ++d) permutation[d] = static_cast<std::int64_t>(d);
        for (std::size_t d = dims.size(); d > 1; --d)
          std::swap(permutation[d - 1],
                    permutation[static_cast<std::size_t>(random_.below(static_cast<std::int64_t>(d)))]);
        return take(hlo::transpose(x.value, permutation), x.bound, x.error);
      }
      case 3: {
        if (rank == 0 || 2 * count > kMaxElements) return false;
        const Known y = like(x.value);
        return take(hlo::concatenate({x.value, y.value}, random_.below(rank)), std::max(x.bound, y.bound),
                    std::max(x.error, y.error));
      }
      case 4: {
        Dims starts, limits, strides;
        for (const std::int64_t size : dims) {
          starts.push_back(random_.below(size));
          limits.push_back(random_.between(starts.back() + 1, size));
          strides.push_back(random_.between(1, 3));
        }
        return take(hlo::slice(x.value, starts, limits, strides), x.bound, x.error);
      }
      case 5: {
        Dims sizes;
        std::vector<Value> starts;
        for (const std::int64_t size : dims) {
          sizes.push_back(random_.between(1, size));
          starts.push_back(random_.pick(indices_));
        }
        if (random_.chance(50)) return take(hlo::dynamic_slice(x.value, starts, sizes), x.bound, x.error);
        const Known update = constant(x.value.dtype(), sizes);
        return take(hlo::dynamic_update_slice(x.value, update.value, starts), std::max(x.bound, 2.0), x.error);
      }
      case 6: {
        std::vector<hlo::PaddingDim> padding;
        std::int64_t padded = 1;
        for (const std::int64_t size : dims) {
          hlo::PaddingDim dim{random_.between(0, 2), random_.between(0, 2), random_.between(0, 1)};
          if (size > 1 && random_.chance(30)) dim.low = -1;
          padding.push_back(dim);
          padded *= size + (size - 1) * dim.interior + dim.low + dim.high;
        }
        if (padded > kMaxElements) return false;
        return take(hlo::pad(x.value, constant(x.value.dtype(), {}).value, padding), std::max(x.bound, 2.0), x.error);
      }
      case 7: {
        Dims reversed;
        for (std::int64_t d = 0; d < rank; ++d) {
          if (random_.chance(50)) reversed.push_back(d);
        }
        return take(hlo::reverse(x.value, reversed), x.bound, x.error);
      }
      default: {
        if (rank == 0 || x.value.dtype() == DType::kPred) return false;
        return take(builder_.iota(Shape::array(x.value.dtype(), dims), random_.below(rank)), 8, 0);
      }
    }
  }

  bool contract(const Known& x) {
    const Dims& dims = x.value.dims();
    if (dims.empty() || x.value.dtype() == DType::kPred) return false;
    const auto last = static_cast<std::int64_t>(dims.size()) - 1;
    const std::int64_t k = dims.back();
    const bool batch = dims.size() == 3 && random_.chance(50);
    const std::int64_t columns = random_.between(1, 5);
    const Known y = constant(x.value.dtype(), batch ? Dims{dims[0], columns, k} : Dims{columns, k});
    const hlo::DotDims how = batch ? hlo::DotDims{{last}, {2}, {0}, {0}} : hlo::DotDims{{last}, {1}, {}, {}};
    const double n = static_cast<double>(k);
    const double bound = n * x.bound * y.bound;
    const double error = n * x.error * y.bound + n * bound * rounding(DType::kF32);
    if (element_count(dims) / k * columns > kMaxElements || !acceptable(x.value.dtype(), bound, error)) return false;
    return take(hlo::dot(x.value, y.value, how), bound, error, true);
  }

  bool reduce_or_sort(const Known& x) {
    const Dims& dims = x.value.dims();
    const auto rank = static_cast<std::int64_t>(dims.size());
    const DType dtype = x.value.dtype();
    if (rank == 0) return false;
    if (x.error == 0 && random_.chance(30) && dtype != DType::kPred) return sort_with_positions(x);
    Dims reduced;
    double n = 1;
    for (std::int64_t d = 0; d < rank; ++d) {
      if (!random_.chance(50) && !(d == rank - 1 && reduced.empty())) continue;
      reduced.push_back(d);
      n *= static_cast<double>(dims[static_cast<std::size_t>(d)]);
    }
    if (dtype == DType::kPred)
      return take(hlo::reduce(x.value, random_.chance(50) ? Opcode::kAnd : Opcode::kOr, reduced), 0, 0);
    if (random_.chance(50))
      return take(hlo::reduce(x.value, random_.chance(50) ? Opcode::kMaximum : Opcode::kMinimum, reduced), x.bound,
                  x.error);
    // Every partial sum may be rounded to the type, and in any order.
    const double error = n * x.error + n * n * x.bound * rounding(dtype);
    return acceptable(dtype, n * x.bound, error) &&
           take(hlo::reduce(x.value, Opcode::kAdd, reduced), n * x.bound, error, true);
  }

  bool sort_with_positions(const Known& x) {
    const auto rank = static_cast<std::int64_t>(x.value.dims().size());
    const std::int64_t dimension = random_.below(rank);
    const DType dtype = x.value.dtype();
    const Comparison direction = random_.chance(50) ? Comparison::kLt : Comparison::kGt;
    const Shape key = Shape::array(dtype, {}), position = Shape::array(DType::kS32, {});
    hlo::Computation* before =
        builder_.computation("before" + std::to_string(pool_.size()), {key, key, position, position},
                             [&](const std::vector<Value>& p) { return hlo::compare(p[0], p[1], direction); });
    const Value positions = builder_.iota(Shape::array(DType::kS32, x.value.dims()), dimension);
    const std::vector<Value> sorted = hlo::sort({x.value, positions}, dimension, true, before);
    take(sorted[0], x.bound, 0);
    return take(sorted[1], 0, 0);
  }

  bool index(const Known& x) {
    const Dims& dims = x.value.dims();
    if (dims.empty() || dims.size() > 2 || x.value.dtype() == DType::kPred) return false;
    const std::int64_t picked = random_.between(1, 5);
    const Value ids = builder_.constant(random_tensor(random_, DType::kS32, {picked}));
    Dims window(dims.begin() + 1, dims.end());
    Dims offset_dims = window.empty() ? Dims{} : Dims{1};
    if (random_.chance(50)) {
      Dims slice_sizes = dims;
      slice_sizes[0] = 1;
      const hlo::GatherDims how{offset_dims, {0}, {0}, 1, slice_sizes};
      return take(hlo::gather(x.value, ids, how), x.bound, x.error);
    }
    Dims update_dims = window;
    update_dims.insert(update_dims.begin(), picked);
    const Known updates = constant(x.value.dtype(), update_dims);
    const double n = static_cast<double>(picked);
    const double bound = x.bound + n * updates.bound;
    const double error = x.error + n * bound * rounding(x.value.dtype());
    if (!acceptable(x.value.dtype(), bound, error)) return false;
    const hlo::ScatterDims how{offset_dims, {0}, {0}, 1, false};
    return take(
        hlo::scatter(x.value, ids, updates.value, how, builder_.binary_computation(Opcode::kAdd, x.value.dtype())),
        bound, error, true);
  }

  // x/2 + 1 as often as a loop goes round, or once in a call; integers wrap.
  bool control(const Known& x) {
    const DType dtype = x.value.dtype();
    if (dtype == DType::kPred || !acceptable(dtype, x.bound + 2, x.error + 8 * (x.bound + 2) * rounding(dtype)))
      return false;
    const double error = x.error + 8 * (x.bound + 2) * rounding(dtype);
    const Shape shape = x.value.shape();
    const std::string number = std::to_string(pool_.size());
    const auto once = [&](Value v) { return is_float(dtype) ? v * 0.5 + 1.0 : v * 3.0 + 1.0; };
    if (random_.chance(50)) {
      hlo::Computation* callee =
          builder_.computation("once" + number, {shape}, [&](const std::vector<Value>& p) { return once(p[0]); });
      return take(hlo::call(callee, {x.value}), x.bound + 2, error, true);
    }
    const Shape counter = Shape::array(DType::kS32, {});
    const Shape state = Shape::tuple({counter, shape});
    const double turns = static_cast<double>(random_.between(0, 3));
    hlo::Computation* condition = builder_.computation("goes_on" + number, {state}, [&](const std::vector<Value>& p) {
      return hlo::compare(hlo::get_tuple_element(p[0], 0), builder_.scalar(DType::kS32, turns), Comparison::kLt);
    });
    hlo::Computation* body = builder_.computation("turn" + number, {state}, [&](const std::vector<Value>& p) {
      return hlo::tuple({hlo::get_tuple_element(p[0], 0) + 1.0, once(hlo::get_tuple_element(p[0], 1))});
    });
    const Value end = hlo::while_loop(hlo::tuple({builder_.scalar(DType::kS32, 0), x.value}), condition, body);
    return take(hlo::get_tuple_element(end, 1), x.bound + 2, error, true);
  }

  bool composite(const Known& x) {
    const Shape& shape = x.value.shape();
    if (shape.dtype != DType::kF32 || x.error > 1e-3) return false;
    if (shape.rank() != 2 || random_.chance(40)) {
      const auto form = random_.chance(50) ? hlo::GeluForm::kErf : hlo::GeluForm::kTanh;
      return take(hlo::gelu(x.value, form), x.bound, 1.2 * x.error + 4e-6 * (1 + x.bound), true);
    }
    const std::int64_t k = shape.dims[1];
    if (random_.chance(50)) {
      constexpr DType kFloats[] = {DType::kF32, DType::kF16, DType::kBF16};
      const std::int64_t n = random_.between(1, 9);
      const Known weight = constant(random_.pick(kFloats), {n, k}), bias = constant(DType::kF32, {n});
      const double terms = static_cast<double>(k);
      const double bound = terms * x.bound * weight.bound + bias.bound;
      const double error = terms * x.error * weight.bound + terms * bound * rounding(DType::kF32);
      return acceptable(DType::kF32, bound, error) &&
             take(hlo::linear(x.value, weight.value, bias.value), bound, error, true);
    }
    // With epsilon 1 the slope is at most that of x / 1, and values are at most sqrt(k); errors add over a row.
    const double bound = 2 * std::sqrt(static_cast<double>(k)) + 2;
    const double error = 8 * static_cast<double>(k) * (x.error + (x.bound + 1) * (x.bound + 1) * 1e-6);
    if (!acceptable(DType::kF32, bound, error)) return false;
    const Known weight = constant(DType::kF32, {k}), bias = constant(DType::kF32, {k});
    return take(hlo::layer_norm(x.value, weight.value, bias.value, 1.0f), bound, error, true);
  }

  Random random_;
  Builder builder_;
  int operations_;
  RandomModule made_;
  std::vector<Known> pool_;
  std::vector<Value> indices_;
};

}  // namespace

RandomModule random_module(std::uint64_t seed, int operations) { return Generator(seed, operations).run(); }

}  // namespace ganglion::differential
