// Kernels of the avx512, avx512_vnni and amx tables as a program without an operating system: run.py links this with
// the tables' own source files (tiles are a model's), loads it into an emulated CPU and calls entry(). Nothing here may
// call a library.
#include <cstddef>
#include <cstdint>

#include "kernels/amx/kernels.h"
#include "kernels/avx512/kernels.h"
#include "kernels/avx512_vnni/kernels.h"
#include "tests/tiles/tile_model.h"

namespace {

using namespace ganglion::kernels;

// One call of a kernel, as run.py writes it; addresses are the emulated CPU's.
struct Job {
  std::uint64_t kernel;   // 0: matmul, 1: exp, 2: log, 3: tanh, 4: erf, 5: to f16, 6: to bf16
  std::uint64_t table;    // matmul: 0: avx512, 1: avx512_vnni, 2: amx
  std::uint64_t storage;  // matmul: of the weight
  std::uint64_t x, panels, scales, bias, residual, out, scratch;
  std::int64_t scratch_size, rows, k, n, n_begin, n_end, x_stride, out_stride, group;  // elementwise: k elements
  std::uint64_t activation;
};

const float* floats(std::uint64_t address) { return reinterpret_cast<const float*>(address); }

struct Matmul {
  void (*run)(const MatmulArgs& args) noexcept;
  std::int64_t (*scratch)(Storage storage, std::int64_t rows, std::int64_t k) noexcept;
  std::int64_t (*prepared_bytes)(Storage storage, std::int64_t rows, std::int64_t k, std::int64_t group) noexcept;
  void (*prepare_rows)(Storage storage, const PrepareArgs& args) noexcept;
};
constexpr Matmul of_avx512(void (*run)(const MatmulArgs&) noexcept) {
  return {run, avx512::matmul_scratch, nothing_prepared, nullptr};
}
constexpr Matmul of_vnni(void (*run)(const MatmulArgs&) noexcept) {
  return {run, avx512_vnni::matmul_scratch, avx512_vnni::prepared_bytes, avx512_vnni::prepare_rows};
}
constexpr Matmul of_amx(void (*run)(const MatmulArgs&) noexcept) {
  return {run, amx::matmul_scratch, amx::prepared_bytes, amx::prepare_rows};
}
// By table and storage; what a table has from the one before is tested there.
constexpr Matmul kMatmuls[3][kWeightStorageCount] = {
    {of_avx512(avx512::matmul<Storage::kF32>), of_avx512(avx512::matmul<Storage::kF16>),
     of_avx512(avx512::matmul<Storage::kBF16>), of_avx512(avx512::matmul<Storage::kS8>),
     of_avx512(avx512::matmul<Storage::kS4>)},
    {{}, {}, {}, of_vnni(avx512_vnni::matmul<Storage::kS8>), of_vnni(avx512_vnni::matmul<Storage::kS4>)},
    {{},
     of_amx(amx::matmul<Storage::kF16>),
     of_amx(amx::matmul<Storage::kBF16>),
     of_amx(amx::matmul<Storage::kS8>),
     of_amx(amx::matmul<Storage::kS4>)}};

void run(const Job& job) {
  const float* x = floats(job.x);
  auto* out = reinterpret_cast<float*>(job.out);
  switch (job.kernel) {
    case 0: {
      const Matmul& matmul = kMatmuls[job.table][job.storage];
      const auto storage = static_cast<Storage>(job.storage);
      const std::int64_t scratch = (matmul.scratch(storage, job.rows, job.k) + 63) / 64 * 64;
      const std::int64_t prepared = matmul.prepared_bytes(storage, job.rows, job.k, job.group);
      if (scratch + prepared > job.scratch_size) __builtin_trap();
      auto* const memory = reinterpret_cast<char*>(job.scratch);
      if (prepared > 0) {
        matmul.prepare_rows(storage, {.x = x,
                                      .out = memory + scratch,
                                      .rows = job.rows,
                                      .k = job.k,
                                      .x_stride = job.x_stride,
                                      .group = job.group,
                                      .row_begin = 0,
                                      .row_end = job.rows});
      }
      return matmul.run({.x = x,
                         .panels = reinterpret_cast<const void*>(job.panels),
                         .scales = reinterpret_cast<const void*>(job.scales),
                         .bias = floats(job.bias),
                         .residual = floats(job.residual),
                         .out = out,
                         .rows = job.rows,
                         .k = job.k,
                         .n = job.n,
                         .n_begin = job.n_begin,
                         .n_end = job.n_end,
                         .x_stride = job.x_stride,
                         .out_stride = job.out_stride,
                         .group = job.group,
                         .prepared = memory + scratch,
                         .scratch = memory,
                         .activation = static_cast<Activation>(job.activation)});
    }
    case 1:
      return avx512::unary<Unary::kExp>(x, out, job.k);
    case 2:
      return avx512::unary<Unary::kLog>(x, out, job.k);
    case 3:
      return avx512::unary<Unary::kTanh>(x, out, job.k);
    case 4:
      return avx512::unary<Unary::kErf>(x, out, job.k);
    case 5:
      return avx512::from_f32<Storage::kF16>(x, out, job.k);
    case 6:
      return avx512::from_f32<Storage::kBF16>(x, out, job.k);
  }
}

constinit ganglion::tiles::TileModel registers;

}  // namespace

// As src/kernels/table.cc, which has more than a CPU without a system can run.
namespace ganglion::kernels {
std::int64_t nothing_prepared(Storage, std::int64_t, std::int64_t, std::int64_t) noexcept { return 0; }
}  // namespace ganglion::kernels

namespace ganglion::tiles {
TileModel& tiles() noexcept { return registers; }
// An exception of the emulated CPU, which names the address.
void illegal(const char*, const char*) noexcept { __builtin_trap(); }
}  // namespace ganglion::tiles

// The compiler may call these for any loop or copy it recognises.
extern "C" void* memset(void* to, int value, std::size_t size) {
  void* at = to;
  asm volatile("rep stosb" : "+D"(at), "+c"(size) : "a"(value) : "memory");
  return to;
}
extern "C" void* memcpy(void* to, const void* from, std::size_t size) {
  void* at = to;
  asm volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(size) : : "memory");
  return to;
}

extern "C" [[noreturn]] void entry(const Job* jobs, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) run(jobs[i]);
  for (;;) asm volatile("hlt");
}
