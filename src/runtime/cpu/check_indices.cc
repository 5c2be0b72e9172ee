#include <algorithm>

#include "base/error.h"
#include "runtime/cpu/executable.h"

namespace ganglion::runtime::cpu {
namespace {

std::span<const std::int32_t> values(const program::Program& program, const Frame& frame, std::int32_t input) {
  const program::Port& port = program.inputs[static_cast<std::size_t>(input)];
  std::int64_t count = 1;
  for (const std::int64_t dim : port.dims) count *= dim;
  if (port.rows != program::kAllRows && port.dims[0] != 0) count = count / port.dims[0] * frame.rows[port.rows];
  return {reinterpret_cast<const std::int32_t*>(frame.inputs[static_cast<std::size_t>(input)]),
          static_cast<std::size_t>(count)};
}

void check(const program::Program& program, const Frame& frame, const program::AttentionCheck& how) {
  const auto sequences = values(program, frame, how.sequence);
  const auto positions = values(program, frame, how.position);
  const auto table = values(program, frame, how.block_table);
  const std::int64_t longest = how.max_blocks * how.block_size;
  // A run of tokens of one sequence asks for no more blocks than its last position does.
  for (std::size_t t = 0; t < sequences.size() && t < positions.size(); ++t) {
    const std::int64_t sequence = sequences[t], position = positions[t];
    if (sequence < 0 || sequence >= how.sequences || position < 0 || position >= longest) {
      fail(Code::kInvalidArgument, "[{}] token {}: sequence {} of {}, position {} of {}", program.name, t, sequence,
           how.sequences, position, longest);
    }
    if (t + 1 < sequences.size() && sequences[t + 1] == sequence && positions[t + 1] >= position) continue;
    const std::int32_t* row = table.data() + sequence * how.max_blocks;
    for (std::int64_t b = 0; b <= position / how.block_size; ++b) {
      if (row[b] >= 0 && row[b] < how.blocks) continue;
      fail(Code::kInvalidArgument, "[{}] token {}: block_table[{}, {}] is {}, the cache has {} blocks", program.name, t,
           sequence, b, row[b], how.blocks);
    }
  }
}

}  // namespace

program::RunSizes run_sizes(const program::Program& program, const Frame& frame) {
  program::RunSizes sizes;
  sizes.rows = {frame.rows, program.sizes.size()};
  if (program.attention_checks.empty()) return sizes;
  // All layers are over the same tokens.
  const auto sequences = values(program, frame, program.attention_checks[0].sequence);
  const auto positions = values(program, frame, program.attention_checks[0].position);
  const std::size_t tokens = std::min(sequences.size(), positions.size());
  for (std::size_t t = 0; t < tokens; ++t) {
    sizes.pairs += positions[t] + 1;
    if (t + 1 == tokens || sequences[t + 1] != sequences[t]) sizes.cached += positions[t] + 1;
  }
  return sizes;
}

void check_cache_indices(const program::Program& program, const Frame& frame) {
  for (const program::SlotCheck& how : program.slot_checks) {
    const auto slots = values(program, frame, how.slots);
    for (std::size_t t = 0; t < slots.size(); ++t) {
      if (slots[t] < how.limit) continue;
      fail(Code::kInvalidArgument, "[{}] token {}: slot {}, the cache has {}", program.name, t, slots[t], how.limit);
    }
  }
  for (const program::AttentionCheck& how : program.attention_checks) check(program, frame, how);
}

}  // namespace ganglion::runtime::cpu
