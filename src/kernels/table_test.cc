#include "kernels/plain.h"

namespace ganglion::kernels {
namespace {

TEST(Table, EndsWithScalarWhichAlwaysRuns) {
  int count = 0;
  const TableInfo* tables = all_tables(&count);
  ASSERT_GE(count, 1);
  EXPECT_EQ(tables[count - 1].table->isa, "scalar");
  EXPECT_TRUE(tables[count - 1].runnable);
}

TEST(Table, IsFoundByNameWhenTheCpuCanRunIt) {
  int count = 0;
  const TableInfo* tables = all_tables(&count);
  const Table* best = nullptr;
  for (int i = 0; i < count; ++i) {
    if (tables[i].runnable && best == nullptr) best = tables[i].table;
    EXPECT_EQ(find_table(tables[i].table->isa), tables[i].runnable ? tables[i].table : nullptr);
  }
  EXPECT_EQ(find_table(""), best);
  EXPECT_EQ(find_table("avx3"), nullptr);
}

TEST(Table, HasEveryEntry) {
  int count = 0;
  const TableInfo* tables = all_tables(&count);
  for (int i = 0; i < count; ++i) {
    const Table& table = *tables[i].table;
    SCOPED_TRACE(std::string(table.isa));
    EXPECT_NE(table.packed_bytes, nullptr);
    EXPECT_NE(table.pack, nullptr);
    EXPECT_NE(table.attention_scratch, nullptr);
    EXPECT_NE(table.layer_norm, nullptr);
    EXPECT_NE(table.softmax, nullptr);
    for (int s = 0; s < kStorageCount; ++s) {
      EXPECT_NE(table.matmul[s], nullptr);
      EXPECT_NE(table.attention[s], nullptr);
      EXPECT_NE(table.kv_write[s], nullptr);
      EXPECT_NE(table.gather_rows[s], nullptr);
      EXPECT_NE(table.to_f32[s], nullptr);
      EXPECT_NE(table.from_f32[s], nullptr);
    }
    for (const auto function : table.unary) EXPECT_NE(function, nullptr);
    for (const auto function : table.binary) EXPECT_NE(function, nullptr);
  }
}

TEST(Tables, SayWhichOfThemAMatmulIsTakenFrom) {
  int count = 0;
  const TableInfo* tables = all_tables(&count);
  for (int i = 0; i < count; ++i) {
    const Table& table = *tables[i].table;
    for (int s = 0; s < kWeightStorageCount; ++s) {
      const std::string_view isa = matmul_isa(table, Storage{static_cast<std::uint8_t>(s)});
      for (int j = 0; j < count; ++j) {
        if (tables[j].table->isa != isa) continue;
        EXPECT_EQ(tables[j].table->matmul[s], table.matmul[s]);
      }
      if (table.isa == "scalar" || table.isa == "avx2") {
        EXPECT_EQ(isa, table.isa);
      }
    }
  }
  const Table& amx = *tables[0].table;
  ASSERT_EQ(amx.isa, "amx");
  EXPECT_EQ(matmul_isa(amx, Storage::kF32), "avx512");
  EXPECT_EQ(matmul_isa(amx, Storage::kBF16), "amx");
  EXPECT_EQ(matmul_isa(amx, Storage::kS4), "amx");
  EXPECT_EQ(attention_isa(amx, Storage::kF16), "avx512");
  EXPECT_EQ(attention_isa(amx, Storage::kBF16), "amx");
}

}  // namespace
}  // namespace ganglion::kernels
