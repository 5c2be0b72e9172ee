// What the model and the table want of the program they are in.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "kernels/tile_registers.h"
#include "tests/tiles/tile_model.h"

namespace ganglion {

namespace tiles {

TileModel& tiles() noexcept {
  static thread_local TileModel model;
  return model;
}

void illegal(const char* instruction, const char* reason) noexcept {
  std::fprintf(stderr, "[tiles] %s: %s\n", instruction, reason);
  std::abort();
}

namespace {

// Whoever configures tiles releases them: the system saves what is not released at every change of threads.
class AfterEachTest : public testing::EmptyTestEventListener {
  void OnTestEnd(const testing::TestInfo&) override { EXPECT_FALSE(tiles().configured()); }
};
const bool kListens = [] {
  testing::UnitTest::GetInstance()->listeners().Append(new AfterEachTest);
  return true;
}();

}  // namespace
}  // namespace tiles

bool kernels::has_tile_registers() noexcept { return true; }

}  // namespace ganglion
