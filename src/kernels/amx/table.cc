#include "kernels/amx/kernels.h"
#include "kernels/avx512_vnni/make_table.h"
#include "kernels/tables.h"

namespace ganglion::kernels {
namespace {

// avx512_vnni, but for products of 16-bit floats and of whole numbers, and attention over a cache in bf16.
constexpr Table make_amx_table() noexcept {
  Table table = make_avx512_vnni_table();
  table.isa = "amx";
  table.matmul[static_cast<int>(Storage::kF16)] = amx::matmul<Storage::kF16>;
  table.matmul[static_cast<int>(Storage::kBF16)] = amx::matmul<Storage::kBF16>;
  table.matmul[static_cast<int>(Storage::kS8)] = amx::matmul<Storage::kS8>;
  table.matmul[static_cast<int>(Storage::kS4)] = amx::matmul<Storage::kS4>;
  table.packing = "32 columns, bf16 by pairs, whole numbers by fours";
  table.packed_bytes = amx::packed_bytes;
  table.pack = amx::pack;
  table.pack_turned = amx::pack_turned;
  table.gather_packed_rows = amx::gather_packed_rows;
  table.matmul_scratch = amx::matmul_scratch;
  table.prepared_bytes = amx::prepared_bytes;
  table.prepare_rows = amx::prepare_rows;
  table.product_bits[static_cast<int>(Storage::kF16)] = 16;
  table.product_bits[static_cast<int>(Storage::kBF16)] = 8;
  table.attention[static_cast<int>(Storage::kBF16)] = amx::attention_bf16;
  table.attention_scratch = amx::attention_scratch;
  table.attention_bits[static_cast<int>(Storage::kBF16)] = 8;
  return table;
}

}  // namespace

constinit const Table kAmxTable = make_amx_table();

}  // namespace ganglion::kernels
