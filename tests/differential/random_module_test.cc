// What random modules must be for differential tests to mean anything.
#include "tests/differential/random_module.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "hlo/proto_reader.h"
#include "hlo/proto_writer.h"
#include "hlo/text_printer.h"
#include "hlo/verifier.h"
#include "reference/evaluate.h"
#include "tests/differential/closeness.h"

namespace ganglion::differential {
namespace {

constexpr std::uint64_t kSeeds = 200;

std::vector<TensorView> views_of(const std::vector<Tensor>& tensors) {
  std::vector<TensorView> views;
  for (const Tensor& tensor : tensors) views.push_back(tensor.view());
  return views;
}

TEST(RandomModule, IsVerifiedAndEvaluatesToFiniteNumbers) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    const RandomModule random = random_module(seed);
    hlo::verify(*random.module);
    const auto results = reference::evaluate(*random.module, views_of(random.arguments));
    ASSERT_EQ(results.size(), random.tolerances.size());
    for (const Tensor& result : results) {
      for (std::int64_t i = 0; i < result.elements(); ++i)
        ASSERT_TRUE(std::isfinite(element_as_double(result.view(), i)));
    }
  }
}

TEST(RandomModule, IsTheSameForTheSameSeed) {
  EXPECT_EQ(hlo::write_proto(*random_module(7).module), hlo::write_proto(*random_module(7).module));
  EXPECT_NE(hlo::write_proto(*random_module(7).module), hlo::write_proto(*random_module(8).module));
}

TEST(RandomModule, GivesTheSameResultsAfterWritingAndReading) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    const RandomModule random = random_module(seed);
    const std::string bytes = hlo::write_proto(*random.module);
    const auto read = hlo::read_proto(std::as_bytes(std::span(bytes.data(), bytes.size())));
    const auto expected = reference::evaluate(*random.module, views_of(random.arguments));
    const auto got = reference::evaluate(*read, views_of(random.arguments));
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i)
      EXPECT_EQ(difference(got[i].view(), expected[i].view(), {}), std::nullopt);
  }
}

TEST(RandomModule, UsesEveryOpcodeItKnowsSooner) {
  std::set<hlo::Opcode> seen;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const RandomModule random = random_module(seed);
    for (const auto& computation : random.module->computations) {
      for (const auto& instruction : computation->instructions) seen.insert(instruction->opcode);
    }
  }
  // All but those of ranks, custom-call and bitcast-convert.
  EXPECT_GE(seen.size(), static_cast<std::size_t>(hlo::kOpcodeCount) - 5);
}

}  // namespace
}  // namespace ganglion::differential
