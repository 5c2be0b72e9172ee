#include "tests/tiles/tile_model.h"

#include <cpuid.h>
#include <gtest/gtest.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

namespace ganglion::tiles {
namespace {

struct alignas(64) Config {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};
// C in tile 0, A in 1, B in 2: [m, n] += [m, k] [k, n], n and k in words of four bytes.
Config config_of(int m, int k, int n) {
  Config config;
  for (const auto& [tile, rows, words] : {std::array<int, 3>{0, m, n}, {1, m, k}, {2, k, n}}) {
    config.rows[tile] = static_cast<std::uint8_t>(rows);
    config.row_bytes[tile] = static_cast<std::uint16_t>(4 * words);
  }
  return config;
}

using Words = std::array<std::uint32_t, 16 * 16>;
enum class Product { kBf16, kSignedSigned, kSignedUnsigned, kUnsignedSigned, kUnsignedUnsigned };

void on_model(const Config& config, Product product, const Words& a, const Words& b, Words& c) {
  TileModel& model = tiles();
  model.load_config(&config);
  model.load(0, c.data(), 64);
  model.load(1, a.data(), 64);
  model.load(2, b.data(), 64);
  switch (product) {
    case Product::kBf16:
      model.multiply_bf16(0, 1, 2);
      break;
    case Product::kSignedSigned:
      model.multiply_bytes(0, 1, Bytes::kSigned, 2, Bytes::kSigned);
      break;
    case Product::kSignedUnsigned:
      model.multiply_bytes(0, 1, Bytes::kSigned, 2, Bytes::kUnsigned);
      break;
    case Product::kUnsignedSigned:
      model.multiply_bytes(0, 1, Bytes::kUnsigned, 2, Bytes::kSigned);
      break;
    case Product::kUnsignedUnsigned:
      model.multiply_bytes(0, 1, Bytes::kUnsigned, 2, Bytes::kUnsigned);
      break;
  }
  model.store(0, c.data(), 64);
  model.release();
}

// This file is not compiled on the model.
void on_this_cpu(const Config& config, Product product, const Words& a, const Words& b, Words& c) {
  asm volatile("" ::"m"(config), "m"(a), "m"(b), "m"(c) : "memory");
  _tile_loadconfig(&config);
  _tile_loadd(0, c.data(), 64);
  _tile_loadd(1, a.data(), 64);
  _tile_loadd(2, b.data(), 64);
  switch (product) {
    case Product::kBf16:
      _tile_dpbf16ps(0, 1, 2);
      break;
    case Product::kSignedSigned:
      _tile_dpbssd(0, 1, 2);
      break;
    case Product::kSignedUnsigned:
      _tile_dpbsud(0, 1, 2);
      break;
    case Product::kUnsignedSigned:
      _tile_dpbusd(0, 1, 2);
      break;
    case Product::kUnsignedUnsigned:
      _tile_dpbuud(0, 1, 2);
      break;
  }
  _tile_stored(0, c.data(), 64);
  _tile_release();
}

bool this_cpu_has_tiles() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  constexpr unsigned kNeeded = 1u << 22 | 1u << 24 | 1u << 25;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0 || (edx & kNeeded) != kNeeded) return false;
  return ::syscall(SYS_arch_prctl, 0x1023, 18) == 0;
}

// Any bits, but for the exponents, which are from a range: all of them, or what makes products near a size.
class Numbers {
 public:
  Numbers(unsigned seed, int least_exponent, int most_exponent)
      : random_(seed), exponents_(least_exponent, most_exponent) {}
  std::uint32_t bf16() {
    const std::uint32_t bits = random_();
    return (bits & 0x807fu) | static_cast<std::uint32_t>(exponents_(random_)) << 7;
  }
  std::uint32_t f32(int exponent) {
    const std::uint32_t bits = random_();
    return (bits & 0x807fffffu) | static_cast<std::uint32_t>(exponent) << 23;
  }
  std::mt19937& random() { return random_; }

 private:
  std::mt19937 random_;
  std::uniform_int_distribution<int> exponents_;
};

