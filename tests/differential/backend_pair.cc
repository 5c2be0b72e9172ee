#include "tests/differential/backend_pair.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "base/error.h"
#include "base/thread_pool.h"
#include "reference/evaluate.h"
#include "runtime/executable.h"

namespace ganglion::differential {

Tensor random_tensor(DType dtype, const Dims& dims, std::uint64_t seed, std::int64_t limit) {
  std::mt19937_64 random(seed * 0x9e3779b97f4a7c15u + 1);
  Tensor tensor(dtype, dims);
  std::uniform_real_distribution<double> real(-1, 1);
  for (std::int64_t i = 0; i < tensor.elements(); ++i) {
    const double value = is_float(dtype)         ? real(random)
                         : dtype == DType::kPred ? static_cast<double>(random() % 2)
                                                 : static_cast<double>(random() % static_cast<std::uint64_t>(limit));
    set_element_from_double(tensor.mutable_view(), i, value);
  }
  return tensor;
}

std::vector<std::vector<Tensor>> run_cpu(std::unique_ptr<const hlo::Module> module,
                                         const std::vector<Arguments>& arguments, const CpuRun& how,
                                         bool shared_inputs) {
  ThreadPool pool(how.threads);
  const hlo::Module& graph = *module;
  const auto parameters = graph.entry->parameters();
  const std::vector<hlo::Shape> shapes = graph.result_shapes();
  const std::vector<hlo::Alias> aliases = graph.aliases;
  const std::vector<hlo::RowBinding> bindings = graph.row_bindings;
  auto executable = runtime::compile_for_cpu(std::move(module), {how.ranks, how.isa, &pool});
  std::vector<runtime::WeightSources> weights;
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    if (parameters[p]->role != hlo::ParameterRole::kWeight) continue;
    std::vector<std::shared_ptr<const TensorSource>> sources;
    for (int rank = 0; rank < (parameters[p]->sharded ? how.ranks : 1); ++rank) {
      sources.push_back(tensor_source(arguments[static_cast<std::size_t>(rank)][p].clone()));
    }
    weights.push_back({static_cast<std::int64_t>(p), std::move(sources)});
  }
  executable->load_weights(std::move(weights));
  std::vector<std::vector<TensorView>> inputs(shared_inputs ? 1 : static_cast<std::size_t>(how.ranks));
  for (std::size_t list = 0; list < inputs.size(); ++list) {
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      if (parameters[p]->role == hlo::ParameterRole::kInput) inputs[list].push_back(arguments[list][p].view());
    }
  }
  // The rows of a bounded result are those of any bounded argument with its bound: tests use one size a bound.
  const auto real_dims = [&](const hlo::Shape& shape) {
    Dims dims = shape.dims;
    for (const hlo::RowBinding& binding : bindings) {
      const auto p = static_cast<std::size_t>(binding.parameter);
      if (shape.bounded && parameters[p]->shape.dims[0] == shape.dims[0]) dims[0] = arguments[0][p].dims()[0];
    }
    return dims;
  };
  std::vector<std::int64_t> state_of(shapes.size(), -1);
  for (const hlo::Alias& alias : aliases) {
    const auto p = static_cast<std::size_t>(alias.parameter);
    if (parameters[p]->role == hlo::ParameterRole::kState)
      state_of[static_cast<std::size_t>(alias.output)] = alias.parameter;
  }
  std::vector<std::vector<Tensor>> all(static_cast<std::size_t>(how.ranks));
  std::vector<std::vector<MutableTensorView>> views(all.size());
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    all[rank].resize(shapes.size());
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      if (state_of[i] >= 0) continue;
      all[rank][i] = Tensor(shapes[i].dtype, real_dims(shapes[i]));
      views[rank].push_back(all[rank][i].mutable_view());
    }
  }
  executable->run(inputs, views);
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      if (state_of[i] < 0) continue;
      const TensorView state = executable->state(state_of[i], static_cast<int>(rank));
      all[rank][i] = Tensor(state.dtype, state.dims);
      if (state.bytes() != 0) std::memcpy(all[rank][i].data(), state.data, state.bytes());
    }
  }
  return all;
}

std::vector<std::vector<Tensor>> run_reference(const hlo::Module& module, const std::vector<Arguments>& arguments) {
  const auto parameters = module.entry->parameters();
  std::vector<Tensor> zeros;
  zeros.reserve(parameters.size());
  for (const hlo::Instruction* parameter : parameters) {
    zeros.emplace_back(parameter->shape.dtype,
                       parameter->role == hlo::ParameterRole::kState ? parameter->shape.dims : Dims{0});
  }
  std::vector<std::vector<TensorView>> views(arguments.size());
  for (std::size_t rank = 0; rank < arguments.size(); ++rank) {
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      const bool state = parameters[p]->role == hlo::ParameterRole::kState;
      views[rank].push_back(state ? zeros[p].view() : arguments[rank][p].view());
    }
  }
  return reference::evaluate_ranks(module, views);
}

double relative_difference(const Tensor& actual, const Tensor& expected) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (actual.dtype() != expected.dtype() || actual.dims() != expected.dims()) return kInfinity;
  double difference = 0, largest = 1;
  for (std::int64_t i = 0; i < expected.elements(); ++i) {
    const double a = element_as_double(actual.view(), i), b = element_as_double(expected.view(), i);
    if (std::isnan(a) != std::isnan(b)) return kInfinity;
    if (std::isnan(a) || a == b) continue;
    difference = std::max(difference, std::fabs(a - b));
    if (std::isfinite(b)) largest = std::max(largest, std::fabs(b));
  }
  return difference / largest;
}

bool bit_equal(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.dims() == b.dims() &&
         (a.bytes() == 0 || std::memcmp(a.data(), b.data(), a.bytes()) == 0);
}

}  // namespace ganglion::differential
