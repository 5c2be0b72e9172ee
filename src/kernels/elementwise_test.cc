#include <algorithm>

#include "kernels/plain.h"

namespace ganglion::kernels {
namespace {

using plain::kInfinity;
using plain::kNan;
using plain::kStorages;

// How far a float is from an exact value, in units of the float nearest to it.
double ulps(float value, double exact) {
  if (std::isnan(exact)) return std::isnan(value) ? 0.0 : kInfinity;
  const auto nearest = static_cast<float>(exact);
  if (std::isinf(value) || std::isinf(nearest)) return value == nearest ? 0.0 : kInfinity;
  const float magnitude = std::max(std::fabs(nearest), std::numeric_limits<float>::min());
  const double unit = double{std::nextafter(magnitude, kInfinity)} - double{magnitude};
  return std::fabs(double{value} - exact) / unit;
}

using Elementwise = plain::EveryTable;

struct Function {
  Unary op;
  const char* name;
  double (*exact)(double);
  float low, high;  // where it is swept
  double most_ulps;
};

const Function kFunctions[] = {
    {Unary::kNegate, "negate", [](double x) { return -x; }, -1e30f, 1e30f, 0.0},
    {Unary::kAbs, "abs", [](double x) { return std::fabs(x); }, -1e30f, 1e30f, 0.0},
    {Unary::kExp, "exp", [](double x) { return std::exp(x); }, -110.0f, 95.0f, 2.0},
    {Unary::kLog, "log", [](double x) { return std::log(x); }, 0.0f, 1e38f, 2.0},
    {Unary::kSqrt, "sqrt", [](double x) { return std::sqrt(x); }, 0.0f, 1e38f, 0.5},
    {Unary::kRsqrt, "rsqrt", [](double x) { return 1 / std::sqrt(x); }, 1e-30f, 1e38f, 1.5},
    {Unary::kTanh, "tanh", [](double x) { return std::tanh(x); }, -12.0f, 12.0f, 3.0},
    {Unary::kErf, "erf", [](double x) { return std::erf(x); }, -5.0f, 5.0f, 3.0},
    {Unary::kLogistic, "logistic", [](double x) { return 1 / (1 + std::exp(-x)); }, -80.0f, 80.0f, 4.0},
    {Unary::kSilu, "silu", [](double x) { return x / (1 + std::exp(-x)); }, -80.0f, 80.0f, 4.0},
    {Unary::kRelu, "relu", [](double x) { return x < 0 ? 0.0 : x; }, -10.0f, 10.0f, 0.0},
};

TEST_P(Elementwise, UnaryStaysWithinItsUlps) {
  for (const Function& function : kFunctions) {
    std::vector<float> x;
    for (int i = 0; i <= 200000; ++i) {
      x.push_back(function.low + (function.high - function.low) * (static_cast<float>(i) / 200000.0f));
    }
    for (std::uint32_t bits = 1; bits < 0x7f800000u; bits += 10007) {  // every magnitude, subnormals too
      const auto magnitude = std::bit_cast<float>(bits);
      for (const float value : {magnitude, -magnitude}) {
        if (value >= function.low && value <= function.high) x.push_back(value);
      }
    }
    std::vector<float> out(x.size());
    table().unary[static_cast<int>(function.op)](x.data(), out.data(), static_cast<std::int64_t>(x.size()));
    double worst = 0.0;
    std::size_t at = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double error = ulps(out[i], function.exact(x[i]));
      if (error > worst) worst = error, at = i;
    }
    EXPECT_LE(worst, function.most_ulps) << function.name << " of " << x[at] << " gave " << out[at];
    RecordProperty(function.name, std::to_string(worst));
  }
}

TEST_P(Elementwise, GeluStaysWithinAMillionthOfItsInput) {
  std::vector<float> x = plain::normal(100000, 4, 3.0f);
  for (const auto& [op, activation] :
       {std::pair{Unary::kGeluErf, Activation::kGeluErf}, std::pair{Unary::kGeluTanh, Activation::kGeluTanh}}) {
    std::vector<float> out(x.size());
    table().unary[static_cast<int>(op)](x.data(), out.data(), static_cast<std::int64_t>(x.size()));
    for (std::size_t i = 0; i < x.size(); ++i) {
      // 1 + erf is exact to a few 2^-24 of 2, whatever is left of it; the factor x/2 scales that.
      ASSERT_NEAR(out[i], plain::activate(activation, x[i]), 4e-7 * std::fabs(x[i]) + 1e-38) << x[i];
    }
  }
}

TEST_P(Elementwise, UnaryFollowsIeeeAtTheEdges) {
  struct Edge {
    Unary op;
    float x, want;
  };
  for (const Edge& edge : {Edge{Unary::kExp, kInfinity, kInfinity},
                           {Unary::kExp, -kInfinity, 0.0f},
                           {Unary::kExp, 89.0f, kInfinity},
                           {Unary::kExp, -104.0f, 0.0f},
                           {Unary::kExp, 0.0f, 1.0f},
                           {Unary::kLog, 0.0f, -kInfinity},
                           {Unary::kLog, -0.0f, -kInfinity},
                           {Unary::kLog, kInfinity, kInfinity},
                           {Unary::kLog, -1.0f, kNan},
                           {Unary::kLog, -kInfinity, kNan},
                           {Unary::kLog, 1.0f, 0.0f},
                           {Unary::kSqrt, -1.0f, kNan},
                           {Unary::kRsqrt, 0.0f, kInfinity},
                           {Unary::kRsqrt, kInfinity, 0.0f},
                           {Unary::kTanh, kInfinity, 1.0f},
                           {Unary::kTanh, -kInfinity, -1.0f},
                           {Unary::kTanh, -0.0f, -0.0f},
                           {Unary::kErf, kInfinity, 1.0f},
                           {Unary::kErf, -kInfinity, -1.0f},
                           {Unary::kLogistic, kInfinity, 1.0f},
                           {Unary::kLogistic, -kInfinity, 0.0f},
                           {Unary::kRelu, -kInfinity, 0.0f},
                           {Unary::kAbs, -kInfinity, kInfinity}}) {
    float out = 77.0f;
    table().unary[static_cast<int>(edge.op)](&edge.x, &out, 1);
    if (std::isnan(edge.want)) {
      EXPECT_TRUE(std::isnan(out)) << "op " << static_cast<int>(edge.op) << " of " << edge.x;
    } else {
      EXPECT_EQ(out, edge.want) << "op " << static_cast<int>(edge.op) << " of " << edge.x;
    }
  }
  for (int op = 0; op < static_cast<int>(Unary::kCount); ++op) {
    float out = 77.0f;
    table().unary[op](&kNan, &out, 1);
    EXPECT_TRUE(std::isnan(out)) << "op " << op << " must not hide a NaN";
  }
}

TEST_P(Elementwise, UnaryGivesAnElementTheSameBitsWhereverItStandsAndWritesNoFurther) {
  const std::vector<float> x = plain::normal(70, 6, 2.0f);
  for (int op = 0; op < static_cast<int>(Unary::kCount); ++op) {
    for (std::int64_t begin = 0; begin < 20; ++begin) {
      for (std::int64_t count = 0; count < 50; ++count) {
        std::vector<float> out(72, 12345.0f);
        table().unary[op](x.data() + begin, out.data() + 1, count);
        ASSERT_EQ(out[0], 12345.0f);
        ASSERT_EQ(out[static_cast<std::size_t>(count) + 1], 12345.0f) << count;
        for (std::int64_t i = 0; i < count; ++i) {
          float alone = 0.0f;
          table().unary[op](x.data() + begin + i, &alone, 1);
          ASSERT_TRUE(plain::same_bits(&alone, &out[i + 1], 1)) << "op " << op << " at " << i << " of " << count;
        }
        if (begin > 2 && count > 3) count += 6;
      }
    }
  }
}

TEST_P(Elementwise, BinaryIsTheIeeeOperation) {
  std::vector<float> a = plain::normal(1003, 1), b = plain::normal(1003, 2);
  a[5] = kNan, b[9] = kNan, a[11] = kInfinity, b[11] = kInfinity, b[12] = 0.0f, a[900] = kNan, b[1002] = kNan;
  float (*const plain[])(float, float) = {
      [](float x, float y) { return x + y; },
      [](float x, float y) { return x - y; },
      [](float x, float y) { return x * y; },
      [](float x, float y) { return x / y; },
      [](float x, float y) { return std::isnan(x) || std::isnan(y) ? kNan : std::fmax(x, y); },
      [](float x, float y) { return std::isnan(x) || std::isnan(y) ? kNan : std::fmin(x, y); }};
  for (int op = 0; op < static_cast<int>(Binary::kCount); ++op) {
    for (const std::int64_t count : {0, 1, 7, 8, 15, 16, 17, 31, 1003}) {
      std::vector<float> out(static_cast<std::size_t>(count) + 1, 12345.0f);
      table().binary[op](a.data(), b.data(), out.data(), count);
      ASSERT_EQ(out.back(), 12345.0f);
      for (std::int64_t i = 0; i < count; ++i) {
        const float want = plain[op](a[i], b[i]);
        ASSERT_TRUE(std::isnan(want) ? std::isnan(out[i]) : out[i] == want) << "op " << op << " at " << i;
      }
    }
    std::vector<float> in_place = a;
    table().binary[op](in_place.data(), b.data(), in_place.data(), 1003);
    EXPECT_EQ(in_place[1], plain[op](a[1], b[1]));
  }
}

GANGLION_FOR_EVERY_TABLE(Elementwise);

using Convert = plain::EveryTable;

TEST_P(Convert, WidensEveryHalfExactly) {
  std::vector<std::uint16_t> halves(0x10000);
  for (std::uint32_t i = 0; i < 0x10000; ++i) halves[i] = static_cast<std::uint16_t>(i);
  std::vector<float> out(halves.size());
  for (const Storage storage : {Storage::kF16, Storage::kBF16}) {
    table().to_f32[static_cast<int>(storage)](halves.data(), out.data(), 0x10000);
    for (std::uint32_t i = 0; i < 0x10000; ++i) {
      const float want = storage == Storage::kF16 ? plain::from_f16(halves[i]) : plain::from_bf16(halves[i]);
      if (std::isnan(want)) {
        ASSERT_TRUE(std::isnan(out[i])) << i;
      } else {
        ASSERT_TRUE(plain::same_bits(&want, &out[i], 1)) << i;
      }
    }
  }
}

TEST_P(Convert, RoundsToTheNearestEvenHalf) {
  std::vector<float> x;
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {  // every f16 and bf16, the midpoints, and their neighbours
    const auto half = static_cast<std::uint16_t>(bits);
    const auto next = static_cast<std::uint16_t>(bits + 1);
    for (const auto& [low, high] : {std::pair{plain::from_f16(half), plain::from_f16(next)},
                                    std::pair{plain::from_bf16(half), plain::from_bf16(next)}}) {
      const float middle = low / 2 + high / 2;
      for (const float value : {low, middle, std::nextafter(middle, kInfinity), std::nextafter(middle, -kInfinity)}) {
        x.push_back(value);
      }
    }
  }
  for (std::uint64_t bits = 0; bits < 0x100000000u; bits += 1021) {  // and a sweep of all floats, NaNs included
    x.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  }
  std::vector<std::uint16_t> out(x.size());
  for (const Storage storage : {Storage::kF16, Storage::kBF16}) {
    table().from_f32[static_cast<int>(storage)](x.data(), out.data(), static_cast<std::int64_t>(x.size()));
    for (std::size_t i = 0; i < x.size(); ++i) {
      ASSERT_EQ(out[i], storage == Storage::kF16 ? plain::to_f16(x[i]) : plain::to_bf16(x[i])) << x[i];
    }
  }
}

TEST_P(Convert, WritesNoFurtherThanItsCount) {
  const std::vector<float> x = plain::normal(80, 3);
  for (const Storage storage : kStorages) {
    const plain::Stored stored = plain::store(storage, x);
    const std::size_t size = storage_size(storage);
    for (std::int64_t count = 0; count < 80; ++count) {
      std::vector<float> wide(81, 12345.0f);
      table().to_f32[static_cast<int>(storage)](stored.data(), wide.data(), count);
      ASSERT_TRUE(plain::same_bits(wide.data(), stored.values.data(), static_cast<std::size_t>(count)));
      ASSERT_EQ(wide[count], 12345.0f);
      std::vector<std::uint8_t> narrow(81 * 4, 0xee);
      table().from_f32[static_cast<int>(storage)](x.data(), narrow.data(), count);
      ASSERT_EQ(std::memcmp(narrow.data(), stored.data(), count * size), 0);
      ASSERT_EQ(narrow[count * size], 0xee);
    }
  }
}

TEST_P(Convert, GathersRowsByIdAndClampsIds) {
  const std::int64_t rows = 7, cols = 37;
  const std::vector<float> values = plain::normal(static_cast<std::size_t>(rows * cols), 3);
  const std::vector<std::int32_t> ids = {3, 0, 6, 7, -1, 2000000000, -2000000000, 3};
  const std::vector<std::int64_t> want = {3, 0, 6, 6, 0, 6, 0, 3};
  for (const Storage storage : kStorages) {
    const plain::Stored stored = plain::store(storage, values);
    std::vector<float> out(ids.size() * cols + 1, 12345.0f);
    table().gather_rows[static_cast<int>(storage)](stored.data(), ids.data(), out.data(),
                                                   static_cast<std::int64_t>(ids.size()), rows, cols);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      ASSERT_TRUE(plain::same_bits(out.data() + i * cols, stored.values.data() + want[i] * cols, cols)) << i;
    }
    ASSERT_EQ(out.back(), 12345.0f);
  }
}

GANGLION_FOR_EVERY_TABLE(Convert);

}  // namespace
}  // namespace ganglion::kernels
