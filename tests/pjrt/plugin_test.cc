// What ganglion writes is HLO: XLA's own CPU plugin runs it and agrees with the CPU backend.
#include "runtime/pjrt/plugin.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "hlo/builder.h"
#include "hlo/composite.h"
#include "models/registry.h"
#include "runtime/executable.h"

namespace ganglion::runtime::pjrt {
namespace {

Tensor counting(Dims dims, float scale) {
  Tensor out(DType::kF32, std::move(dims));
  auto values = out.as<float>();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = scale * (static_cast<float>(i % 13) - 6.0f);
  return out;
}

Tensor s32(Dims dims, const std::vector<std::int32_t>& values) {
  return Tensor::from<std::int32_t>(DType::kS32, std::move(dims), values);
}

double largest_difference_over_largest(std::span<const float> a, std::span<const float> b) {
  double difference = 0, largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference = std::max(difference, std::abs(static_cast<double>(a[i]) - b[i]));
    largest = std::max(largest, std::abs(static_cast<double>(b[i])));
  }
  return difference / largest;
}

// x[2,3] . w[4,3]^T + x-independent bias, through the composite.
std::unique_ptr<hlo::Module> linear_module() {
  hlo::Builder b("linear");
  const hlo::Value x = b.input("x", hlo::Shape::array(DType::kF32, {2, 3}));
  const hlo::Value w = b.input("w", hlo::Shape::array(DType::kF32, {4, 3}));
  const hlo::Value bias = b.input("bias", hlo::Shape::array(DType::kF32, {4}));
  return b.finish({hlo::linear(x, w, bias)});
}

TEST(PjrtPlugin, RunsACompositeAsTheCallItIs) {
  const auto plugin = Plugin::load(GANGLION_PJRT_PLUGIN);
  EXPECT_EQ(plugin->platform(), "cpu");
  const Tensor x = counting({2, 3}, 1.0f), w = counting({4, 3}, 0.5f), bias = counting({4}, 2.0f);
  const std::vector<TensorView> arguments = {x.view(), w.view(), bias.view()};
  const auto results = plugin->run(*linear_module(), arguments);
  ASSERT_EQ(results.size(), 1u);
  ASSERT_EQ(results[0].dims(), (Dims{2, 4}));
  for (int r = 0; r < 2; ++r) {
    for (int n = 0; n < 4; ++n) {
      float want = bias.as<float>()[n];
      for (int k = 0; k < 3; ++k) want += x.as<float>()[r * 3 + k] * w.as<float>()[n * 3 + k];
      EXPECT_FLOAT_EQ(results[0].as<float>()[r * 4 + n], want);
    }
  }
}

TEST(PjrtPlugin, ChecksTheElementTypeOfAnArgumentBecausePluginsDoNot) {
  const auto plugin = Plugin::load(GANGLION_PJRT_PLUGIN);
  const Tensor x = s32({2, 3}, {0, 1, 2, 3, 4, 5}), w = counting({4, 3}, 0.5f), bias = counting({4}, 2.0f);
  const std::vector<TensorView> arguments = {x.view(), w.view(), bias.view()};
  try {
    plugin->run(*linear_module(), arguments);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find("s32[2,3]"), std::string::npos);
  }
}

TEST(PjrtPlugin, AFileThatIsNoPluginIsRefusedByName) {
  EXPECT_THROW(Plugin::load("/no/such/plugin.so"), Error);
  try {
    Plugin::load("libm.so.6");
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kNotFound);
  }
}

// A decoder of OPT's family with seeded random weights.
constexpr const char* kConfig = R"({"model_type": "opt", "vocab_size": 96, "hidden_size": 32, "word_embed_proj_dim": 32,
  "num_hidden_layers": 2, "num_attention_heads": 4, "ffn_dim": 64, "max_position_embeddings": 64, "activation_function": "relu",
  "do_layer_norm_before": true, "bos_token_id": 2, "eos_token_id": 2, "pad_token_id": 1})";

TEST(PjrtPlugin, TheOptStepGivesTheCpuBackendsLogits) {
  const models::Config config = models::parse_config(kConfig, "test");
  models::StepOptions options;
  options.size = {.tokens = 5,
                  .sequences = 1,
                  .logit_rows = 1,
                  .blocks = 1,
                  .block_size = 16,
                  .max_blocks = 1,
                  .bounded = false,
                  .query_length = 5};
  const models::Step step = models::find_family("opt").build(config, options, models::random_weights(7));

  std::vector<Tensor> inputs;
  inputs.push_back(s32({5}, {2, 17, 4, 80, 33}));
  inputs.push_back(s32({5}, {0, 1, 2, 3, 4}));
  inputs.push_back(s32({5}, {0, 0, 0, 0, 0}));
  inputs.push_back(s32({5}, {0, 1, 2, 3, 4}));
  inputs.push_back(s32({1, 1}, {0}));
  inputs.push_back(s32({1}, {4}));

  // The plugin wants every parameter: inputs, weights read whole, zero caches.
  const auto parameters = step.module->entry->parameters();
  std::vector<Tensor> arguments(parameters.size());
  std::size_t next_input = 0;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (parameters[i]->role == hlo::ParameterRole::kInput) {
      arguments[i] = inputs[next_input++].clone();
    } else if (parameters[i]->role == hlo::ParameterRole::kState) {
      arguments[i] = Tensor(parameters[i]->shape.dtype, parameters[i]->shape.dims);
    }
  }
  for (const models::WeightBinding& weight : step.weights)
    arguments[static_cast<std::size_t>(weight.parameter)] = read_all(*weight.per_rank[0]);
  std::vector<TensorView> views;
  for (const Tensor& argument : arguments) views.push_back(argument.view());
  const auto plugin = Plugin::load(GANGLION_PJRT_PLUGIN);
  const auto of_plugin = plugin->run(*step.module, views);

  auto again = models::find_family("opt").build(config, options, models::random_weights(7));
  const auto executable = compile_for_cpu(std::move(again.module), {});
  std::vector<WeightSources> weights;
  for (const models::WeightBinding& weight : again.weights) weights.push_back({weight.parameter, weight.per_rank});
  executable->load_weights(std::move(weights));
  std::vector<std::vector<TensorView>> given(1);
  for (const Tensor& input : inputs) given[0].push_back(input.view());
  Tensor logits(DType::kF32, {1, config.vocab});
  std::vector<std::vector<MutableTensorView>> results(1);
  results[0].push_back(logits.mutable_view());
  executable->run(given, results);

  ASSERT_EQ(of_plugin[0].dims(), logits.dims());
  EXPECT_LT(largest_difference_over_largest(logits.as<float>(), of_plugin[0].as<float>()), 1e-4);
}

}  // namespace
}  // namespace ganglion::runtime::pjrt
