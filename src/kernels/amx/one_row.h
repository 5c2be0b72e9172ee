// The matmul of amx/matmul.h for one row in f16, where reading the weights is what takes the time and splitting them for
// tiles would take longer: by multiply-adds of AVX-512, straight from the panels, with the bits that tiles give.
//
// A tile instruction sums the products of even and of odd k of its step apart, each in order and rounded once a
// product, and then adds both to the element together; subnormal numbers are zeros to it (TDPBF16PS in the Software
// Developer's Manual, volume 2). Products of two bf16 numbers in f32 multiply-adds are the same operation.
#pragma once

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

struct OneRow {
  static constexpr std::int64_t kWidth = 32, kStep = 32, kRowBytes = 64;
  static constexpr std::int64_t kAhead = 1024;
  using F16 = Elements<Vec, Storage::kF16>;

  // x as what it is multiplied as, in f32: high parts [k], low parts [k].
  static void split_x(const MatmulArgs& args, float* high) noexcept {
    for (std::int64_t i = 0; i < args.k; i += Vec::kLanes) {
      const std::int64_t count = args.k - i;
      const __m512 value = Vec::load_first(args.x + i, count);
      const __m512 top = Vec::from_bf16((__m256i)_mm512_cvtneps_pbh(value));
      const __m512 left = _mm512_sub_ps(value, top);
      Vec::store_first(high + i, top, count);
      Vec::store_first(high + args.k + i, Vec::from_bf16((__m256i)_mm512_cvtneps_pbh(left)), count);
    }
  }

  // The pairs of sums of one tile instruction.
  struct Sums {
    __m512 even[2], odd[2];
    void start() noexcept { even[0] = even[1] = odd[0] = odd[1] = Vec::zero(); }
    void join(__m512 (&out)[2]) const noexcept {
      out[0] = Vec::add(out[0], Vec::add(even[0], odd[0]));
      out[1] = Vec::add(out[1], Vec::add(even[1], odd[1]));
    }
  };

  // What is summed for one panel.
  struct Panel {
    __m512 out[2];
    Sums high, low_x, low_w;
    void start_step() noexcept {
      high.start();
      low_x.start();
      low_w.start();
    }
    void end_step() noexcept {
      low_x.join(out);
      high.join(out);
      low_w.join(out);
    }
  };

  // One k of two vectors of weights, times x and its low part.
  template <bool odd>
  static void add(const __m512 (&w)[2], const float* x, std::int64_t k, Panel& panel) noexcept {
    const __m512 top_bits = _mm512_castsi512_ps(_mm512_set1_epi32(static_cast<int>(0xffff0000u)));
    const __m512 value = Vec::all_of(x);
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const __m512 top = _mm512_and_ps(w[half], top_bits);
      __m512& sum = odd ? panel.high.odd[half] : panel.high.even[half];
      __m512& of_x = odd ? panel.low_x.odd[half] : panel.low_x.even[half];
      __m512& of_w = odd ? panel.low_w.odd[half] : panel.low_w.even[half];
      sum = Vec::fma(value, top, sum);
      of_x = Vec::fma(Vec::all_of(x + k), top, of_x);
      of_w = Vec::fma(value, _mm512_sub_ps(w[half], top), of_w);
    }
  }

  // The sums of kBeside panels from column n on, [panel][32]: two streams from memory are read faster than one.
  template <std::int64_t kBeside>
  static void sum_panels(const MatmulArgs& args, const float* x, std::int64_t n, float* out) noexcept {
    const FlushSubnormals flush;
    const char* from = static_cast<const char*>(args.panels) + n * args.k * 2;
    const std::int64_t panel_bytes = args.k * kRowBytes;
    Panel sums[kBeside];
#pragma GCC unroll 2
    for (std::int64_t p = 0; p < kBeside; ++p) sums[p].out[0] = sums[p].out[1] = Vec::zero();
    const auto add_all = [&]<bool odd>(std::int64_t k) {
#pragma GCC unroll 2
      for (std::int64_t p = 0; p < kBeside; ++p) {
        const char* at = from + p * panel_bytes + k * kRowBytes;
        __builtin_prefetch(at + kAhead);
        const auto* weights = reinterpret_cast<const std::uint16_t*>(at);
        const __m512 w[2] = {F16::load(weights), F16::load(weights + 16)};
        add<odd>(w, x + k, args.k, sums[p]);
      }
    };
    for (std::int64_t begin = 0; begin < args.k; begin += kStep) {
      const std::int64_t end = begin + kStep < args.k ? begin + kStep : args.k;
#pragma GCC unroll 2
      for (std::int64_t p = 0; p < kBeside; ++p) sums[p].start_step();
      std::int64_t k = begin;
      for (; k + 1 < end; k += 2) {
        add_all.template operator()<false>(k);
        add_all.template operator()<true>(k + 1);
      }
      if (k < end) add_all.template operator()<false>(k);
#pragma GCC unroll 2
      for (std::int64_t p = 0; p < kBeside; ++p) sums[p].end_step();
    }
#pragma GCC unroll 2
    for (std::int64_t p = 0; p < kBeside; ++p) {
      Vec::store(out + p * kWidth, sums[p].out[0]);
      Vec::store(out + p * kWidth + Vec::kLanes, sums[p].out[1]);
    }
  }

  // Bias, activation and residual know subnormal numbers, as they do after tiles.
  template <std::int64_t kBeside>
  static void panels(const MatmulArgs& args, const float* x, std::int64_t n) noexcept {
    alignas(64) float sums[kBeside * kWidth];
    sum_panels<kBeside>(args, x, n, sums);
    for (std::int64_t p = 0; p < kBeside; ++p)
      Avx512Matmul<Storage::kF16>::finish_all(args, 0, 1, n + p * kWidth, sums + p * kWidth);
  }

  static void run(const MatmulArgs& args) noexcept {
    auto* x = static_cast<float*>(args.scratch);
    split_x(args, x);
    std::int64_t n = args.n_begin;
    for (; n + kWidth < args.n_end; n += 2 * kWidth) panels<2>(args, x, n);
    for (; n < args.n_end; n += kWidth) panels<1>(args, x, n);
  }
};

}  // namespace
}  // namespace ganglion::kernels
