// The matmul of amx/matmul.h for so few rows that reading the weights is what takes the time: by multiply-adds of
// AVX-512, straight from the panels, with the bits that tiles give.
//
// A tile instruction sums the products of even and of odd k of its step apart, each in order and rounded once a
// product, and then adds both to the element together; subnormal numbers are zeros to it (TDPBF16PS in the Software
// Developer's Manual, volume 2). Products of two bf16 numbers in f32 multiply-adds are the same operation.
#pragma once

#include "kernels/amx/pair_panels.h"
#include "kernels/avx512/matmul.h"
#include "kernels/avx512/vec.h"

namespace ganglion::kernels {
namespace {

// Subnormal numbers are zeros while this lives. What is computed meanwhile from memory to memory stays in between: the
// compiler does not know that arithmetic depends on the register.
class FlushSubnormals {
 public:
  FlushSubnormals() noexcept : before_(_mm_getcsr()) { set(before_ | kFlushToZero | kDenormalsAreZero); }
  ~FlushSubnormals() { set(before_); }
  FlushSubnormals(const FlushSubnormals&) = delete;

 private:
  static constexpr unsigned kFlushToZero = 0x8000, kDenormalsAreZero = 0x40;
  static void set(unsigned value) noexcept {
    asm volatile("" ::: "memory");
    _mm_setcsr(value);
    asm volatile("" ::: "memory");
  }
  unsigned before_;
};

template <Storage S>
struct FewRows {
  static constexpr std::int64_t kParts = S == Storage::kF16 ? 2 : 1;
  static constexpr std::int64_t kMost = S == Storage::kF16 ? 1 : 2;
  static constexpr std::int64_t kWidth = 32, kStep = 32;
  static constexpr std::int64_t kAhead = 1024;

  // Of x, which goes on with zeros to a whole step, as panels of bf16 do. Two steps of k of a panel are a line of
  // kPairLine bytes in either storage.
  static std::int64_t filled(std::int64_t k) noexcept { return (k + kStep - 1) / kStep * kStep; }
  static std::int64_t panel_bytes(std::int64_t k) noexcept {
    return S == Storage::kBF16 ? pair_panel_bytes(k) : k * kWidth * 2;
  }

  // x as what it is multiplied as, in f32: [row][part][filled k].
  static void split_x(const MatmulArgs& args, float* parts) noexcept {
    const std::int64_t stride = filled(args.k);
    for (std::int64_t row = 0; row < args.rows; ++row) {
      const float* x = args.x + row * args.x_stride;
      float* high = parts + row * kParts * stride;
      for (std::int64_t i = 0; i < stride; i += Vec::kLanes) {
        const __m512 value = Vec::load_first(x + i, args.k - i);
        const __m512 top = Vec::from_bf16((__m256i)_mm512_cvtneps_pbh(value));
        Vec::store(high + i, top);
        if constexpr (kParts == 2)
          Vec::store(high + stride + i, Vec::from_bf16((__m256i)_mm512_cvtneps_pbh(_mm512_sub_ps(value, top))));
      }
    }
  }

  // The weights of an even k of 32 columns, and of the k after it.
  static void load_pair(const char* at, bool both, __m512 (&even)[2], __m512 (&odd)[2]) noexcept {
    if constexpr (S == Storage::kBF16) {
      const __m512i top_bits = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
#pragma GCC unroll 2
      for (int half = 0; half < 2; ++half) {
        const __m512i pairs = _mm512_loadu_si512(at + 64 * half);
        even[half] = _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
        odd[half] = _mm512_castsi512_ps(_mm512_and_si512(pairs, top_bits));
      }
    } else {
      const auto* weights = reinterpret_cast<const std::uint16_t*>(at);
#pragma GCC unroll 2
      for (int half = 0; half < 2; ++half) {
        even[half] = Elements<Vec, S>::load(weights + 16 * half);
        if (both) odd[half] = Elements<Vec, S>::load(weights + kWidth + 16 * half);
      }
    }
  }

  // The pairs of sums of one tile instruction, of one row.
  struct Sums {
    __m512 even[2], odd[2];
  };
  static void start(Sums& sums) noexcept { sums.even[0] = sums.even[1] = sums.odd[0] = sums.odd[1] = Vec::zero(); }
  static void join(const Sums& sums, __m512 (&out)[2]) noexcept {
    out[0] = Vec::add(out[0], Vec::add(sums.even[0], sums.odd[0]));
    out[1] = Vec::add(out[1], Vec::add(sums.even[1], sums.odd[1]));
  }

  // What is summed for one row of one panel.
  struct Row {
    __m512 out[2];
    Sums high, low_x, low_w;
    void start_step() noexcept {
      start(high);
      if constexpr (kParts == 2) {
        start(low_x);
        start(low_w);
      }
    }
    void end_step() noexcept {
      if constexpr (kParts == 2) join(low_x, out);
      join(high, out);
      if constexpr (kParts == 2) join(low_w, out);
    }
  };

