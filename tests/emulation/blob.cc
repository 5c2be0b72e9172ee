// The AVX-512 kernels as a program without an operating system: run.py links this with the table's own source files,
// loads it into an emulated CPU and calls entry(). Nothing here may call a library.
#include <cstddef>
#include <cstdint>

#include "kernels/avx512/kernels.h"

namespace {

using namespace ganglion::kernels;

// One call of a kernel, as run.py writes it; addresses are the emulated CPU's.
struct Job {
  std::uint64_t kernel;   // 0: matmul, 1: exp, 2: log, 3: tanh, 4: erf, 5: to f16, 6: to bf16
  std::uint64_t storage;  // matmul: of the weight
  std::uint64_t x, panels, bias, residual, out, scratch;
  std::int64_t rows, k, n, n_begin, n_end, x_stride, out_stride;  // elementwise: k elements
  std::uint64_t activation;
};

const float* floats(std::uint64_t address) { return reinterpret_cast<const float*>(address); }

void run(const Job& job) {
  const float* x = floats(job.x);
  auto* out = reinterpret_cast<float*>(job.out);
  switch (job.kernel) {
    case 0: {
      const MatmulArgs args{.x = x,
                            .panels = reinterpret_cast<const void*>(job.panels),
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
                            .scratch = reinterpret_cast<void*>(job.scratch),
                            .activation = static_cast<Activation>(job.activation)};
      if (job.storage == 0) return avx512::matmul<Storage::kF32>(args);
      if (job.storage == 1) return avx512::matmul<Storage::kF16>(args);
      return avx512::matmul<Storage::kBF16>(args);
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

}  // namespace

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
