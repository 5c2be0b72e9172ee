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
  double tile_flops = 0;  // products of bf16 on tiles; 0 where there are none
  struct Row {
    std::string name;
    std::string unit;
    double scale = 1;            // a value over this is in `unit`
    std::vector<double> values;  // per second, one for each repeat
  };
  std::vector<Row> rows;  // everything that was measured

  // Of a matmul whose kernel is of this table (kernels::matmul_isa): tiles for amx, else multiply-adds in f32. Dot
  // products of whole numbers are not measured: kernels that use them may be faster than this.
  double flops_of(std::string_view isa) const { return isa == "amx" && tile_flops > 0 ? tile_flops : peak_flops; }
};

// Runs each loop of kernels/roofline.h `repeats` times on all threads of the pool at once, each thread on its share of
// `memory` (64-byte aligned; no less than 64 KiB for each thread is measured at all), and keeps the medians. `rounds`
// of multiply-adds: kernels::multiply_add. Nothing else should run meanwhile.
Limits measure_limits(ThreadPool& pool, std::span<const std::byte> memory, int repeats, std::int64_t rounds);

}  // namespace ganglion::runtime
