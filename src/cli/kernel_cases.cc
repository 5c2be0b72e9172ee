#include "cli/kernel_cases.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <memory>

#include "base/thread_pool.h"
#include "tensor/tensor.h"

namespace ganglion::cli {
namespace {

using kernels::Storage;
using kernels::Table;
using program::Work;

constexpr std::array kStorages = {Storage::kF32, Storage::kF16, Storage::kBF16, Storage::kS8, Storage::kS4};
constexpr const char* kStorageNames[] = {"f32", "f16", "bf16", "s8", "s4"};
constexpr std::int64_t kGroup = 32, kBlock = 32;

const char* name_of(Storage storage) { return kStorageNames[static_cast<std::size_t>(storage)]; }

// Small numbers that no kernel treats in a way of its own.
float number(std::int64_t i) { return static_cast<float>((i * 7 + 3) % 31 - 15) / 16.0f; }

Buffer floats(std::int64_t count) {
  Buffer out(static_cast<std::size_t>(count) * sizeof(float));
  auto* values = reinterpret_cast<float*>(out.data());
  for (std::int64_t i = 0; i < count; ++i) values[i] = number(i);
  return out;
}
float* as_floats(Buffer& buffer) { return reinterpret_cast<float*>(buffer.data()); }

std::vector<Buffer> scratches(int threads, std::int64_t bytes) {
  std::vector<Buffer> out;
  for (int i = 0; i < threads; ++i) out.emplace_back(static_cast<std::size_t>(std::max<std::int64_t>(bytes, 64)));
  return out;
}

double bytes_of(Storage storage, double elements) {
  return storage == Storage::kS4 ? elements / 2 : elements * static_cast<double>(kernels::storage_size(storage));
}

KernelCase matmul(const Table& table, const KernelSizes& sizes, Storage storage, std::int64_t rows, bool all_weights,
                  int threads) {
  struct Memory {
    Buffer panels, scales, x, prepared, out;
    std::vector<Buffer> scratch;
  };
  const std::int64_t n = sizes.n, k = sizes.k;
  const auto one = static_cast<std::int64_t>(table.packed_bytes(storage, n, k));
  const std::int64_t weights = all_weights ? std::max<std::int64_t>(1, sizes.weight_bytes / one) : 1;
  auto memory = std::make_shared<Memory>();
  memory->panels = Buffer(static_cast<std::size_t>(one * weights));
  const bool whole = storage == Storage::kS8 || storage == Storage::kS4;
  if (whole) {
    Buffer numbers(static_cast<std::size_t>(n * k));
    for (std::int64_t i = 0; i < n * k; ++i) numbers.data()[i] = static_cast<std::byte>((i * 5 + i / k) % 15 - 7);
    table.pack(storage, numbers.data(), storage, memory->panels.data(), 0, n, n, k);
  } else {
    Buffer numbers = floats(n * k);
    table.pack(Storage::kF32, numbers.data(), storage, memory->panels.data(), 0, n, n, k);
  }
  for (std::int64_t i = 1; i < weights; ++i)
    std::memcpy(memory->panels.data() + i * one, memory->panels.data(), static_cast<std::size_t>(one));
  double scale_bytes = 0;
  if (storage == Storage::kS8) {
    memory->scales = floats(n);
    scale_bytes = 4 * static_cast<double>(n);
  } else if (storage == Storage::kS4) {
    Buffer scales = floats(n * k / kGroup);
    memory->scales = Buffer(static_cast<std::size_t>(table.packed_scale_bytes(n, k / kGroup)));
    table.pack_scales(Storage::kF32, scales.data(), memory->scales.data(), 0, n, n, k / kGroup);
    scale_bytes = 2 * static_cast<double>(n * k / kGroup);
  }
  memory->x = floats(rows * k);
  memory->out = floats(rows * n);
  const std::int64_t group = storage == Storage::kS4 ? kGroup : 0;
  if (const std::int64_t bytes = table.prepared_bytes(storage, rows, k, group); bytes > 0) {
    memory->prepared = Buffer(static_cast<std::size_t>(bytes));
    table.prepare_rows(storage, {.x = as_floats(memory->x),
                                 .out = memory->prepared.data(),
                                 .rows = rows,
                                 .k = k,
                                 .x_stride = k,
                                 .group = group,
                                 .row_begin = 0,
                                 .row_end = rows});
  }
  memory->scratch = scratches(threads, table.matmul_scratch(storage, rows, k));

  KernelCase out;
  const auto elements = static_cast<double>(n * k), count = static_cast<double>(weights);
  out.work.bytes = count * (bytes_of(storage, elements) + scale_bytes + 4 * static_cast<double>(rows * (k + n)));
  out.work.flops = count * 2 * elements * static_cast<double>(rows);
  out.isa = kernels::matmul_isa(table, storage);
  out.storage = name_of(storage);
  out.call = [=, &table](int thread) {
    const Range share = split_range((n + table.panel_width - 1) / table.panel_width, threads, thread);
    kernels::MatmulArgs args;
    args.x = as_floats(memory->x);
    args.scales = whole ? memory->scales.data() : nullptr;
    args.out = as_floats(memory->out);
    args.rows = rows;
    args.k = args.x_stride = k;
    args.n = args.out_stride = n;
    args.n_begin = share.begin * table.panel_width;
    args.n_end = std::min(n, share.end * table.panel_width);
    args.group = group;
    args.prepared = memory->prepared.data();
    args.scratch = memory->scratch[static_cast<std::size_t>(thread)].data();
    for (std::int64_t weight = 0; weight < weights; ++weight) {
      args.panels = memory->panels.data() + weight * one;
      table.matmul[static_cast<std::size_t>(storage)](args);
    }
  };
  return out;
}

// `sequences` tokens at the last of `context` positions, or, as a prompt, one sequence at every position.
KernelCase attention(const Table& table, const KernelSizes& sizes, Storage storage, bool prompt, int threads) {
  struct Memory {
    Buffer q, out, k, v, k_scale, v_scale;
    std::vector<std::int32_t> blocks, sequence, position;
    std::vector<Buffer> scratch;
  };
  const std::int64_t sequences = prompt ? 1 : sizes.sequences, context = prompt ? sizes.prompt : sizes.context;
  const std::int64_t tokens = prompt ? sizes.prompt : sequences;
  const std::int64_t each = (context + kBlock - 1) / kBlock, stride = sizes.heads * sizes.head_dim;
  const std::int64_t cached = sequences * each * sizes.kv_heads * kBlock;  // rows of head_dim
  auto memory = std::make_shared<Memory>();
  memory->q = floats(tokens * stride);
  memory->out = floats(tokens * stride);
  const auto cache = [&] {
    Buffer out(static_cast<std::size_t>(bytes_of(storage, static_cast<double>(cached * sizes.head_dim))));
    Buffer values = floats(sizes.head_dim * kBlock);
    const std::size_t block = out.size() / static_cast<std::size_t>(cached / kBlock);
    for (std::size_t at = 0; at < out.size(); at += block) {
      if (storage == Storage::kS8) {
        std::memset(out.data() + at, 3, block);
      } else {
        table.from_f32[static_cast<std::size_t>(storage)](as_floats(values), out.data() + at, sizes.head_dim * kBlock);
      }
    }
    return out;
  };
  memory->k = cache();
  memory->v = cache();
  if (storage == Storage::kS8) {
    memory->k_scale = floats(cached);
    memory->v_scale = floats(cached);
  }
  for (std::int64_t b = 0; b < sequences * each; ++b) memory->blocks.push_back(static_cast<std::int32_t>(b));
  for (std::int64_t t = 0; t < tokens; ++t) {
    memory->sequence.push_back(static_cast<std::int32_t>(prompt ? 0 : t));
    memory->position.push_back(static_cast<std::int32_t>(prompt ? t : context - 1));
  }
  memory->scratch = scratches(threads, table.attention_scratch(sizes.head_dim, kBlock) * 4);

  KernelCase out;
  const auto positions = static_cast<double>(sequences * context * sizes.kv_heads);
  const auto pairs = static_cast<double>(prompt ? tokens * (tokens + 1) / 2 : tokens * context);
  out.work.bytes =
      2 * positions * (bytes_of(storage, static_cast<double>(sizes.head_dim)) + (storage == Storage::kS8 ? 4 : 0)) +
      8 * static_cast<double>(tokens * stride);
  out.work.flops = 4 * pairs * static_cast<double>(stride);
  out.isa = kernels::attention_isa(table, storage);
  out.storage = name_of(storage);
  out.call = [=, &table](int thread) {
    const std::int64_t group = sizes.heads / sizes.kv_heads;
    const Range share = split_range(sizes.kv_heads * tokens, threads, thread);
    kernels::AttentionArgs args;
    args.q = as_floats(memory->q);
    args.out = as_floats(memory->out);
    args.k_cache = memory->k.data();
    args.v_cache = memory->v.data();
    if (storage == Storage::kS8) {
      args.k_scale = as_floats(memory->k_scale);
      args.v_scale = as_floats(memory->v_scale);
    }
    args.block_table = memory->blocks.data();
    args.sequence = memory->sequence.data();
    args.position = memory->position.data();
    args.scratch = as_floats(memory->scratch[static_cast<std::size_t>(thread)]);
    args.heads = sizes.heads;
    args.kv_heads = sizes.kv_heads;
    args.head_dim = sizes.head_dim;
    args.block_size = kBlock;
    args.max_blocks = each;
    args.q_stride = args.out_stride = stride;
    args.scale = 1.0f / std::sqrt(static_cast<float>(sizes.head_dim));
    for (std::int64_t begin = share.begin; begin < share.end;) {
      const std::int64_t head = begin / tokens, until = std::min(share.end, (head + 1) * tokens);
      args.token_begin = begin - head * tokens;
      args.token_end = until - head * tokens;
      args.head_begin = head * group;
      args.head_end = (head + 1) * group;
      table.attention[static_cast<std::size_t>(storage)](args);
      begin = until;
    }
  };
  return out;
}

// A kernel over rows of `cols` floats: reads `read` of them and writes one, with `flops` operations on an element.
// work(x, y, line, out, rows): y is as large as x, and line one row of it.
using RowWork = std::function<void(const float* x, const float* y, const float* line, float* out, std::int64_t rows)>;
KernelCase over_rows(const KernelSizes& sizes, double read, double flops, RowWork work, int threads) {
  struct Memory {
    Buffer x, y, line, out;
  };
  auto memory = std::make_shared<Memory>();
  const std::int64_t rows = sizes.norm_rows, cols = sizes.cols;
  memory->x = floats(rows * cols);
  memory->y = floats(rows * cols);
  memory->line = floats(cols);
  memory->out = floats(rows * cols);
  KernelCase out;
  const auto elements = static_cast<double>(rows * cols);
  out.work = {4 * elements * (read + 1), flops * elements};
  out.call = [=](int thread) {
    const Range share = split_range(rows, threads, thread);
    work(as_floats(memory->x) + share.begin * cols, as_floats(memory->y) + share.begin * cols, as_floats(memory->line),
         as_floats(memory->out) + share.begin * cols, share.end - share.begin);
  };
  return out;
}

}  // namespace

std::vector<KernelCaseMaker> kernel_cases(const Table& table, const KernelSizes& sizes) {
  std::vector<KernelCaseMaker> out;
  const auto add = [&](std::string name, std::function<KernelCase(int)> make) {
    out.push_back({std::move(name), std::move(make)});
  };
  for (const bool one : {true, false}) {
    for (const Storage storage : kStorages) {
      const std::int64_t rows = one ? 1 : sizes.rows;
      add(fmt::format("matmul {}, {} row{}", name_of(storage), rows, rows == 1 ? "" : "s"),
          [=, &table](int threads) { return matmul(table, sizes, storage, rows, one, threads); });
    }
  }
  for (const bool prompt : {false, true}) {
    for (int s = 0; s < kernels::kCacheStorageCount; ++s) {
      const Storage storage = kStorages[static_cast<std::size_t>(s)];
      add(fmt::format("attention {}, {}", name_of(storage), prompt ? "prompt" : "decode"),
          [=, &table](int threads) { return attention(table, sizes, storage, prompt, threads); });
    }
  }
  const std::int64_t cols = sizes.cols;
  const auto add_rows = [&](const char* name, double read, double flops, RowWork work) {
    add(name, [=](int threads) { return over_rows(sizes, read, flops, work, threads); });
  };
  add_rows("layer_norm", 1, 7, [&table, cols](const float* x, const float*, const float* line, float* to, auto rows) {
    table.layer_norm({.x = x, .weight = line, .bias = line, .out = to, .rows = rows, .cols = cols});
  });
  add_rows("rms_norm", 1, 4, [&table, cols](const float* x, const float*, const float* line, float* to, auto rows) {
    table.rms_norm({.x = x, .weight = line, .out = to, .rows = rows, .cols = cols});
  });
  const std::int64_t head_dim = sizes.head_dim;
  add_rows("rotary", 1, 3, [=, &table](const float* x, const float* y, const float*, float* to, auto rows) {
    table.rotary({.x = x,
                  .cosine = y,
                  .sine = y,
                  .out = to,
                  .rows = rows,
                  .heads = cols / head_dim,
                  .head_dim = head_dim,
                  .pairs = head_dim / 2});
  });
  add_rows("softmax", 1, 3, [&table, cols](const float* x, const float*, const float*, float* to, auto rows) {
    table.softmax(x, to, rows, cols);
  });
  add_rows("gelu", 1, 1, [&table, cols](const float* x, const float*, const float*, float* to, auto rows) {
    table.unary[static_cast<int>(kernels::Unary::kGeluTanh)](x, to, rows * cols);
  });
  add_rows("add", 2, 1, [&table, cols](const float* x, const float* y, const float*, float* to, auto rows) {
    table.binary[static_cast<int>(kernels::Binary::kAdd)](x, y, to, rows * cols);
  });
  return out;
}

}  // namespace ganglion::cli
