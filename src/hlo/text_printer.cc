#include "hlo/text_printer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <vector>

#include "hlo/proto_types.h"

namespace ganglion::hlo {
namespace {

std::string braces(const Dims& dims) { return fmt::format("{{{}}}", fmt::join(dims, ",")); }

std::string number(const TensorView& tensor, std::int64_t i) {
  if (tensor.dtype == DType::kPred) return element_as_double(tensor, i) != 0 ? "true" : "false";
  if (tensor.dtype == DType::kS64) return fmt::format("{}", tensor.as<std::int64_t>()[static_cast<std::size_t>(i)]);
  const double value = element_as_double(tensor, i);
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  return is_float(tensor.dtype) ? fmt::format("{}", static_cast<float>(value)) : fmt::format("{:.0f}", value);
}

// Nested braces, one level a dimension; `at` walks through the elements.
void print_elements(const TensorView& tensor, std::size_t dimension, std::int64_t& at, std::string& out) {
  if (dimension == tensor.dims.size()) {
    out += number(tensor, at++);
    return;
  }
  out += '{';
  for (std::int64_t i = 0; i < tensor.dims[dimension]; ++i) {
    if (i > 0) out += ", ";
    print_elements(tensor, dimension + 1, at, out);
  }
  out += '}';
}

std::string operands_text(const Instruction& i) {
  if (i.opcode == Opcode::kParameter) return fmt::format("{}", i.parameter_number);
  std::string out;
  if (i.opcode == Opcode::kConstant) {
    std::int64_t at = 0;
    print_elements(i.literal->view(), 0, at, out);
    return out;
  }
  for (const Instruction* operand : i.operands) {
    if (!out.empty()) out += ", ";
    out += "%" + operand->name;
  }
  return out;
}

std::string slices(const Instruction& i) {
  std::vector<std::string> parts;
  for (std::size_t d = 0; d < i.starts.size(); ++d)
    parts.push_back(fmt::format("[{}:{}:{}]", i.starts[d], i.limits[d], i.strides[d]));
  return fmt::format("{{{}}}", fmt::join(parts, ", "));
}

std::string padding(const Instruction& i) {
  std::vector<std::string> parts;
  for (const PaddingDim& p : i.padding) parts.push_back(fmt::format("{}_{}_{}", p.low, p.high, p.interior));
  return fmt::format("{}", fmt::join(parts, "x"));
}

std::string groups(const Instruction& i) {
  std::vector<std::string> parts;
  for (const auto& group : i.replica_groups) parts.push_back(braces(group));
  return fmt::format("{{{}}}", fmt::join(parts, ","));
}

// ", name=value" for everything the opcode has.
std::string attributes_text(const Instruction& i) {
  std::vector<std::string> out;
  const auto put = [&](std::string_view name, const std::string& value) {
    out.push_back(fmt::format("{}={}", name, value));
  };
  const auto to_apply = [&] { put("to_apply", "%" + i.called[0]->name); };
  switch (i.opcode) {
    case Opcode::kIota:
      put("iota_dimension", fmt::format("{}", i.dimensions[0]));
      break;
    case Opcode::kBroadcast:
    case Opcode::kTranspose:
    case Opcode::kConcatenate:
    case Opcode::kReverse:
      put("dimensions", braces(i.dimensions));
      break;
    case Opcode::kSlice:
      put("slice", slices(i));
      break;
    case Opcode::kDynamicSlice:
      put("dynamic_slice_sizes", braces(i.slice_sizes));
      break;
    case Opcode::kPad:
      put("padding", padding(i));
      break;
    case Opcode::kCompare:
      put("direction", std::string(comparison_name(i.comparison)));
      break;
    case Opcode::kDot:
      if (!i.dot.lhs_batch.empty()) put("lhs_batch_dims", braces(i.dot.lhs_batch));
      put("lhs_contracting_dims", braces(i.dot.lhs_contracting));
      if (!i.dot.rhs_batch.empty()) put("rhs_batch_dims", braces(i.dot.rhs_batch));
      put("rhs_contracting_dims", braces(i.dot.rhs_contracting));
      break;
    case Opcode::kReduce:
      put("dimensions", braces(i.dimensions));
      to_apply();
      break;
    case Opcode::kGather:
      put("offset_dims", braces(i.gather.offset_dims));
      put("collapsed_slice_dims", braces(i.gather.collapsed_slice_dims));
      put("start_index_map", braces(i.gather.start_index_map));
      put("index_vector_dim", fmt::format("{}", i.gather.index_vector_dim));
      put("slice_sizes", braces(i.gather.slice_sizes));
      break;
    case Opcode::kScatter:
      put("update_window_dims", braces(i.scatter.update_window_dims));
      put("inserted_window_dims", braces(i.scatter.inserted_window_dims));
      put("scatter_dims_to_operand_dims", braces(i.scatter.scatter_dims_to_operand_dims));
      put("index_vector_dim", fmt::format("{}", i.scatter.index_vector_dim));
      if (i.scatter.unique_indices) put("unique_indices", "true");
      to_apply();
      break;
    case Opcode::kSort:
      put("dimensions", braces(i.dimensions));
      if (i.is_stable) put("is_stable", "true");
      to_apply();
      break;
    case Opcode::kCall:
      to_apply();
      if (!i.composite.name.empty()) put("is_composite", "true");
      break;
    case Opcode::kWhile:
      put("condition", "%" + i.called[0]->name);
      put("body", "%" + i.called[1]->name);
      break;
    case Opcode::kGetTupleElement:
      put("index", fmt::format("{}", i.tuple_index));
      break;
    case Opcode::kCustomCall:
      put("custom_call_target", fmt::format("\"{}\"", i.custom_call_target));
      break;
    case Opcode::kAllReduce:
      put("replica_groups", groups(i));
      to_apply();
      break;
    case Opcode::kAllGather:
      put("replica_groups", groups(i));
      put("dimensions", braces(i.dimensions));
      break;
    default:
      break;
  }
  std::vector<std::string> frontend;
  for (const auto& [name, value] : frontend_attributes(i)) {
    frontend.push_back(value.starts_with('{') ? fmt::format("{}={}", name, value)
                                              : fmt::format("{}=\"{}\"", name, value));
  }
  if (!frontend.empty()) put("frontend_attributes", fmt::format("{{{}}}", fmt::join(frontend, ",")));
  if (!i.place.empty()) put("metadata", fmt::format("{{op_name=\"{}\"}}", i.place));
  return out.empty() ? "" : fmt::format(", {}", fmt::join(out, ", "));
}

}  // namespace

std::string print_text(const Module& module) {
  std::string out = "HloModule " + module.name;
  if (!module.aliases.empty()) {
    std::vector<std::string> parts;
    const bool is_tuple = module.entry->root->shape.is_tuple;
    for (const Alias& alias : module.aliases) {
      parts.push_back(fmt::format("{{{}}}: ({}, {{}}, may-alias)", is_tuple ? fmt::format("{}", alias.output) : "",
                                  alias.parameter));
    }
    out += fmt::format(", input_output_alias={{ {} }}", fmt::join(parts, ", "));
  }
  if (!module.row_bindings.empty())
    out += fmt::format(", frontend_attributes={{{}=\"{}\"}}", kRowBindings, row_bindings_text(module));
  out += "\n";
  for (const auto& computation : module.computations) {
    out += fmt::format("\n{}%{} {{\n", computation.get() == module.entry ? "ENTRY " : "", computation->name);
    for (const auto& i : computation->instructions) {
      out += fmt::format("  {}%{} = {} {}({}){}\n", i.get() == computation->root ? "ROOT " : "", i->name,
                         i->shape.text(), opcode_name(i->opcode), operands_text(*i), attributes_text(*i));
    }
    out += "}\n";
  }
  return out;
}

}  // namespace ganglion::hlo
