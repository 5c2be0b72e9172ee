// The avx512_vnni table, which the amx table is made from: avx512, but for whole numbers.
#pragma once

#include "kernels/avx512/make_table.h"
#include "kernels/avx512_vnni/kernels.h"

namespace ganglion::kernels {
namespace {

constexpr Table make_avx512_vnni_table() noexcept {
  Table table = make_avx512_table();
  table.isa = "avx512_vnni";
  table.packing = "32 columns, whole numbers by fours";
  table.packed_bytes = avx512_vnni::packed_bytes;
  table.pack = avx512_vnni::pack;
  table.gather_packed_rows = avx512_vnni::gather_packed_rows;
  table.matmul[static_cast<int>(Storage::kS8)] = avx512_vnni::matmul<Storage::kS8>;
  table.matmul[static_cast<int>(Storage::kS4)] = avx512_vnni::matmul<Storage::kS4>;
  table.matmul_scratch = avx512_vnni::matmul_scratch;
  table.prepared_bytes = avx512_vnni::prepared_bytes;
  table.prepare_rows = avx512_vnni::prepare_rows;
  table.product_bits[static_cast<int>(Storage::kS8)] = kWholeProductBits;
  table.product_bits[static_cast<int>(Storage::kS4)] = kWholeProductBits;
  return table;
}

}  // namespace
}  // namespace ganglion::kernels
