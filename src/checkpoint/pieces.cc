#include "checkpoint/pieces.h"

#include <algorithm>
#include <vector>

namespace ganglion::checkpoint {

std::uint64_t source_bytes(const TensorSource& source) {
  return static_cast<std::uint64_t>(element_count(source.dims())) * dtype_size(source.dtype());
}

void for_each_piece(const TensorSource& source, const std::function<void(std::span<const std::byte>)>& take) {
  constexpr std::uint64_t kPiece = 4 << 20;
  const std::int64_t rows = source.dims().empty() ? 1 : source.dims()[0];
  if (source_bytes(source) == 0) return;
  const std::uint64_t row_bytes = source_bytes(source) / static_cast<std::uint64_t>(rows);
  const auto step = static_cast<std::int64_t>(std::max<std::uint64_t>(1, kPiece / row_bytes));
  std::vector<std::byte> piece(static_cast<std::size_t>(std::min(step, rows)) * row_bytes);
  for (std::int64_t row = 0; row < rows; row += step) {
    const std::int64_t count = std::min(step, rows - row);
    source.read_rows(row, row + count, piece.data());
    take(std::span(piece).first(static_cast<std::size_t>(count) * row_bytes));
  }
}

}  // namespace ganglion::checkpoint
