// Every hot kernel of a table on fixed sizes, with memory of its own, ready to be called: what `ganglion bench kernels`
// times and tests/instructions counts.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kernels/table.h"
#include "program/work.h"

namespace ganglion::cli {

struct KernelSizes {
  // Weights are [n, k], as many as fill weight_bytes, at least one; all are multiplied by one row, and one by `rows`.
  std::int64_t n = 0, k = 0, rows = 0;
  std::int64_t weight_bytes = 0;
  // Attention: `sequences` tokens that each see `context` positions, and a prompt of `prompt` tokens.
  std::int64_t heads = 0, kv_heads = 0, head_dim = 0, sequences = 0, context = 0, prompt = 0;
  // Of norms, rotary, softmax and elementwise kernels.
  std::int64_t norm_rows = 0, cols = 0;
};

struct KernelCase {
  program::Work work;
  std::string isa;                       // of a matmul or attention: kernels::matmul_isa, attention_isa; else empty
  std::string storage;                   // of its weight or cache
  std::function<void(int thread)> call;  // this thread's share of it
};

// A case by its name; `make` takes the memory, once for all threads.
struct KernelCaseMaker {
  std::string name;  // "matmul f16, 1 row"
  std::function<KernelCase(int threads)> make;
};

std::vector<KernelCaseMaker> kernel_cases(const kernels::Table& table, const KernelSizes& sizes);

}  // namespace ganglion::cli
