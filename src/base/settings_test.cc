#include "base/settings.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ganglion {
namespace {

TEST(Settings, GivesTheTablesDefaultWhenAVariableIsNotSet) {
  const Settings settings = Settings::from_map({});
  EXPECT_EQ(settings.value("GANGLION_LOG"), "info");
  EXPECT_FALSE(settings.get("GANGLION_ISA").has_value());
}

TEST(Settings, RefusesANumberOutOfRangeWithItsNameAndValue) {
  const Settings settings = Settings::from_map({{"GANGLION_THREADS", "many"}});
  try {
    settings.integer("GANGLION_THREADS", 1, 1024);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "[environment] GANGLION_THREADS=many: wanted a whole number from 1 to 1024");
  }
}

TEST(Settings, AVariableThatIsNotInTheTableIsABugOfOurs) {
  EXPECT_THROW(Settings::from_map({}).get("GANGLION_NO_SUCH"), Error);
}

}  // namespace
}  // namespace ganglion
