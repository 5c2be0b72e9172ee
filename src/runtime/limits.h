// The limits of this machine, measured: what every speed is quoted against.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ganglion {
class ThreadPool;
}

namespace ganglion::runtime {

struct Limits {
  double bandwidth = 0;        // bytes/s, the best loop that reads memory
  std::string bandwidth_loop;  // which loop that was
  double peak_flops = 0;       // f32 multiply-adds counted as two, with the widest vectors
  std::string peak_isa;
  double tile_flops = 0;   // products of bf16 on tiles; 0 where there are none
  double whole_flops = 0;  // products of eight bits on vectors (AVX512_VNNI), and on tiles
  double whole_tile_flops = 0;
  struct Row {
    std::string name;
    std::string unit;
    double scale = 1;            // a value over this is in `unit`
    std::vector<double> values;  // per second, one for each repeat
  };
  std::vector<Row> rows;  // everything that was measured

  // Of a matmul or an attention whose kernel is of this table (kernels::matmul_isa, attention_isa), by the storage of
  // its weight or cache; of anything else when both are empty. Whole numbers are multiplied in two parts of x: half of
  // their limit is the most that can be had.
  double flops_of(std::string_view isa, std::string_view storage) const {
    const bool whole = storage == "s8" || storage == "s4";
    if (isa == "amx" && tile_flops > 0) return whole ? whole_tile_flops : tile_flops;
    return isa == "avx512_vnni" && whole && whole_flops > 0 ? whole_flops : peak_flops;
  }
};

// Runs each loop of kernels/roofline.h `repeats` times on all threads of the pool at once, each thread on its share of
// `memory` (64-byte aligned; no less than 64 KiB for each thread is measured at all), and keeps the medians. `rounds`
// of multiply-adds: kernels::multiply_add. Nothing else should run meanwhile.
Limits measure_limits(ThreadPool& pool, std::span<const std::byte> memory, int repeats, std::int64_t rounds);

}  // namespace ganglion::runtime
