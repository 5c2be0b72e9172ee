// What writer and reader of HloModuleProto share: XLA's numbers of element types, spellings, and the names of the
// attributes in which ganglion keeps what XLA has no field for. Internal to hlo/.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "hlo/module.h"

namespace ganglion::hlo {

inline constexpr int kTupleType = 13;
// XLA's PrimitiveType of an element type, and back.
int primitive_type(DType dtype) noexcept;
std::optional<DType> dtype_of_primitive(int type) noexcept;

// "EQ", "NE", "GE", "GT", "LE", "LT".
std::string_view comparison_name(Comparison comparison) noexcept;
std::optional<Comparison> parse_comparison(std::string_view name) noexcept;
// "FLOAT", "SIGNED" or "UNSIGNED": how XLA compares operands of a type.
std::string_view comparison_type(DType dtype) noexcept;

// Names of frontend attributes.
inline constexpr char kCompositeName[] = "composite.name";
inline constexpr char kCompositeVersion[] = "composite.version";
inline constexpr char kCompositeAttributes[] = "composite.attributes";
inline constexpr char kRole[] = "ganglion.role";                 // "weight", "state"; absent: input
inline constexpr char kSharded[] = "ganglion.sharded";           // "true"
inline constexpr char kRowBindings[] = "ganglion.row_bindings";  // of the module: "0:6,1:6,5:7" parameter:size

// A composite's attributes as one text, `{epsilon = "1e-05"}`, and back; nullopt when the text is not of that form.
std::string composite_attributes_text(const std::map<std::string, std::string>& attributes);
std::optional<std::map<std::string, std::string>> parse_composite_attributes(std::string_view text);

// Everything of an instruction that goes into frontend attributes.
std::map<std::string, std::string> frontend_attributes(const Instruction& instruction);
std::string row_bindings_text(const Module& module);

}  // namespace ganglion::hlo
