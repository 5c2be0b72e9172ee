#include "engine/step_parts.h"

#include <gtest/gtest.h>

namespace ganglion::engine {
namespace {

// A program of three steps, a barrier before the last, run by two threads from 2000 to 20000 ns of each step that takes
// 30000.
runtime::Recorder recorder_of(int steps) {
  runtime::Recorder out;
  out.steps.resize(3);
  out.steps[2].barrier = true;
  for (int i = 0; i < steps; ++i) {
    const std::int64_t at = i * 30'000;
    runtime::RecordedRun run;
    run.threads = 2;
    run.span = {at + 2'000, at + 20'000};
    run.steps = {{at + 3'000, at + 5'000},  {at + 5'500, at + 8'000},   {at + 13'000, at + 14'000},
                 {at + 4'000, at + 10'000}, {at + 10'100, at + 12'000}, {at + 13'000, at + 13'000}};
    out.runs.push_back(run);
    out.events.push_back({"inputs", {at + 500, at + 1'000}});
    out.events.push_back({"sample", {at + 21'000, at + 24'000}});
    out.events.push_back({"deliver", {at + 24'000, at + 25'000}});
    out.batches.push_back({{at, at + 26'000}, i == 0 ? 7 : 0, i == 0 ? 0 : 1});
    out.events.push_back({"schedule", {at + 27'000, at + 28'000}});
  }
  return out;
}

TEST(StepParts, AreOfTheThreadThatTheOthersWaitedFor) {
  const auto parts = decode_step_parts(recorder_of(3));
  ASSERT_EQ(parts.size(), 1u);  // the first computed a prompt, nothing followed the last
  const StepParts& step = parts[0];
  EXPECT_DOUBLE_EQ(step.whole, 30);
  EXPECT_NEAR(step.kernels, 6 + 1.9 + 1, 1e-9);  // of the second thread, then of the first
  EXPECT_NEAR(step.walk, 0.1, 1e-9);
  EXPECT_DOUBLE_EQ(step.inputs, 2);
  EXPECT_DOUBLE_EQ(step.sampling, 3);
  EXPECT_DOUBLE_EQ(step.deliver, 1);
  EXPECT_NEAR(step.kernels + step.walk + step.waiting + step.inputs + step.sampling + step.deliver + step.engine,
              step.whole, 1e-9);
  EXPECT_DOUBLE_EQ(step.not_in_kernels(), step.whole - step.kernels);
}

TEST(StepParts, AreNoneWhereNothingWasDecoded) {
  EXPECT_TRUE(decode_step_parts(recorder_of(1)).empty());
  EXPECT_TRUE(decode_step_parts(runtime::Recorder()).empty());
}

}  // namespace
}  // namespace ganglion::engine
