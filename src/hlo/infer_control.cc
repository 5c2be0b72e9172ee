#include <algorithm>

#include "hlo/infer.h"

namespace ganglion::hlo::infer {
namespace {

// Groups are of one size and hold every rank 0 .. n-1 once. Returns the size of a group, 0 when there are no groups.
std::int64_t want_groups(const Instruction& i) {
  if (i.replica_groups.empty()) return 0;
  const std::size_t size = i.replica_groups[0].size();
  std::vector<std::int64_t> ranks;
  for (const auto& group : i.replica_groups) {
    if (group.empty() || group.size() != size)
      refuse(i, "replica groups of {} and {} ranks; all want the same number", size, group.size());
    ranks.insert(ranks.end(), group.begin(), group.end());
  }
  std::sort(ranks.begin(), ranks.end());
  for (std::size_t r = 0; r < ranks.size(); ++r) {
    if (ranks[r] != static_cast<std::int64_t>(r)) {
      refuse(i, "replica groups must name every rank from 0 to {} once; rank {} is missing, repeated or beyond",
             ranks.size() - 1, r);
    }
  }
  return static_cast<std::int64_t>(size);
}

}  // namespace

Shape call(const Instruction& i) {
  want_called(i, 1);
  const std::vector<Instruction*> parameters = i.called[0]->parameters();
  if (parameters.size() != i.operands.size()) {
    refuse(i, "computation {} has {} parameters, {} operands are given", i.called[0]->name, parameters.size(),
           i.operands.size());
  }
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    if (parameters[p]->shape != i.operands[p]->shape) {
      refuse(i, "parameter {} of computation {} is {}, operand {}", p, i.called[0]->name, parameters[p]->shape.text(),
             i.operands[p]->shape.text());
    }
  }
  return i.called[0]->root->shape;
}

Shape while_loop(const Instruction& i) {
  want_operands(i, 1);
  want_called(i, 2);
  const Shape& init = i.operands[0]->shape;
  want_signature(i, 0, {init}, Shape::array(DType::kPred, {}));
  want_signature(i, 1, {init}, init);
  return init;
}

Shape tuple(const Instruction& i) {
  Shape out = Shape::tuple({});
  out.elements.reserve(i.operands.size());
  for (const Instruction* operand : i.operands) out.elements.push_back(operand->shape);
  const std::string problem = shape_problem(out);
  if (!problem.empty()) refuse(i, "{}", problem);
  return out;
}

Shape get_tuple_element(const Instruction& i) {
  want_operands(i, 1);
  const Shape& x = i.operands[0]->shape;
  if (!x.is_tuple) refuse(i, "wants a tuple");
  if (i.tuple_index < 0 || i.tuple_index >= static_cast<std::int64_t>(x.elements.size())) {
    refuse(i, "element {} of a tuple of {}", i.tuple_index, x.elements.size());
  }
  return x.elements[static_cast<std::size_t>(i.tuple_index)];
}

Shape custom_call(const Instruction& i) {
  if (i.custom_call_target.empty()) refuse(i, "it names no target");
  const std::string problem = shape_problem(i.shape);
  if (!problem.empty()) refuse(i, "{}", problem);
  const auto has_rows_of = [&](const Shape& result) {
    return std::any_of(i.operands.begin(), i.operands.end(), [&](const Instruction* operand) {
      return operand->shape.bounded && operand->shape.dims[0] == result.dims[0];
    });
  };
  if (i.shape.is_tuple) {
    for (const Shape& element : i.shape.elements) {
      if (element.is_tuple || element.bounded) refuse(i, "a tuple of results must hold arrays of exact dims");
    }
  } else if (i.shape.bounded && !has_rows_of(i.shape)) {
    refuse(i, "to {}: bounded rows want an operand with the same bound", i.shape.text());
  }
  return i.shape;
}

Shape all_reduce(const Instruction& i) {
  if (i.operands.size() > 1) fail(Code::kUnsupported, "{}: {}: only one array at a time", where(i), describe(i));
  want_operands(i, 1);
  const Shape& x = array_operand(i, 0);
  want_groups(i);
  want_called(i, 1);
  const Shape scalar = Shape::array(x.dtype, {});
  want_signature(i, 0, {scalar, scalar}, scalar);
  return x;
}

Shape all_gather(const Instruction& i) {
  if (i.operands.size() > 1) fail(Code::kUnsupported, "{}: {}: only one array at a time", where(i), describe(i));
  want_operands(i, 1);
  const Shape& x = array_operand(i, 0);
  want_declared_array(i);
  if (i.dimensions.size() != 1) refuse(i, "it has {} dimensions, wants one to join along", i.dimensions.size());
  const std::int64_t along = i.dimensions[0];
  want_dimension(i, "dimensions", along, x.rank());
  if (x.bounded && along == 0) refuse(i, "bounded rows cannot be joined along the rows");
  const std::int64_t group = want_groups(i);
  Shape out = x;
  const std::int64_t from = x.dims[along];
  const std::int64_t to = i.shape.rank() == x.rank() ? i.shape.dims[along] : 0;
  const std::int64_t ranks = group > 0 ? group : from > 0 ? to / from : 1;
  if (ranks < 1 || __builtin_mul_overflow(from, ranks, &out.dims[along]) || out != i.shape) {
    refuse(i, "to {}: wants {} with dimension {} times the ranks of a group", i.shape.text(), x.text(), along);
  }
  return out;
}

Shape replica_id(const Instruction& i) {
  want_operands(i, 0);
  return Shape::array(DType::kU32, {});
}

}  // namespace ganglion::hlo::infer
