// Norms and softmax of contiguous rows, for a vector type V.
#pragma once

#include <cstdint>

#include "kernels/vector/math.h"

namespace ganglion::kernels {
namespace {

// The sum of function(i, count) over the columns, a vector at a time, the last one possibly short.
template <class V, class Function>
void for_columns(std::int64_t cols, Function function) noexcept {
  std::int64_t i = 0;
  for (; i + V::kLanes <= cols; i += V::kLanes) function(i, V::kLanes);
  if (i < cols) function(i, cols - i);
}

// Two passes, sums in double. The mean is kept in two floats, so that a row far from zero loses nothing.
template <class V>
void layer_norm(const LayerNormArgs& args) noexcept {
  const std::int64_t cols = args.cols;
  for (std::int64_t row = 0; row < args.rows; ++row) {
    const float* x = args.x + row * cols;
    float* out = args.out + row * cols;

    typename V::Doubles sums = V::no_doubles();
    for_columns<V>(cols, [&](std::int64_t i, std::int64_t count) noexcept {
      sums = V::add_doubles(sums, V::load_first(x + i, count));
    });
    const double mean = V::reduce_doubles(sums) / static_cast<double>(cols);
    const auto high = static_cast<float>(mean);
    const auto low = static_cast<float>(mean - static_cast<double>(high));
    const auto centred = [=](std::int64_t i, std::int64_t count) noexcept {
      return V::sub(V::sub(V::load_first(x + i, count), V::all(high)), V::all(low));
    };

    typename V::Doubles squares = V::no_doubles();
    for_columns<V>(cols, [&](std::int64_t i, std::int64_t count) noexcept {
      squares = V::add_squares(squares, V::select(V::first(count), centred(i, count), V::zero()));
    });
    const double variance = V::reduce_doubles(squares) / static_cast<double>(cols);
    const auto scale = V::all(static_cast<float>(1.0 / V::root(variance + static_cast<double>(args.epsilon))));
    for_columns<V>(cols, [&](std::int64_t i, std::int64_t count) noexcept {
      const auto normed = V::mul(centred(i, count), scale);
      V::store_first(out + i,
                     V::fma(normed, V::load_first(args.weight + i, count), V::load_first(args.bias + i, count)), count);
    });
  }
}

// The sum of squares in double, so that neither a long row nor a large element loses anything.
template <class V>
void rms_norm(const RmsNormArgs& args) noexcept {
  const std::int64_t cols = args.cols;
  for (std::int64_t row = 0; row < args.rows; ++row) {
    const float* x = args.x + row * cols;
    float* out = args.out + row * cols;
    typename V::Doubles squares = V::no_doubles();
    for_columns<V>(cols, [&](std::int64_t i, std::int64_t count) noexcept {
      squares = V::add_squares(squares, V::load_first(x + i, count));
    });
    const double mean = V::reduce_doubles(squares) / static_cast<double>(cols);
    const auto scale = V::all(static_cast<float>(1.0 / V::root(mean + static_cast<double>(args.epsilon))));
    for_columns<V>(cols, [&](std::int64_t i, std::int64_t count) noexcept {
      const auto normed = V::mul(V::load_first(x + i, count), scale);
      V::store_first(out + i, V::mul(normed, V::load_first(args.weight + i, count)), count);
    });
  }
}

template <class V>
void softmax(const float* x, float* out, std::int64_t rows, std::int64_t cols) noexcept {
  const auto lowest = V::all(-__builtin_inff());
  for (std::int64_t row = 0; row < rows; ++row, x += cols, out += cols) {
    auto tops = lowest;  // a NaN in x may be dropped here; it still makes the sum NaN
    for_columns<V>(cols, [&](std::int64_t i, std::int64_t count) noexcept {
      tops = V::max(V::select(V::first(count), V::load_first(x + i, count), lowest), tops);
    });
    const auto top = V::all(V::reduce_max(tops));
    auto sums = V::zero();
    for_columns<V>(cols, [&](std::int64_t i, std::int64_t count) noexcept {
      const auto power = Math<V>::exp(V::sub(V::load_first(x + i, count), top));
      V::store_first(out + i, power, count);
      sums = V::add(sums, V::select(V::first(count), power, V::zero()));
    });
    const auto total = V::all(V::reduce_add(sums));
    for_columns<V>(cols, [&](std::int64_t i, std::int64_t count) noexcept {
      V::store_first(out + i, V::div(V::load_first(out + i, count), total), count);
    });
  }
}

}  // namespace
}  // namespace ganglion::kernels
