// What the members of a group make of their operands. Who is in which group is decided here too, who runs when in
// control.cc.
#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "reference/index.h"
#include "reference/operations.h"

namespace ganglion::reference {

Tensor all_reduce(const Operands& operands, const ScalarFunction& combine) {
  Tensor result(operands[0].dtype, operands[0].dims);
  for (std::int64_t i = 0; i < result.elements(); ++i) {
    Scalar sum = load(operands[0], i);
    for (std::size_t m = 1; m < operands.size(); ++m) sum = combine({sum, load(operands[m], i)}).at(0);
    store(result.mutable_view(), i, sum);
  }
  return result;
}

Tensor all_gather(const hlo::Instruction& instruction, const Operands& operands) {
  const auto dimension = static_cast<std::size_t>(instruction.dimensions.at(0));
  Dims dims = operands[0].dims;
  dims[dimension] *= static_cast<std::int64_t>(operands.size());
  Tensor result(operands[0].dtype, dims);
  const Dims strides = strides_of(dims);
  for (std::size_t m = 0; m < operands.size(); ++m) {
    expect_dims(instruction, operands[m].dims, operands[0].dims);
    const std::int64_t begin = static_cast<std::int64_t>(m) * operands[0].dims[dimension] * strides[dimension];
    std::int64_t i = 0;
    for_each_index(operands[m].dims, [&](const Dims& index) {
      store(result.mutable_view(), begin + offset_of(index, strides), load(operands[m], i++));
    });
  }
  return result;
}

std::vector<std::vector<std::size_t>> members_of_groups(const hlo::Instruction& instruction,
                                                        const std::vector<int>& ranks) {
  std::vector<std::vector<std::size_t>> groups;
  if (instruction.replica_groups.empty()) {
    groups.emplace_back(ranks.size());
    std::iota(groups[0].begin(), groups[0].end(), std::size_t{0});
    return groups;
  }
  std::vector<bool> seen(ranks.size(), false);
  for (const std::vector<std::int64_t>& group : instruction.replica_groups) {
    std::vector<std::size_t> members;
    for (const std::int64_t rank : group) {
      const auto found = std::find(ranks.begin(), ranks.end(), rank);
      if (found == ranks.end()) {
        fail(Code::kInvalidArgument, "{}: replica_groups name rank {}, but {} ranks run; evaluate with more ranks",
             hlo::where(instruction), rank, ranks.size());
      }
      const auto member = static_cast<std::size_t>(found - ranks.begin());
      if (seen[member])
        fail(Code::kInvalidArgument, "{}: replica_groups name rank {} twice", hlo::where(instruction), rank);
      seen[member] = true;
      members.push_back(member);
    }
    if (!members.empty()) groups.push_back(std::move(members));
  }
  const auto missing = std::find(seen.begin(), seen.end(), false);
  if (missing != seen.end()) {
    fail(Code::kInvalidArgument, "{}: rank {} is in none of the replica_groups", hlo::where(instruction),
         ranks[static_cast<std::size_t>(missing - seen.begin())]);
  }
  return groups;
}

}  // namespace ganglion::reference
