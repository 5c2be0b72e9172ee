#include "hlo/proto_reader.h"

#include <google/protobuf/stubs/logging.h>

#include <charconv>
#include <cstring>
#include <limits>
#include <unordered_map>

#include "base/error.h"
#include "hlo/proto/hlo.pb.h"
#include "hlo/proto_types.h"
#include "hlo/shape_inference.h"
#include "hlo/verifier.h"

namespace ganglion::hlo {
namespace {

// An instruction takes far more memory than the few bytes that a file can spend on one.
constexpr std::size_t kMaxInstructions = 1'000'000;

template <typename Field>
Dims to_dims(const Field& field) {
  return {field.begin(), field.end()};
}

Shape read_shape(const proto::Shape& in, const std::string& name) {
  if (in.element_type() == kTupleType) {
    Shape out = Shape::tuple({});
    for (const proto::Shape& element : in.tuple_shapes()) out.elements.push_back(read_shape(element, name));
    return out;
  }
  const auto dtype = dtype_of_primitive(in.element_type());
  if (!dtype)
    fail(Code::kUnsupported, "[hlo proto] {}: element type number {} of XLA is not supported", name, in.element_type());
  Shape out = Shape::array(*dtype, to_dims(in.dimensions()));
  for (int i = 0; i < in.is_dynamic_dimension_size(); ++i) {
    if (!in.is_dynamic_dimension(i)) continue;
    if (i != 0) fail(Code::kUnsupported, "[hlo proto] {}: dimension {} is bounded; only the first may be", name, i);
    out.bounded = true;
  }
  if (in.has_layout() && in.layout().minor_to_major_size() > 0) {
    const auto& order = in.layout().minor_to_major();
    bool row_major = order.size() == out.rank();
    for (int i = 0; row_major && i < order.size(); ++i) row_major = order[i] == out.rank() - 1 - i;
    if (!row_major) fail(Code::kUnsupported, "[hlo proto] {}: only row-major layouts are supported", name);
  }
  return out;
}

template <typename T, typename Field>
Tensor copy_elements(DType dtype, const Dims& dims, const Field& field) {
  Tensor out(dtype, dims);
  std::copy(field.begin(), field.end(), out.as<T>().begin());
  return out;
}

Tensor read_literal(const proto::Literal& in, const std::string& name) {
  const Shape shape = read_shape(in.shape(), name);
  const std::string problem = shape_problem(shape);
  if (!problem.empty() || shape.is_tuple)
    fail(Code::kDataCorrupt, "[hlo proto] literal of {}: {}", name, shape.is_tuple ? "a tuple" : problem);
  const std::int64_t count = element_count(shape.dims);
  const auto want = [&](std::int64_t seen) {
    if (seen != count)
      fail(Code::kDataCorrupt, "[hlo proto] literal of {}: {} elements for {}", name, seen, shape.text());
  };
  const auto from_bytes = [&](const std::string& bytes) {
    const std::size_t size = dtype_size(shape.dtype);
    if (bytes.size() % size != 0)
      fail(Code::kDataCorrupt, "[hlo proto] literal of {}: {} bytes for {}", name, bytes.size(), shape.text());
    want(static_cast<std::int64_t>(bytes.size() / size));
    Tensor out(shape.dtype, shape.dims);
    if (!bytes.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
    return out;
  };
  switch (shape.dtype) {
    case DType::kPred:
      want(in.preds_size());
      return copy_elements<std::uint8_t>(shape.dtype, shape.dims, in.preds());
    case DType::kS32:
      want(in.s32s_size());
      return copy_elements<std::int32_t>(shape.dtype, shape.dims, in.s32s());
    case DType::kS64:
      want(in.s64s_size());
      return copy_elements<std::int64_t>(shape.dtype, shape.dims, in.s64s());
    case DType::kU32:
      want(in.u32s_size());
      return copy_elements<std::uint32_t>(shape.dtype, shape.dims, in.u32s());
    case DType::kF32:
      want(in.f32s_size());
      return copy_elements<float>(shape.dtype, shape.dims, in.f32s());
    case DType::kU8:
      return from_bytes(in.u8s());
    case DType::kS4: {
      Tensor out = from_bytes(in.s4s());
      for (std::int8_t& value : out.as<std::int8_t>()) {
        const int number = ((value & 15) ^ 8) - 8;
        if (value != number && value != (number & 15))
          fail(Code::kDataCorrupt, "[hlo proto] literal of {}: {} is no s4; -8 to 7 are, in four or eight bits", name,
               int{value});
        value = static_cast<std::int8_t>(number);
      }
      return out;
    }
    case DType::kS8:
      return from_bytes(in.s8s());
    case DType::kF16:
      return from_bytes(in.f16s());
    case DType::kBF16:
      return from_bytes(in.bf16s());
  }
  fail(Code::kInternal, "[hlo proto] literal of {}: unknown type", name);
}

void read_fields(const proto::Instruction& in, Instruction& out) {
  out.dimensions = to_dims(in.dimensions());
  for (const proto::SliceDimensions& slice : in.slice_dimensions()) {
    out.starts.push_back(slice.start());
    out.limits.push_back(slice.limit());
    out.strides.push_back(slice.stride());
  }
  out.slice_sizes = to_dims(in.dynamic_slice_sizes());
  for (const proto::PaddingDimension& padding : in.padding_config().dimensions()) {
    out.padding.push_back({padding.low(), padding.high(), padding.interior()});
  }
  out.parameter_number = in.parameter_number();
  out.tuple_index = in.tuple_index();
  if (out.opcode == Opcode::kCompare) {
    const auto comparison = parse_comparison(in.comparison_direction());
    if (!comparison)
      fail(Code::kDataCorrupt, "[hlo proto] {}: comparison direction '{}'", in.name(), in.comparison_direction());
    if (in.comparison_type() == "TOTALORDER")
      fail(Code::kUnsupported, "[hlo proto] {}: comparison in total order is not supported", in.name());
    out.comparison = *comparison;
  }
  const proto::DotDimensionNumbers& dot = in.dot_dimension_numbers();
  out.dot = {to_dims(dot.lhs_contracting()), to_dims(dot.rhs_contracting()), to_dims(dot.lhs_batch()),
             to_dims(dot.rhs_batch())};
  if (in.dot_sparsity_size() > 0) fail(Code::kUnsupported, "[hlo proto] {}: sparse dot is not supported", in.name());
  const proto::GatherDimensionNumbers& gather = in.gather_dimension_numbers();
  if (gather.operand_batching_dims_size() > 0)
    fail(Code::kUnsupported, "[hlo proto] {}: batching dims of gather are not supported", in.name());
  out.gather = {to_dims(gather.offset_dims()), to_dims(gather.collapsed_slice_dims()),
                to_dims(gather.start_index_map()), gather.index_vector_dim(), to_dims(in.gather_slice_sizes())};
  const proto::ScatterDimensionNumbers& scatter = in.scatter_dimension_numbers();
  if (scatter.input_batching_dims_size() > 0)
    fail(Code::kUnsupported, "[hlo proto] {}: batching dims of scatter are not supported", in.name());
  out.scatter = {to_dims(scatter.update_window_dims()), to_dims(scatter.inserted_window_dims()),
                 to_dims(scatter.scatter_dims_to_operand_dims()), scatter.index_vector_dim(), in.unique_indices()};
  out.is_stable = in.is_stable();
  out.custom_call_target = in.custom_call_target();
  if (in.collective_device_list().has_iota_replica_groups())
    fail(Code::kUnsupported, "[hlo proto] {}: replica groups written as an iota are not supported; list them",
         in.name());
  const bool is_listed = in.collective_device_list().replica_groups_size() > 0;
  for (const proto::ReplicaGroup& group :
       is_listed ? in.collective_device_list().replica_groups() : in.replica_groups())
    out.replica_groups.push_back(to_dims(group.replica_ids()));
  out.place = in.metadata().op_name();
}

std::optional<std::int64_t> parse_number(std::string_view text) {
  std::int64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

void read_attributes(const proto::Instruction& in, Instruction& out) {
  const auto& map = in.frontend_attributes().map();
  const auto get = [&](const char* name) -> std::string {
    const auto found = map.find(name);
    return found == map.end() ? std::string() : found->second;
  };
  if (in.is_composite()) {
    out.composite.name = get(kCompositeName);
    const std::string version = get(kCompositeVersion);
    const auto number = version.empty() ? std::optional<std::int64_t>(1) : parse_number(version);
    // Another library's composite may have attributes in a form of its own: then it is an ordinary call to us.
    const auto attributes =
        parse_composite_attributes(map.contains(kCompositeAttributes) ? get(kCompositeAttributes) : "{}");
    if (attributes && number && *number >= 0 && *number < std::numeric_limits<int>::max()) {
      out.composite.version = static_cast<int>(*number);
      out.composite.attributes = *attributes;
    } else {
      out.composite.name.clear();
    }
  }
  const std::string role = get(kRole);
  if (role == "weight") out.role = ParameterRole::kWeight;
  if (role == "state") out.role = ParameterRole::kState;
  out.sharded = get(kSharded) == "true";
}

class Reader {
 public:
  std::unique_ptr<Module> read(const proto::Module& in) {
    auto module = std::make_unique<Module>();
    module->name = in.name();
    std::size_t instructions = 0;
    for (const proto::Computation& computation : in.computations())
      instructions += static_cast<std::size_t>(computation.instructions_size());
    if (instructions > kMaxInstructions)
      fail(Code::kResourceExhausted, "[hlo proto] {} instructions; at most {}", instructions, kMaxInstructions);
    for (const proto::Computation& computation : in.computations()) read_computation(computation, *module);
    const auto entry = computations_.find(in.entry_computation_id());
    if (entry == computations_.end())
      fail(Code::kDataCorrupt, "[hlo proto] the entry computation {} is not in the module", in.entry_computation_id());
    module->entry = entry->second;
    for (auto& computation : module->computations) {  // the entry stands last; callees keep their order before it
      if (computation.get() == module->entry) std::swap(computation, module->computations.back());
    }
    read_aliases(in, *module);
    read_row_bindings(in, *module);
    return module;
  }

 private:
  void read_computation(const proto::Computation& in, Module& module) {
    Computation* out = module.add_computation(in.name());
    std::unordered_map<std::int64_t, Instruction*> by_id;
    for (const proto::Instruction& given : in.instructions()) {
      const auto opcode = parse_opcode(given.opcode());
      if (!opcode)
        fail(Code::kUnsupported, "[hlo proto] {}: opcode '{}' is not supported", given.name(), given.opcode());
      auto made = std::make_unique<Instruction>();
      made->opcode = *opcode;
      made->name = given.name();
      made->shape = read_shape(given.shape(), given.name());
      for (const std::int64_t id : given.operand_ids()) {
        const auto operand = by_id.find(id);
        if (operand == by_id.end())
          fail(Code::kDataCorrupt, "[hlo proto] {}: operand {} does not stand before it", given.name(), id);
        made->operands.push_back(operand->second);
      }
      for (const std::int64_t id : given.called_computation_ids()) {
        const auto callee = computations_.find(id);
        if (callee == computations_.end())
          fail(Code::kDataCorrupt, "[hlo proto] {}: called computation {} does not stand before it", given.name(), id);
        made->called.push_back(callee->second);
      }
      if (*opcode == Opcode::kWhile && made->called.size() == 2) std::swap(made->called[0], made->called[1]);
      read_fields(given, *made);
      read_attributes(given, *made);
      if (*opcode == Opcode::kConstant)
        made->literal = std::make_shared<const Tensor>(read_literal(given.literal(), given.name()));
      if (!by_id.emplace(given.id(), made.get()).second)
        fail(Code::kDataCorrupt, "[hlo proto] {}: id {} is used twice", given.name(), given.id());
      out->instructions.push_back(std::move(made));
    }
    const auto root = by_id.find(in.root_id());
    if (root == by_id.end())
      fail(Code::kDataCorrupt, "[hlo proto] computation {}: its root {} is not in it", in.name(), in.root_id());
    out->root = root->second;
    if (!computations_.emplace(in.id(), out).second)
      fail(Code::kDataCorrupt, "[hlo proto] computation {}: id {} is used twice", in.name(), in.id());
  }

  static void read_aliases(const proto::Module& in, Module& module) {
    for (const proto::AliasEntry& entry : in.input_output_alias().entries()) {
      if (entry.output_shape_index_size() > 1 || entry.parameter_shape_index_size() > 0) {
        fail(Code::kUnsupported, "[hlo proto] an alias inside a nested tuple is not supported");
      }
      module.aliases.push_back(
          {entry.output_shape_index_size() == 1 ? entry.output_shape_index(0) : 0, entry.parameter_number()});
    }
  }

  static void read_row_bindings(const proto::Module& in, Module& module) {
    const auto found = in.frontend_attributes().map().find(kRowBindings);
    if (found == in.frontend_attributes().map().end()) return;
    std::string_view text = found->second;
    while (!text.empty()) {
      const std::string_view part = text.substr(0, text.find(','));
      const std::size_t colon = part.find(':');
      const auto parameter = parse_number(part.substr(0, colon));
      const auto size = colon == std::string_view::npos ? std::nullopt : parse_number(part.substr(colon + 1));
      if (!parameter || !size)
        fail(Code::kDataCorrupt, "[hlo proto] {}='{}': wanted parameter:size pairs", kRowBindings, found->second);
      module.row_bindings.push_back({*parameter, *size});
      text = part.size() == text.size() ? std::string_view() : text.substr(part.size() + 1);
    }
  }

  std::unordered_map<std::int64_t, Computation*> computations_;
};

}  // namespace

std::unique_ptr<Module> read_proto(std::span<const std::byte> bytes) {
  const google::protobuf::LogSilencer silence;  // errors are ours to report, not stderr's
  proto::Module in;
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) || bytes.empty() ||
      !in.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    fail(Code::kDataCorrupt, "[hlo proto] {} bytes are no HloModuleProto", bytes.size());
  }
  auto module = Reader().read(in);
  verify(*module);
  return module;
}

}  // namespace ganglion::hlo
