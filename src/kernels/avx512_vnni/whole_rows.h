// Rows of x as whole numbers, for products with weights that are: x = scale * q with |q| <= 127 * 128, the row's
// largest magnitude being scale * 127 * 128, and q = 128 h + l with h and l in eight bits. So x keeps 15 bits where
// eight would do for the weights alone: rows whose largest value is fifty times the others keep nine for these.
//
// A row whose values are not all finite has the scale NaN; one of hardly normal numbers is zeros.
#pragma once

#include <cstring>

#include "kernels/avx512/vec.h"
#include "kernels/avx512_vnni/panels.h"

namespace ganglion::kernels {
namespace {

class WholeRows {
 public:
  static constexpr float kMost = 127.0f * 128.0f;

  // Bytes of memory for `rows` rows of k steps, with a sum for every `block` of them.
  static std::int64_t bytes(std::int64_t rows, std::int64_t k, std::int64_t block) noexcept {
    return rows * (stride_of(k) + line_of((k + block - 1) / block * 4 + 4));
  }

  // Rows are turned into `memory`, on a cache line.
  WholeRows(void* memory, std::int64_t rows, std::int64_t k, std::int64_t block) noexcept
      : numbers_(static_cast<std::int8_t*>(memory)),
        k_(k),
        block_(block),
        filled_(filled_steps(k)),
        stride_(stride_of(k)),
        sums_stride_(line_of((k + block - 1) / block * 4 + 4)),
        sums_(static_cast<char*>(memory) + rows * stride_) {}

  // The rows from `row` on.
  WholeRows after(std::int64_t row) const noexcept {
    WholeRows out = *this;
    out.numbers_ += row * stride_;
    out.sums_ += row * sums_stride_;
    return out;
  }

  std::int64_t block() const noexcept { return block_; }
  std::int64_t filled() const noexcept { return filled_; }
  std::int64_t stride() const noexcept { return stride_; }  // bytes from a row to the next
  const std::int8_t* high(std::int64_t row) const noexcept { return numbers_ + row * stride_; }
  const std::int8_t* low(std::int64_t row) const noexcept { return high(row) + filled_; }
  float scale(std::int64_t row) const noexcept { return *scale_at(row); }
  // What the zero points of the weights add to the products of a block: zero point * sum of q.
  const std::int32_t* zero_sums(std::int64_t row) const noexcept {
    return reinterpret_cast<const std::int32_t*>(sums_ + row * sums_stride_) + 1;
  }

  void turn(const float* x, std::int64_t row, std::int32_t zero_point) noexcept {
    const float most = largest(x);
    const bool finite = most <= kLargestFinite, something = most >= kLeast;
    *scale_at(row) = finite ? (something ? most / kMost : 0.0f) : __builtin_nanf("");
    const __m512 factor = Vec::all(finite && something ? kMost / most : 0.0f);
    auto* high = numbers_ + row * stride_;
    auto* low = high + filled_;
    auto* sums = reinterpret_cast<std::int32_t*>(sums_ + row * sums_stride_) + 1;
    for (std::int64_t begin = 0, end; begin < k_; begin = end) {
      end = begin + block_ < k_ ? begin + block_ : k_;
      __m512i sum = _mm512_setzero_si512();
      for (std::int64_t i = begin; i < end; i += 16) {
        const std::int64_t count = end - i < 16 ? end - i : 16;
        const __mmask16 there = Vec::first(count);
        // Lanes that are not finite would become the most negative number; the row's factor is then zero, so mask them.
        const __m512 value = finite ? Vec::load_first(x + i, count) : Vec::zero();
        const __m512i q = _mm512_cvtps_epi32(_mm512_mul_ps(value, factor));
        sum = _mm512_add_epi32(sum, q);
        const __m512i half = _mm512_set1_epi32(64);
        const __m512i upper = _mm512_srai_epi32(_mm512_add_epi32(q, half), 7);
        const __m512i lower = _mm512_sub_epi32(q, _mm512_slli_epi32(upper, 7));
        _mm512_mask_cvtepi32_storeu_epi8(high + i, there, upper);
        _mm512_mask_cvtepi32_storeu_epi8(low + i, there, lower);
      }
      *sums++ = zero_point * _mm512_reduce_add_epi32(sum);
    }
    const auto left = static_cast<std::size_t>(filled_ - k_);
    std::memset(high + k_, 0, left);
    std::memset(low + k_, 0, left);
  }

 private:
  static constexpr float kLargestFinite = 3.4028234e38f;
  static constexpr float kLeast = 1e-33f;  // below which 1 / scale overflows

  static std::int64_t line_of(std::int64_t bytes) noexcept { return (bytes + 63) / 64 * 64; }
  // A line more than the numbers: rows a multiple of 4 KiB apart would share their places in the first cache.
  static std::int64_t stride_of(std::int64_t k) noexcept { return 2 * filled_steps(k) + 64; }
  float* scale_at(std::int64_t row) const noexcept { return reinterpret_cast<float*>(sums_ + row * sums_stride_); }

  // The largest magnitude; more than kLargestFinite, or NaN, when a value is not finite.
  float largest(const float* x) const noexcept {
    __m512i most = _mm512_setzero_si512();
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    for (std::int64_t i = 0; i < k_; i += 16) {
      const __m512i bits = _mm512_castps_si512(Vec::load_first(x + i, k_ - i));
      most = _mm512_max_epu32(most, _mm512_and_si512(bits, magnitude));
    }
    return __builtin_bit_cast(float, _mm512_reduce_max_epu32(most));
  }

  std::int8_t* numbers_;
  std::int64_t k_, block_, filled_, stride_, sums_stride_;
  char* sums_;
};

}  // namespace
}  // namespace ganglion::kernels
