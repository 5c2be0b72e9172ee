// A source's bytes from the first row to the last, for writing, a few MiB at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "tensor/source.h"

namespace ganglion::checkpoint {

std::uint64_t source_bytes(const TensorSource& source);
// Calls `take` with pieces of whole rows: of at most 4 MiB, or of one row that is longer. Throws what either throws.
void for_each_piece(const TensorSource& source, const std::function<void(std::span<const std::byte>)>& take);

}  // namespace ganglion::checkpoint
