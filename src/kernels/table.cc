#include "kernels/table.h"

#include "kernels/tables.h"

namespace ganglion::kernels {

const TableInfo* all_tables(int* count) noexcept {
  static const TableInfo tables[] = {
      {&kScalarTable, true},
  };
  *count = static_cast<int>(sizeof tables / sizeof tables[0]);
  return tables;
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
