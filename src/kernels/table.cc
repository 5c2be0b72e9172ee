#include "kernels/table.h"

#include <cpuid.h>

#include "kernels/tables.h"
#include "kernels/tile_registers.h"

namespace ganglion::kernels {

namespace {

// Not a name that clang 14 knows.
bool has_f16c() noexcept {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

// The compiler's run-time check: the CPU's feature bits, and that the system saves the registers.
bool runs_avx2() noexcept {
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 && has_f16c();
}
bool runs_avx512() noexcept {
  return runs_avx2() && __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
         __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0;
}
bool runs_avx512_vnni() noexcept { return runs_avx512() && __builtin_cpu_supports("avx512vnni") != 0; }

bool runs_amx() noexcept {
  constexpr unsigned kAvx512Bf16 = 1u << 5;  // leaf 7, 1, eax
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (!runs_avx512_vnni() || __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) == 0) return false;
  return (eax & kAvx512Bf16) != 0 && has_tile_registers();
}

}  // namespace

const TableInfo* all_tables(int* count) noexcept {
  static const TableInfo tables[] = {
      {&kAmxTable, runs_amx()},       {&kAvx512VnniTable, runs_avx512_vnni()},
      {&kAvx512Table, runs_avx512()}, {&kAvx2Table, runs_avx2()},
      {&kScalarTable, true},
  };
  *count = static_cast<int>(sizeof tables / sizeof tables[0]);
  return tables;
}

std::int64_t no_matmul_scratch(Storage, std::int64_t, std::int64_t) noexcept { return 0; }
std::int64_t nothing_prepared(Storage, std::int64_t, std::int64_t, std::int64_t) noexcept { return 0; }

namespace {

// The table that the entry of a table comes from.
template <class Entry>
std::string_view origin(const Table& table, const Entry& entry) noexcept {
  std::string_view isa = table.isa;
  int count = 0;
  const TableInfo* tables = all_tables(&count);  // best first, so the last that has it is the one it comes from
  for (int i = 0; i < count; ++i) {
    if (entry(*tables[i].table) == entry(table)) isa = tables[i].table->isa;
  }
  return isa;
}

}  // namespace

std::string_view matmul_isa(const Table& table, Storage storage) noexcept {
  return origin(table, [=](const Table& any) { return any.matmul[static_cast<std::size_t>(storage)]; });
}
std::string_view attention_isa(const Table& table, Storage storage) noexcept {
  return origin(table, [=](const Table& any) { return any.attention[static_cast<std::size_t>(storage)]; });
}

const Table* find_table(std::string_view isa) noexcept {
  int count = 0;
  const TableInfo* tables = all_tables(&count);
  for (int i = 0; i < count; ++i) {
    if (tables[i].runnable && (isa.empty() || tables[i].table->isa == isa)) return tables[i].table;
  }
  return nullptr;
}

}  // namespace ganglion::kernels