std::string shown(std::uint32_t bits) {
  char text[64];
  std::snprintf(text, sizeof text, "%08x (%a)", bits, static_cast<double>(std::bit_cast<float>(bits)));
  return text;
}

void compare(const Config& config, Product product, const Words& a, const Words& b, const Words& c, int* nans) {
  Words ours = c, theirs = c;
  on_model(config, product, a, b, ours);
  on_this_cpu(config, product, a, b, theirs);
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const bool nan = product == Product::kBf16 && (ours[i] & 0x7fffffffu) > 0x7f800000u;
    *nans += nan ? 1 : 0;
    ASSERT_EQ(ours[i], theirs[i]) << "word " << i << ": " << shown(ours[i]) << ", the CPU has " << shown(theirs[i]);
  }
}

TEST(TileModel, SumsProductsOfBf16AsThisCpuDoesToTheBit) {
  if (!this_cpu_has_tiles()) GTEST_SKIP() << "this CPU has no tiles, or the system refuses them";
  int nans = 0;
  const auto compare_range = [&](int least, int most, int least_sum, int most_sum, int special) {
    Numbers numbers(static_cast<unsigned>(least * 256 + most), least, most);
    std::uniform_int_distribution<int> size(1, 16), sums(least_sum, most_sum), rare(0, special);
    for (int round = 0; round < 400; ++round) {
      const Config config = round % 4 == 0
                                ? config_of(size(numbers.random()), size(numbers.random()), size(numbers.random()))
                                : config_of(16, 16, 16);
      Words a, b, c;
      for (std::uint32_t& word : a) word = numbers.bf16() | numbers.bf16() << 16;
      for (std::uint32_t& word : b) word = numbers.bf16() | numbers.bf16() << 16;
      for (std::uint32_t& word : c) word = numbers.f32(sums(numbers.random()));
      if (special > 0 && round % 2 == 0) {  // a few infinities and NaNs
        for (std::uint32_t& word : a) word = rare(numbers.random()) == 0 ? word | 0x7f80u : word;
        for (std::uint32_t& word : c) word = rare(numbers.random()) == 0 ? word | 0x7f800000u : word;
      }
      compare(config, Product::kBf16, a, b, c, &nans);
      if (testing::Test::HasFatalFailure()) return;
    }
  };
  compare_range(120, 130, 120, 135, 0);  // ordinary
  compare_range(0, 12, 0, 12, 0);        // subnormal operands
  compare_range(60, 68, 0, 6, 0);        // products and sums around the least normal number
  compare_range(62, 65, 0, 2, 0);
  compare_range(56, 64, 0, 1, 0);
  compare_range(185, 192, 250, 254, 0);     // and around the largest
  compare_range(100, 140, 100, 160, 1000);  // few that are not finite
  compare_range(0, 255, 0, 255, 0);         // anything
  EXPECT_GT(nans, 1000);
}

// The least normal number, less something that rounding to subnormal steps would bring back.
TEST(TileModel, TakesASumJustBelowTheLeastNormalNumberForWhatThisCpuDoes) {
  if (!this_cpu_has_tiles()) GTEST_SKIP() << "this CPU has no tiles, or the system refuses them";
  const auto bf16 = [](float value) { return std::bit_cast<std::uint32_t>(value) >> 16; };
  Words a{}, b{}, c{};
  for (std::size_t n = 0; n < 16; ++n) {
    b[n] = bf16(0x1p-63f);
    b[16 + n] = bf16(std::ldexp(n % 2 == 0 ? 1.0f : 1.5f, -70 - static_cast<int>(n / 2)));
  }
  for (std::size_t m = 0; m < 16; ++m) {
    a[16 * m] = bf16(m % 2 == 0 ? 0x1p-63f : -0x1p-63f);
    a[16 * m + 1] = bf16(std::ldexp(m % 2 == 0 ? -1.0f : 1.0f, -74 - static_cast<int>(m / 4)));
  }
  int nans = 0;
  compare(config_of(16, 16, 16), Product::kBf16, a, b, c, &nans);
  EXPECT_EQ(nans, 0);
}

