// The evaluator against jaxlib: every case of tests/goldens/ops.
#include <gtest/gtest.h>

#include <set>

#include "reference/evaluate.h"
#include "tests/differential/golden.h"

namespace ganglion::differential {
namespace {

const std::filesystem::path kFolder = std::filesystem::path(GANGLION_SOURCE_DIR) / "tests/goldens/ops";

class Goldens : public testing::TestWithParam<const char*> {};

TEST_P(Goldens, AreWhatTheEvaluatorGives) {
  const std::vector<Golden> goldens = read_goldens(kFolder / (std::string(GetParam()) + ".json"));
  ASSERT_FALSE(goldens.empty());
  for (const Golden& golden : goldens) {
    SCOPED_TRACE(golden.name);
    const auto got = reference::evaluate_ranks(*golden.module, views(golden.arguments));
    ASSERT_EQ(got.size(), golden.results.size());
    for (std::size_t rank = 0; rank < got.size(); ++rank) {
      ASSERT_EQ(got[rank].size(), golden.results[rank].size());
      for (std::size_t i = 0; i < got[rank].size(); ++i) {
        const auto text = difference(got[rank][i].view(), golden.results[rank][i].view(), golden.closeness);
        EXPECT_FALSE(text.has_value()) << "rank " << rank << ", result " << i << ": " << *text;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Family, Goldens, testing::ValuesIn(kGoldenFamilies),
                         [](const auto& info) { return std::string(info.param); });

TEST(GoldenFiles, AreAllTested) {
  std::set<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".json") found.insert(entry.path().stem().string());
  }
  EXPECT_EQ(found, std::set<std::string>(std::begin(kGoldenFamilies), std::end(kGoldenFamilies)));
}

}  // namespace
}  // namespace ganglion::differential
