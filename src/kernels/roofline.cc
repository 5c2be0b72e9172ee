#include "kernels/roofline.h"

#include <immintrin.h>

#include "kernels/amx/kernels.h"
#include "kernels/avx512_vnni/kernels.h"
#include "kernels/table.h"

namespace ganglion::kernels {
namespace {

#define TARGET_AVX2 __attribute__((target("avx2,fma")))
#define TARGET_AVX512 __attribute__((target("avx512f")))

constexpr std::size_t kAhead = 1024;  // bytes

TARGET_AVX2 std::uint64_t fold(__m256i a, __m256i b, __m256i c, __m256i d) noexcept {
  alignas(32) std::uint64_t lanes[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes),
                     _mm256_xor_si256(_mm256_xor_si256(a, b), _mm256_xor_si256(c, d)));
  return lanes[0] ^ lanes[1] ^ lanes[2] ^ lanes[3];
}

TARGET_AVX2 std::uint64_t read_avx2(ReadLoop loop, const char* memory, std::size_t bytes) noexcept {
  __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
  const auto load = [](const char* at) TARGET_AVX2 { return _mm256_load_si256(reinterpret_cast<const __m256i*>(at)); };
  if (loop == ReadLoop::kStreams) {
    const std::size_t part = bytes / 4 / 64 * 64;
    for (std::size_t i = 0; i < part; i += 64) {
      a = _mm256_xor_si256(a, _mm256_xor_si256(load(memory + i), load(memory + i + 32)));
      b = _mm256_xor_si256(b, _mm256_xor_si256(load(memory + part + i), load(memory + part + i + 32)));
      c = _mm256_xor_si256(c, _mm256_xor_si256(load(memory + 2 * part + i), load(memory + 2 * part + i + 32)));
      d = _mm256_xor_si256(d, _mm256_xor_si256(load(memory + 3 * part + i), load(memory + 3 * part + i + 32)));
    }
    return fold(a, b, c, d);
  }
  for (std::size_t i = 0; i + 128 <= bytes; i += 128) {
    if (loop == ReadLoop::kPrefetched) {
      _mm_prefetch(memory + i + kAhead, _MM_HINT_T0);
      _mm_prefetch(memory + i + kAhead + 64, _MM_HINT_T0);
    }
    a = _mm256_xor_si256(a, load(memory + i));
    b = _mm256_xor_si256(b, load(memory + i + 32));
    c = _mm256_xor_si256(c, load(memory + i + 64));
    d = _mm256_xor_si256(d, load(memory + i + 96));
  }
  return fold(a, b, c, d);
}

std::uint64_t read_scalar(ReadLoop loop, const char* memory, std::size_t bytes) noexcept {
  const auto* words = reinterpret_cast<const std::uint64_t*>(memory);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < bytes / 8; i += 8) {
    if (loop == ReadLoop::kPrefetched) __builtin_prefetch(memory + i * 8 + kAhead);
    for (std::size_t j = 0; j < 8; ++j) sum ^= words[i + j];
  }
  return sum;
}

