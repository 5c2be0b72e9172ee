// The CPU backend on every golden and on random modules, for every kernel table that this machine can run.
#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/table.h"
#include "tests/differential/backend_pair.h"
#include "tests/differential/golden.h"
#include "tests/differential/random_module.h"

namespace ganglion::differential {
namespace {

const std::filesystem::path kFolder = std::filesystem::path(GANGLION_SOURCE_DIR) / "tests/goldens/ops";

// The backend's functions are polynomials in f32, as XLA's are, but not the same ones.
Closeness for_backend(Closeness closeness) {
  if (closeness.ulps > 0) closeness.ulps = std::max(closeness.ulps, 4);
  return closeness;
}

class GoldensOnCpu : public testing::TestWithParam<const char*> {};

TEST_P(GoldensOnCpu, AreWhatJaxlibGave) {
  std::vector<Golden> goldens = read_goldens(kFolder / (std::string(GetParam()) + ".json"));
  for (Golden& golden : goldens) {
    SCOPED_TRACE(golden.name);
    const int ranks = static_cast<int>(golden.arguments.size());
    const auto got = run_cpu(std::move(golden.module), golden.arguments, {.threads = 2, .ranks = ranks}, false);
    for (std::size_t rank = 0; rank < got.size(); ++rank) {
      for (std::size_t i = 0; i < got[rank].size(); ++i) {
        const auto text =
            difference(got[rank][i].view(), golden.results[rank][i].view(), for_backend(golden.closeness));
        EXPECT_FALSE(text.has_value()) << "rank " << rank << ", result " << i << ": " << *text;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Family, GoldensOnCpu, testing::ValuesIn(kGoldenFamilies),
                         [](const auto& info) { return std::string(info.param); });

TEST(RandomModulesOnCpu, GiveTheEvaluatorsResults) {
  for (const std::string isa : {"scalar", "avx2", "avx512", "amx"}) {
    if (kernels::find_table(isa) == nullptr)
      continue;  // this machine cannot run it; kernel tests cover the table elsewhere
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
      SCOPED_TRACE(isa + ", seed " + std::to_string(seed));
      RandomModule random = random_module(seed);
      const std::vector<double> tolerances = random.tolerances;
      std::vector<Arguments> arguments(1);
      arguments[0] = std::move(random.arguments);
      const auto expected = run_reference(*random.module, arguments);
      const auto got = run_cpu(std::move(random.module), arguments, {.threads = 2, .isa = isa});
      for (std::size_t i = 0; i < tolerances.size(); ++i) {
        // Its max(1, |expected|) only ever widens the derived tolerance for large values.
        const Closeness closeness{.tolerance = tolerances[i]};
        const auto text = difference(got[0][i].view(), expected[0][i].view(), closeness);
        EXPECT_FALSE(text.has_value()) << "result " << i << ": " << *text << ", tolerance " << tolerances[i];
      }
    }
  }
}

}  // namespace
}  // namespace ganglion::differential