  // One k of two vectors of weights, times x and its low part.
  template <bool odd>
  static void add(const __m512 (&w)[2], const float* x, std::int64_t k, Row& row) noexcept {
    const __m512 top_bits = _mm512_castsi512_ps(_mm512_set1_epi32(static_cast<int>(0xffff0000u)));
    const __m512 value = Vec::all_of(x);
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const __m512 top = kParts == 2 ? _mm512_and_ps(w[half], top_bits) : w[half];
      __m512& sum = odd ? row.high.odd[half] : row.high.even[half];
      sum = Vec::fma(value, top, sum);
      if constexpr (kParts == 2) {
        __m512& of_x = odd ? row.low_x.odd[half] : row.low_x.even[half];
        __m512& of_w = odd ? row.low_w.odd[half] : row.low_w.even[half];
        of_x = Vec::fma(Vec::all_of(x + k), top, of_x);
        of_w = Vec::fma(value, _mm512_sub_ps(w[half], top), of_w);
      }
    }
  }

  // The sums of kBeside panels from column n on, [panel][row][32]: two streams from memory are read faster than one.
  template <std::int64_t rows, std::int64_t kBeside>
  static void sum_panels(const MatmulArgs& args, const float* x, std::int64_t n, float* out) noexcept {
    const FlushSubnormals flush;
    const std::int64_t to_next = panel_bytes(args.k), stride = filled(args.k);
    const char* from = static_cast<const char*>(args.panels) + n / kWidth * to_next;
    Row sums[kBeside][rows];
#pragma GCC unroll 2
    for (std::int64_t p = 0; p < kBeside; ++p) {
#pragma GCC unroll 2
      for (std::int64_t r = 0; r < rows; ++r) sums[p][r].out[0] = sums[p][r].out[1] = Vec::zero();
    }
    // Two steps of k, or the last one.
    const auto add_pair = [&](std::int64_t k, bool both) {
#pragma GCC unroll 2
      for (std::int64_t p = 0; p < kBeside; ++p) {
        const char* at = from + p * to_next + k / 2 * kPairLine;
        __builtin_prefetch(at + kAhead);
        __builtin_prefetch(at + kAhead + 64);
        __m512 even[2], odd[2];
        load_pair(at, both, even, odd);
#pragma GCC unroll 2
        for (std::int64_t r = 0; r < rows; ++r) add<false>(even, x + r * kParts * stride + k, stride, sums[p][r]);
        if (!both) continue;
#pragma GCC unroll 2
        for (std::int64_t r = 0; r < rows; ++r) add<true>(odd, x + r * kParts * stride + k + 1, stride, sums[p][r]);
      }
    };
    for (std::int64_t begin = 0; begin < args.k; begin += kStep) {
      const std::int64_t end = begin + kStep < args.k ? begin + kStep : args.k;
#pragma GCC unroll 2
      for (std::int64_t p = 0; p < kBeside; ++p) {
#pragma GCC unroll 2
        for (std::int64_t r = 0; r < rows; ++r) sums[p][r].start_step();
      }
      std::int64_t k = begin;
      for (; k + 1 < end; k += 2) add_pair(k, true);
      if (k < end) add_pair(k, false);
#pragma GCC unroll 2
      for (std::int64_t p = 0; p < kBeside; ++p) {
#pragma GCC unroll 2
        for (std::int64_t r = 0; r < rows; ++r) sums[p][r].end_step();
      }
    }
#pragma GCC unroll 2
    for (std::int64_t p = 0; p < kBeside; ++p) {
#pragma GCC unroll 2
      for (std::int64_t r = 0; r < rows; ++r) {
        Vec::store(out + (p * rows + r) * kWidth, sums[p][r].out[0]);
        Vec::store(out + (p * rows + r) * kWidth + Vec::kLanes, sums[p][r].out[1]);
      }
    }
  }

  // Bias, activation and residual know subnormal numbers, as they do after tiles.
  template <std::int64_t rows, std::int64_t kBeside>
  static void panels(const MatmulArgs& args, const float* x, std::int64_t n) noexcept {
    alignas(64) float sums[kBeside * rows * kWidth];
    sum_panels<rows, kBeside>(args, x, n, sums);
    for (std::int64_t p = 0; p < kBeside; ++p)
      Avx512Matmul<S>::finish_all(args, 0, rows, n + p * kWidth, sums + p * rows * kWidth);
  }

  template <std::int64_t rows = kMost>
  static void all(const MatmulArgs& args, const float* x) noexcept {
    if constexpr (rows > 1) {
      if (args.rows < rows) return all<rows - 1>(args, x);
    }
    // As many as the registers hold the sums of: 4 a row of a panel, 12 in f16.
    constexpr std::int64_t kBeside = kParts * rows <= 2 ? 2 : 1;
    std::int64_t n = args.n_begin;
    for (; n + kBeside * kWidth <= args.n_end; n += kBeside * kWidth) panels<rows, kBeside>(args, x, n);
    for (; n < args.n_end; n += kWidth) panels<rows, 1>(args, x, n);
  }

  static void run(const MatmulArgs& args) noexcept {
    auto* x = static_cast<float*>(args.scratch);
    split_x(args, x);
    all(args, x);
  }
};

}  // namespace
}  // namespace ganglion::kernels