bool has_avx2() noexcept { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool has_avx512() noexcept { return __builtin_cpu_supports("avx512f"); }

// Twelve independent chains hide the latency of a multiply-add on every core known; the values stay bounded.
TARGET_AVX512 double multiply_add_avx512(std::int64_t rounds) noexcept {
  __m512 s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, sa, sb;
  s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = s8 = s9 = sa = sb = _mm512_set1_ps(0.1f);
  // Twelve chains that the compiler must not take for one.
  asm volatile(""
               : "+v"(s0), "+v"(s1), "+v"(s2), "+v"(s3), "+v"(s4), "+v"(s5), "+v"(s6), "+v"(s7), "+v"(s8), "+v"(s9),
                 "+v"(sa), "+v"(sb));
  __m512 x = _mm512_set1_ps(0.5f), y = _mm512_set1_ps(0.25f);
  for (std::int64_t i = 0; i < rounds; ++i) {
    s0 = _mm512_fmadd_ps(s0, x, y), s1 = _mm512_fmadd_ps(s1, x, y), s2 = _mm512_fmadd_ps(s2, x, y),
    s3 = _mm512_fmadd_ps(s3, x, y);
    s4 = _mm512_fmadd_ps(s4, x, y), s5 = _mm512_fmadd_ps(s5, x, y), s6 = _mm512_fmadd_ps(s6, x, y),
    s7 = _mm512_fmadd_ps(s7, x, y);
    s8 = _mm512_fmadd_ps(s8, x, y), s9 = _mm512_fmadd_ps(s9, x, y), sa = _mm512_fmadd_ps(sa, x, y),
    sb = _mm512_fmadd_ps(sb, x, y);
    asm volatile("" : "+v"(x), "+v"(y));
  }
  asm volatile(""
               :
               : "v"(s0), "v"(s1), "v"(s2), "v"(s3), "v"(s4), "v"(s5), "v"(s6), "v"(s7), "v"(s8), "v"(s9), "v"(sa),
                 "v"(sb));
  return 2.0 * 16 * 12 * static_cast<double>(rounds);
}

TARGET_AVX2 double multiply_add_avx2(std::int64_t rounds) noexcept {
  __m256 s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, sa, sb;
  s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = s8 = s9 = sa = sb = _mm256_set1_ps(0.1f);
  asm volatile(""
               : "+x"(s0), "+x"(s1), "+x"(s2), "+x"(s3), "+x"(s4), "+x"(s5), "+x"(s6), "+x"(s7), "+x"(s8), "+x"(s9),
                 "+x"(sa), "+x"(sb));
  __m256 x = _mm256_set1_ps(0.5f), y = _mm256_set1_ps(0.25f);
  for (std::int64_t i = 0; i < rounds; ++i) {
    s0 = _mm256_fmadd_ps(s0, x, y), s1 = _mm256_fmadd_ps(s1, x, y), s2 = _mm256_fmadd_ps(s2, x, y),
    s3 = _mm256_fmadd_ps(s3, x, y);
    s4 = _mm256_fmadd_ps(s4, x, y), s5 = _mm256_fmadd_ps(s5, x, y), s6 = _mm256_fmadd_ps(s6, x, y),
    s7 = _mm256_fmadd_ps(s7, x, y);
    s8 = _mm256_fmadd_ps(s8, x, y), s9 = _mm256_fmadd_ps(s9, x, y), sa = _mm256_fmadd_ps(sa, x, y),
    sb = _mm256_fmadd_ps(sb, x, y);
    asm volatile("" : "+x"(x), "+x"(y));
  }
  asm volatile(""
               :
               : "x"(s0), "x"(s1), "x"(s2), "x"(s3), "x"(s4), "x"(s5), "x"(s6), "x"(s7), "x"(s8), "x"(s9), "x"(sa),
                 "x"(sb));
  return 2.0 * 8 * 12 * static_cast<double>(rounds);
}

double multiply_add_scalar(std::int64_t rounds) noexcept {
  float s[8] = {0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.6f, 0.7f, 0.8f};
  float x = 0.5f, y = 0.25f;
  for (std::int64_t i = 0; i < rounds; ++i) {
    for (float& value : s) value = value * x + y;
    asm volatile("" : "+x"(x), "+x"(y));
  }
  for (float& value : s) asm volatile("" : : "x"(value));
  return 2.0 * 8 * static_cast<double>(rounds);
}

}  // namespace

const char* read_loop_name(ReadLoop loop) noexcept {
  switch (loop) {
    case ReadLoop::kPlain:
      return "plain";
    case ReadLoop::kPrefetched:
      return "prefetched 1 KiB ahead";
    default:
      return "4 streams";
  }
}

std::uint64_t read_memory(ReadLoop loop, const void* memory, std::size_t bytes) noexcept {
  const auto* from = static_cast<const char*>(memory);
  return has_avx2() ? read_avx2(loop, from, bytes) : read_scalar(loop, from, bytes);
}

double multiply_add(std::int64_t rounds) noexcept {
  if (has_avx512()) return multiply_add_avx512(rounds);
  return has_avx2() ? multiply_add_avx2(rounds) : multiply_add_scalar(rounds);
}

bool has_tiles() noexcept { return find_table("amx") != nullptr; }

double tile_multiply_add(std::int64_t rounds) noexcept { return amx::multiply_tiles(rounds); }
double tile_multiply_add_whole(std::int64_t rounds) noexcept { return amx::multiply_whole_tiles(rounds); }

bool has_whole_products() noexcept { return find_table("avx512_vnni") != nullptr; }
double multiply_add_whole(std::int64_t rounds) noexcept { return avx512_vnni::multiply_whole(rounds); }

const char* multiply_add_isa() noexcept { return has_avx512() ? "avx512" : has_avx2() ? "avx2" : "scalar"; }

}  // namespace ganglion::kernels
