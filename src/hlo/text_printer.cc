#include "hlo/text_printer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "hlo/proto_types.h"

namespace ganglion::hlo {
namespace {

constexpr std::int64_t kMaxEmptyBraces = 1024;

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

// Names as the text form has them: its characters, not an element type's word, each once.
class Names {
 public:
  explicit Names(const Module& module) {
    for (const auto& computation : module.computations) {
      names_[computation.get()] = unique(legal(computation->name), computations_);
      for (const auto& i : computation->instructions) names_[i.get()] = unique(legal(i->name), instructions_);
    }
  }
  // "%add.3"
  std::string of(const void* instruction_or_computation) const { return "%" + names_.at(instruction_or_computation); }

  static std::string legal(std::string name) {
    for (char& c : name) {
      const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
      if (!is_letter && !(c >= '0' && c <= '9') && c != '.' && c != '-') c = '_';
    }
    if (name.empty() || name[0] == '.' || name[0] == '-' || (name[0] >= '0' && name[0] <= '9')) name.insert(0, "_");
    if (std::find(kTypeWords.begin(), kTypeWords.end(), name) != kTypeWords.end()) name += '_';
    return name;
  }

 private:
  static constexpr std::array<std::string_view, 31> kTypeWords = {
      "pred",   "s1",       "s2",     "s4",       "s8",        "s16",   "s32",   "s64",    "u1",  "u2",   "u4",
      "u8",     "u16",      "u32",    "u64",      "f16",       "f32",   "f64",   "bf16",   "c64", "c128", "f8e5m2",
      "f8e4m3", "f8e4m3fn", "f8e3m4", "f4e2m1fn", "f8e8m0fnu", "tuple", "token", "opaque", "ROOT"};

  static std::string unique(const std::string& name, std::unordered_set<std::string>& taken) {
    std::string out = name;
    for (int n = 1; !taken.insert(out).second; ++n) out = fmt::format("{}.{}", name, n);
    return out;
  }

  std::unordered_map<const void*, std::string> names_;
  std::unordered_set<std::string> computations_, instructions_;
};

// In quotes, with C's escapes for what would end them or is not ASCII.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += fmt::format("\\{}", c);
    } else if (byte < 0x20 || byte >= 0x7f) {
      out += fmt::format("\\{:03o}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string operands_text(const Instruction& i, const Names& names) {
  if (i.opcode == Opcode::kParameter) return fmt::format("{}", i.parameter_number);
  std::string out;
  if (i.opcode == Opcode::kConstant) {
    const TensorView literal = i.literal->view();
    // The sizes before a 0 have no bytes behind them, and may be any.
    const auto zero = std::find(literal.dims.begin(), literal.dims.end(), 0);
    if (zero != literal.dims.end() && element_count({literal.dims.begin(), zero}) > kMaxEmptyBraces) return "{}";
    std::int64_t at = 0;
    print_elements(literal, 0, at, out);
    return out;
  }
  for (const Instruction* operand : i.operands) {
    if (!out.empty()) out += ", ";
    out += names.of(operand);
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
std::string attributes_text(const Instruction& i, const Names& names) {
  std::vector<std::string> out;
  const auto put = [&](std::string_view name, const std::string& value) {
    out.push_back(fmt::format("{}={}", name, value));
  };
  const auto to_apply = [&] { put("to_apply", names.of(i.called[0])); };
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
      put("condition", names.of(i.called[0]));
      put("body", names.of(i.called[1]));
      break;
    case Opcode::kGetTupleElement:
      put("index", fmt::format("{}", i.tuple_index));
      break;
    case Opcode::kCustomCall:
      put("custom_call_target", quoted(i.custom_call_target));
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
                                              : fmt::format("{}={}", name, quoted(value)));
  }
  if (!frontend.empty()) put("frontend_attributes", fmt::format("{{{}}}", fmt::join(frontend, ",")));
  if (!i.place.empty()) put("metadata", fmt::format("{{op_name={}}}", quoted(i.place)));
  return out.empty() ? "" : fmt::format(", {}", fmt::join(out, ", "));
}

}  // namespace

std::string print_text(const Module& module) {
  const Names names(module);
  std::string out = "HloModule " + Names::legal(module.name);
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
    out += fmt::format("\n{}{} {{\n", computation.get() == module.entry ? "ENTRY " : "", names.of(computation.get()));
    for (const auto& i : computation->instructions) {
      out += fmt::format("  {}{} = {} {}({}){}\n", i.get() == computation->root ? "ROOT " : "", names.of(i.get()),
                         i->shape.text(), opcode_name(i->opcode), operands_text(*i, names), attributes_text(*i, names));
    }
    out += "}\n";
  }
  return out;
}

}  // namespace ganglion::hlo