TEST(TileModel, SumsProductsOfBytesAsThisCpuDoes) {
  if (!this_cpu_has_tiles()) GTEST_SKIP() << "this CPU has no tiles, or the system refuses them";
  std::mt19937 random(7);
  std::uniform_int_distribution<int> size(1, 16);
  int nans = 0;
  for (const Product product :
       {Product::kSignedSigned, Product::kSignedUnsigned, Product::kUnsignedSigned, Product::kUnsignedUnsigned}) {
    for (int round = 0; round < 100; ++round) {
      Words a, b, c;
      for (Words* words : {&a, &b, &c}) {
        for (std::uint32_t& word : *words) word = random();
      }
      compare(config_of(size(random), size(random), size(random)), product, a, b, c, &nans);
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(TileModel, KeepsWhatABlankTileHolds) {
  const Config config = config_of(3, 2, 5);
  TileModel& model = tiles();
  model.load_config(&config);
  Words words;
  words.fill(0x01010101u);
  model.load(0, words.data(), 64);
  model.zero(0);
  Words out;
  out.fill(7);
  model.store(0, out.data(), 64);
  model.release();
  for (int row = 0; row < 16; ++row) {
    for (int i = 0; i < 16; ++i) EXPECT_EQ(out[row * 16 + i], row < 3 && i < 5 ? 0u : 7u) << row << ", " << i;
  }
}

using TileModelDeathTest = testing::Test;

TEST(TileModelDeathTest, EndsTheProgramWhereTheCpuWouldRaiseAnException) {
  const auto with = [](Config config, auto use) {
    TileModel model;
    model.load_config(&config);
    use(model);
  };
  const Config good = config_of(4, 8, 16);
  const auto multiply = [](TileModel& model) { model.multiply_bf16(0, 1, 2); };
  const auto nothing = [](TileModel&) {};
  with(good, multiply);
  Config bad = good;
  bad.palette = 2;
  EXPECT_DEATH(with(bad, nothing), "ldtilecfg: there are palettes 0 and 1");
  bad = good, bad.reserved[3] = 1;
  EXPECT_DEATH(with(bad, nothing), "ldtilecfg: a reserved byte");
  bad = good, bad.rows[1] = 17;
  EXPECT_DEATH(with(bad, nothing), "ldtilecfg: a tile has 16 rows at most");
  bad = good, bad.row_bytes[1] = 68;
  EXPECT_DEATH(with(bad, nothing), "ldtilecfg: a row has 64 bytes at most");
  bad = good, bad.row_bytes[5] = 64;
  EXPECT_DEATH(with(bad, nothing), "ldtilecfg: rows without bytes, or bytes without rows");
  bad = good, bad.rows[8] = 1;
  EXPECT_DEATH(with(bad, nothing), "ldtilecfg: rows of a tile beyond the eighth");
  bad = good, bad.rows[0] = 5;
  EXPECT_DEATH(with(bad, multiply), "tdpbf16ps: the sums have other rows than A");
  bad = good, bad.row_bytes[0] = 60;
  EXPECT_DEATH(with(bad, multiply), "tdpbf16ps: the sums have other columns than B");
  bad = good, bad.row_bytes[1] = 28;
  EXPECT_DEATH(with(bad, multiply), "tdpbf16ps: A has other columns than B has rows");
  bad = good, bad.row_bytes[1] = 30;
  EXPECT_DEATH(with(bad, multiply), "tdpbf16ps: a row ends within a word");
  EXPECT_DEATH(with(good, [](TileModel& model) { model.multiply_bf16(0, 1, 1); }), "a tile is named twice");
  EXPECT_DEATH(with(good, [](TileModel& model) { model.zero(3); }), "tilezero: the tile has no rows");
  EXPECT_DEATH(with(good,
                    [](TileModel& model) {
                      model.release();
                      model.zero(0);
                    }),
               "tilezero: there is no configuration");
}

}  // namespace
}  // namespace ganglion::tiles
