#include "engine/speed_metrics.h"

#include <gtest/gtest.h>

#include "base/thread_pool.h"
#include "tensor/tensor.h"

namespace ganglion::engine {
namespace {

testing::AssertionResult has_line(const metrics::Registry& registry, const std::string& line) {
  const std::string text = "\n" + registry.text();
  if (text.find("\n" + line + "\n") != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "no line '" << line << "' in:" << text;
}

// 100 bytes and 4 operations a row, of the program's first size.
runtime::StepInfo matmul(const std::string& isa, const std::string& storage) {
  runtime::StepInfo step;
  step.kind = "matmul";
  step.isa = isa;
  step.storage = storage;
  step.n = 8;
  step.k = 16;
  step.work.rows = 0;
  step.work.fixed.bytes = 100;
  step.work.row.flops = 4;
  return step;
}

runtime::Limits limits() {
  runtime::Limits out;
  out.bandwidth = 1000;
  out.peak_flops = 100;
  out.tile_flops = 800;
  return out;
}

TEST(SpeedMetrics, AddsUpBytesFlopsAndSecondsByPhaseAndByKernel) {
  metrics::Registry registry;
  runtime::StepInfo norm;
  norm.kind = "layer_norm";
  norm.work.fixed = {50, 10};
  SpeedMetrics speed(registry, {{"model", "m"}}, {matmul("amx", "f16"), matmul("amx", "f16"), norm}, limits());
  const std::int64_t rows[] = {5};
  speed.ran(StepPhase::kDecode, {.rows = rows}, 0.5);
  speed.ran(StepPhase::kDecode, {.rows = rows}, 0.5);
  EXPECT_TRUE(has_line(registry, R"(ganglion_phase_bytes_total{model="m",phase="decode"} 500)"));
  EXPECT_TRUE(has_line(registry, R"(ganglion_phase_flops_total{model="m",phase="decode"} 100)"));
  EXPECT_TRUE(has_line(registry, R"(ganglion_phase_seconds_total{model="m",phase="decode"} 1)"));
  EXPECT_TRUE(has_line(registry, R"(ganglion_phase_bytes_total{model="m",phase="prefill"} 0)"));
  EXPECT_TRUE(has_line(registry, R"(ganglion_matmul_bytes_total{isa="amx",model="m",storage="f16"} 400)"));
  EXPECT_TRUE(has_line(registry, R"(ganglion_matmul_flops_total{isa="amx",model="m",storage="f16"} 80)"));
  EXPECT_TRUE(has_line(registry, R"(ganglion_matmul_kernel{isa="amx",k="16",model="m",n="8",storage="f16"} 2)"));
  EXPECT_TRUE(has_line(registry, R"(ganglion_peak_bytes_per_second{model="m"} 1000)"));
  EXPECT_TRUE(has_line(registry, R"(ganglion_peak_flops_per_second{model="m",unit="tiles"} 800)"));
  // 250 bytes in half a second of 1000 a second; 40 operations on tiles and 10 on vectors.
  EXPECT_TRUE(has_line(registry, R"(ganglion_phase_bandwidth_ratio{model="m",phase="decode"} 0.5)"));
  EXPECT_TRUE(has_line(registry, R"(ganglion_phase_arithmetic_ratio{model="m",phase="decode"} 0.3)"));
}

TEST(SpeedMetrics, AttentionOnTilesIsMeasuredAgainstTiles) {
  metrics::Registry registry;
  runtime::StepInfo attention;
  attention.kind = "attention";
  attention.isa = "amx";
  attention.storage = "bf16";
  attention.work.fixed = {0, 400};
  SpeedMetrics speed(registry, {}, {attention}, limits());
  speed.ran(StepPhase::kPrefill, {}, 1);
  EXPECT_TRUE(has_line(registry, R"(ganglion_phase_arithmetic_ratio{phase="prefill"} 0.5)"));
}

TEST(SpeedMetrics, RatiosForgetWhatWasLongAgo) {
  metrics::Registry registry;
  SpeedMetrics speed(registry, {}, {matmul("avx2", "f32")}, limits());
  const std::int64_t rows[] = {1};
  speed.ran(StepPhase::kDecode, {.rows = rows}, 1000);
  for (int i = 0; i < 2000; ++i) speed.ran(StepPhase::kDecode, {.rows = rows}, 0.1);
  const double ratio = registry.gauge("ganglion_phase_bandwidth_ratio", "", {{"phase", "decode"}}).value();
  EXPECT_NEAR(ratio, 1, 1e-6);
}

TEST(SpeedMetrics, AStepThatDidNotRunChangesNothing) {
  metrics::Registry registry;
  SpeedMetrics speed(registry, {}, {matmul("avx2", "f32")}, limits());
  const std::int64_t rows[] = {1};
  speed.ran(StepPhase::kMixed, {.rows = rows}, 0);
  EXPECT_TRUE(has_line(registry, R"(ganglion_phase_bytes_total{phase="mixed"} 0)"));
}

TEST(StepPhase, IsDecodeOnlyWhereEverySequenceGoesOn) {
  Sequence sequence;
  sequence.request.prompt = {1, 2, 3};
  const Chunk prompt{.sequence = &sequence, .begin = 0, .count = 3};
  const Chunk last_of_prompt{.sequence = &sequence, .begin = 2, .count = 1};
  const Chunk next{.sequence = &sequence, .begin = 3, .count = 1};
  EXPECT_EQ(tokens_of({prompt, last_of_prompt}).phase(), StepPhase::kPrefill);
  EXPECT_EQ(tokens_of({next, next}).phase(), StepPhase::kDecode);
  EXPECT_EQ(tokens_of({next, prompt}).phase(), StepPhase::kMixed);
  EXPECT_EQ(tokens_of({next, prompt}).prompt, 3);
}

TEST(Limits, AreMeasuredOnWhateverMemoryThereIs) {
  ThreadPool pool(2);
  const Buffer memory(1 << 20);
  const runtime::Limits some = runtime::measure_limits(pool, {memory.data(), memory.size()}, 1, 1000);
  EXPECT_GT(some.bandwidth, 0);
  EXPECT_GT(some.peak_flops, 0);
  const runtime::Limits none = runtime::measure_limits(pool, {}, 1, 1000);
  EXPECT_EQ(none.bandwidth, 0);
  EXPECT_GT(none.peak_flops, 0);
}

}  // namespace
}  // namespace ganglion::engine
