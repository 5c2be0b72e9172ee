// Rotary positions, for a vector type V.
#pragma once

#include <cstdint>

#include "kernels/table.h"

namespace ganglion::kernels {
namespace {

// Features p and p + pairs of one head.
template <class V>
void turn_halves(const float* x, const float* cosine, const float* sine, float* out, std::int64_t pairs) noexcept {
  for (std::int64_t p = 0; p < pairs; p += V::kLanes) {
    const std::int64_t count = pairs - p;
    const auto first = [count](const float* from) noexcept {
      return count >= V::kLanes ? V::load(from) : V::load_first(from, count);
    };
    const auto a = first(x + p);
    const auto b = first(x + pairs + p);
    const auto c = first(cosine + p);
    const auto s = first(sine + p);
    const auto low = V::fma(a, c, V::flip(V::mul(b, s), V::all(-0.0f)));
    const auto high = V::fma(b, c, V::mul(a, s));
    if (count >= V::kLanes) {
      V::store(out + p, low);
      V::store(out + pairs + p, high);
    } else {
      V::store_first(out + p, low, count);
      V::store_first(out + pairs + p, high, count);
    }
  }
}

// Features 2 p and 2 p + 1: x c + swapped(x) (-s, s), half as many pairs as lanes at a time.
template <class V>
void turn_neighbours(const float* x, const float* cosine, const float* sine, float* out, std::int64_t pairs) noexcept {
  constexpr std::int64_t kPairs = V::kLanes / 2;
  for (std::int64_t p = 0; p < pairs; p += kPairs) {
    const std::int64_t count = pairs - p < kPairs ? pairs - p : kPairs;
    const auto both = V::load_first(x + 2 * p, 2 * count);
    const auto c = V::twice(V::load_first(cosine + p, count));
    const auto s = V::flip(V::twice(V::load_first(sine + p, count)), V::even_signs());
    V::store_first(out + 2 * p, V::fma(both, c, V::mul(V::swap_neighbours(both), s)), 2 * count);
  }
}

template <class V>
void rotary(const RotaryArgs& args) noexcept {
  for (std::int64_t row = 0; row < args.rows; ++row) {
    const float* cosine = args.cosine + row * args.pairs;
    const float* sine = args.sine + row * args.pairs;
    for (std::int64_t head = 0; head < args.heads; ++head) {
      const std::int64_t at = (row * args.heads + head) * args.head_dim;
      if (args.neighbours) {
        turn_neighbours<V>(args.x + at, cosine, sine, args.out + at, args.pairs);
      } else {
        turn_halves<V>(args.x + at, cosine, sine, args.out + at, args.pairs);
      }
      for (std::int64_t i = 2 * args.pairs; i < args.head_dim; ++i) args.out[at + i] = args.x[at + i];
    }
  }
}

}  // namespace
}  // namespace ganglion::kernels
