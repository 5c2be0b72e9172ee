#include "hlo/proto_types.h"

#include <fmt/format.h>

#include <array>

namespace ganglion::hlo {
namespace {

// In the order of the enums.
constexpr std::array<int, kDTypeCount> kPrimitiveTypes = {1, 21, 2, 4, 5, 6, 8, 10, 16, 11};
constexpr std::array<std::string_view, 6> kComparisons = {"EQ", "NE", "GE", "GT", "LE", "LT"};

}  // namespace

int primitive_type(DType dtype) noexcept { return kPrimitiveTypes[static_cast<std::size_t>(dtype)]; }

std::optional<DType> dtype_of_primitive(int type) noexcept {
  for (std::size_t i = 0; i < kPrimitiveTypes.size(); ++i) {
    if (kPrimitiveTypes[i] == type) return static_cast<DType>(i);
  }
  return std::nullopt;
}

std::string_view comparison_name(Comparison comparison) noexcept {
  return kComparisons[static_cast<std::size_t>(comparison)];
}

std::optional<Comparison> parse_comparison(std::string_view name) noexcept {
  for (std::size_t i = 0; i < kComparisons.size(); ++i) {
    if (kComparisons[i] == name) return static_cast<Comparison>(i);
  }
  return std::nullopt;
}

std::string_view comparison_type(DType dtype) noexcept {
  if (is_float(dtype)) return "FLOAT";
  return is_signed(dtype) ? "SIGNED" : "UNSIGNED";
}

std::string composite_attributes_text(const std::map<std::string, std::string>& attributes) {
  std::string out = "{";
  for (const auto& [name, value] : attributes) {
    if (out.size() > 1) out += ", ";
    out += fmt::format("{} = \"{}\"", name, value);
  }
  return out + "}";
}

std::optional<std::map<std::string, std::string>> parse_composite_attributes(std::string_view text) {
  std::map<std::string, std::string> out;
  if (text.size() < 2 || text.front() != '{' || text.back() != '}') return std::nullopt;
  text = text.substr(1, text.size() - 2);
  while (!text.empty()) {
    const std::size_t middle = text.find(" = \"");
    if (middle == std::string_view::npos) return std::nullopt;
    const std::size_t begin = middle + 4;
    const std::size_t end = text.find('"', begin);
    if (end == std::string_view::npos) return std::nullopt;
    out[std::string(text.substr(0, middle))] = std::string(text.substr(begin, end - begin));
    text = text.substr(end + 1);
    if (text.empty()) break;
    if (!text.starts_with(", ")) return std::nullopt;
    text = text.substr(2);
  }
  return out;
}

std::map<std::string, std::string> frontend_attributes(const Instruction& instruction) {
  std::map<std::string, std::string> out;
  if (!instruction.composite.name.empty()) {
    out[kCompositeName] = instruction.composite.name;
    out[kCompositeVersion] = fmt::format("{}", instruction.composite.version);
    out[kCompositeAttributes] = composite_attributes_text(instruction.composite.attributes);
  }
  if (instruction.role == ParameterRole::kWeight) out[kRole] = "weight";
  if (instruction.role == ParameterRole::kState) out[kRole] = "state";
  if (instruction.sharded) out[kSharded] = "true";
  return out;
}

std::string row_bindings_text(const Module& module) {
  std::string out;
  for (const RowBinding& binding : module.row_bindings) {
    if (!out.empty()) out += ",";
    out += fmt::format("{}:{}", binding.parameter, binding.size);
  }
  return out;
}

}  // namespace ganglion::hlo
