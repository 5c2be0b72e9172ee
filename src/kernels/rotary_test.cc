#include "kernels/plain.h"

namespace ganglion::kernels {
namespace {

struct Shape {
  std::int64_t rows, heads, head_dim, pairs;
};
// Whole and partial heads; pairs that fill vectors and that do not.
constexpr Shape kShapes[] = {{1, 1, 2, 1},    {3, 2, 16, 4},   {2, 3, 80, 16}, {4, 2, 64, 32},
                             {2, 1, 128, 64}, {3, 2, 256, 32}, {2, 2, 37, 18}, {2, 4, 96, 48}};

std::size_t size(std::int64_t elements) { return static_cast<std::size_t>(elements); }

class Rotary : public plain::EveryTable {
 protected:
  // Cosines and sines of no angle in particular: the kernel turns by what it is given.
  void prepare(const Shape& shape) {
    x_ = plain::normal(size(shape.rows * shape.heads * shape.head_dim), 1);
    cosine_ = plain::normal(size(shape.rows * shape.pairs), 2);
    sine_ = plain::normal(size(shape.rows * shape.pairs), 3);
    out_.assign(x_.size() + 1, 12345.0f);
  }
  RotaryArgs args(const Shape& shape, bool neighbours) {
    return {.x = x_.data(),
            .cosine = cosine_.data(),
            .sine = sine_.data(),
            .out = out_.data(),
            .rows = shape.rows,
            .heads = shape.heads,
            .head_dim = shape.head_dim,
            .pairs = shape.pairs,
            .neighbours = neighbours};
  }
  std::vector<float> x_, cosine_, sine_, out_;
};

TEST_P(Rotary, AgreesWithDoublePrecision) {
  for (const Shape& shape : kShapes) {
    for (const bool neighbours : {false, true}) {
      prepare(shape);
      table().rotary(args(shape, neighbours));
      ASSERT_EQ(out_.back(), 12345.0f);
      for (std::int64_t head = 0; head < shape.rows * shape.heads; ++head) {
        const std::int64_t row = head / shape.heads, at = head * shape.head_dim;
        for (std::int64_t p = 0; p < shape.pairs; ++p) {
          const std::size_t i = size(at + (neighbours ? 2 * p : p));
          const std::size_t j = size(at + (neighbours ? 2 * p + 1 : p + shape.pairs));
          const double c = cosine_[size(row * shape.pairs + p)], s = sine_[size(row * shape.pairs + p)];
          const double a = x_[i], b = x_[j];
          // Two products and a sum: each rounds 2^-24 of at most the sum of magnitudes.
          ASSERT_NEAR(out_[i], a * c - b * s, 2 * 0x1p-24 * (std::fabs(a * c) + std::fabs(b * s)));
          ASSERT_NEAR(out_[j], b * c + a * s, 2 * 0x1p-24 * (std::fabs(b * c) + std::fabs(a * s)));
        }
        for (std::int64_t i = at + 2 * shape.pairs; i < at + shape.head_dim; ++i) ASSERT_EQ(out_[size(i)], x_[size(i)]);
      }
    }
  }
}

TEST_P(Rotary, MayWriteOverItsInput) {
  for (const Shape& shape : kShapes) {
    for (const bool neighbours : {false, true}) {
      prepare(shape);
      RotaryArgs apart = args(shape, neighbours);
      table().rotary(apart);
      std::vector<float> in_place = x_;
      apart.x = apart.out = in_place.data();
      table().rotary(apart);
      ASSERT_TRUE(plain::same_bits(in_place.data(), out_.data(), x_.size()));
    }
  }
}

TEST_P(Rotary, GivesARowTheSameBitsAmongOthers) {
  for (const Shape& shape : kShapes) {
    for (const bool neighbours : {false, true}) {
      prepare(shape);
      const RotaryArgs together = args(shape, neighbours);
      table().rotary(together);
      const std::int64_t cols = shape.heads * shape.head_dim;
      std::vector<float> alone(size(cols));
      for (std::int64_t row = 0; row < shape.rows; ++row) {
        RotaryArgs one = together;
        one.x += row * cols;
        one.cosine += row * shape.pairs;
        one.sine += row * shape.pairs;
        one.out = alone.data();
        one.rows = 1;
        table().rotary(one);
        ASSERT_TRUE(plain::same_bits(alone.data(), out_.data() + row * cols, size(cols)));
      }
    }
  }
}

GANGLION_FOR_EVERY_TABLE(Rotary);

}  // namespace
}  // namespace ganglion::kernels
