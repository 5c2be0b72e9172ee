#include "hlo/proto_writer.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <unordered_map>

#include "base/error.h"
#include "hlo/proto/hlo.pb.h"
#include "hlo/proto_types.h"

namespace ganglion::hlo {
namespace {

template <typename Field>
void fill(Field* field, const Dims& values) {
  field->Assign(values.begin(), values.end());
}

void write_shape(const Shape& shape, proto::Shape* out) {
  if (shape.is_tuple) {
    out->set_element_type(kTupleType);
    for (const Shape& element : shape.elements) write_shape(element, out->add_tuple_shapes());
    return;
  }
  out->set_element_type(primitive_type(shape.dtype));
  proto::Layout* layout = out->mutable_layout();
  for (int i = 0; i < shape.rank(); ++i) {
    out->add_dimensions(shape.dims[static_cast<std::size_t>(i)]);
    out->add_is_dynamic_dimension(i == 0 && shape.bounded);
    layout->add_minor_to_major(shape.rank() - 1 - i);
  }
}

void write_literal(const Tensor& tensor, proto::Literal* out) {
  write_shape(Shape::array(tensor.dtype(), tensor.dims()), out->mutable_shape());
  const auto bytes = [&] { return std::string(reinterpret_cast<const char*>(tensor.data()), tensor.bytes()); };
  switch (tensor.dtype()) {
    case DType::kPred:
      for (const std::uint8_t value : tensor.as<std::uint8_t>()) out->add_preds(value != 0);
      return;
    case DType::kU8:
      out->set_u8s(bytes());
      return;
    case DType::kS4:
      for (const std::int8_t value : tensor.as<std::int8_t>())
        out->mutable_s4s()->push_back(static_cast<char>(value & 15));
      return;
    case DType::kS8:
      out->set_s8s(bytes());
      return;
    case DType::kF16:
      out->set_f16s(bytes());
      return;
    case DType::kBF16:
      out->set_bf16s(bytes());
      return;
    case DType::kS32:
      out->mutable_s32s()->Add(tensor.as<std::int32_t>().begin(), tensor.as<std::int32_t>().end());
      return;
    case DType::kS64:
      out->mutable_s64s()->Add(tensor.as<std::int64_t>().begin(), tensor.as<std::int64_t>().end());
      return;
    case DType::kU32:
      out->mutable_u32s()->Add(tensor.as<std::uint32_t>().begin(), tensor.as<std::uint32_t>().end());
      return;
    case DType::kF32:
      out->mutable_f32s()->Add(tensor.as<float>().begin(), tensor.as<float>().end());
      return;
  }
}

using Ids = std::unordered_map<const void*, std::int64_t>;

void write_fields(const Instruction& i, proto::Instruction* out) {
  fill(out->mutable_dimensions(), i.dimensions);
  for (std::size_t d = 0; d < i.starts.size(); ++d) {
    proto::SliceDimensions* slice = out->add_slice_dimensions();
    slice->set_start(i.starts[d]);
    slice->set_limit(i.limits[d]);
    slice->set_stride(i.strides[d]);
  }
  fill(out->mutable_dynamic_slice_sizes(), i.slice_sizes);
  for (const PaddingDim& padding : i.padding) {
    proto::PaddingDimension* dimension = out->mutable_padding_config()->add_dimensions();
    dimension->set_low(padding.low);
    dimension->set_high(padding.high);
    dimension->set_interior(padding.interior);
  }
  switch (i.opcode) {
    case Opcode::kParameter:
      out->set_parameter_number(i.parameter_number);
      break;
    case Opcode::kConstant:
      write_literal(*i.literal, out->mutable_literal());
      break;
    case Opcode::kGetTupleElement:
      out->set_tuple_index(i.tuple_index);
      break;
    case Opcode::kCompare:
      out->set_comparison_direction(std::string(comparison_name(i.comparison)));
      out->set_comparison_type(std::string(comparison_type(i.operands[0]->shape.dtype)));
      break;
    case Opcode::kDot: {
      proto::DotDimensionNumbers* dot = out->mutable_dot_dimension_numbers();
      fill(dot->mutable_lhs_contracting(), i.dot.lhs_contracting);
      fill(dot->mutable_rhs_contracting(), i.dot.rhs_contracting);
      fill(dot->mutable_lhs_batch(), i.dot.lhs_batch);
      fill(dot->mutable_rhs_batch(), i.dot.rhs_batch);
      break;
    }
    case Opcode::kGather: {
      proto::GatherDimensionNumbers* gather = out->mutable_gather_dimension_numbers();
      fill(gather->mutable_offset_dims(), i.gather.offset_dims);
      fill(gather->mutable_collapsed_slice_dims(), i.gather.collapsed_slice_dims);
      fill(gather->mutable_start_index_map(), i.gather.start_index_map);
      gather->set_index_vector_dim(i.gather.index_vector_dim);
      fill(out->mutable_gather_slice_sizes(), i.gather.slice_sizes);
      break;
    }
    case Opcode::kScatter: {
      proto::ScatterDimensionNumbers* scatter = out->mutable_scatter_dimension_numbers();
      fill(scatter->mutable_update_window_dims(), i.scatter.update_window_dims);
      fill(scatter->mutable_inserted_window_dims(), i.scatter.inserted_window_dims);
      fill(scatter->mutable_scatter_dims_to_operand_dims(), i.scatter.scatter_dims_to_operand_dims);
      scatter->set_index_vector_dim(i.scatter.index_vector_dim);
      out->set_unique_indices(i.scatter.unique_indices);
      break;
    }
    case Opcode::kPad:
      out->mutable_padding_config();  // XLA wants it even where a scalar is padded and there is nothing to say
      break;
    case Opcode::kSort:
      out->set_is_stable(i.is_stable);
      break;
    case Opcode::kCall:
      out->set_is_composite(!i.composite.name.empty());
      break;
    case Opcode::kCustomCall:
      out->set_custom_call_target(i.custom_call_target);
      out->set_custom_call_api_version(1);
      break;
    case Opcode::kAllReduce:
    case Opcode::kAllGather:
      for (const auto& group : i.replica_groups) fill(out->add_replica_groups()->mutable_replica_ids(), group);
      break;
    default:
      break;
  }
}

void write_instruction(const Instruction& i, const Ids& ids, proto::Instruction* out) {
  out->set_name(i.name);
  out->set_opcode(std::string(opcode_name(i.opcode)));
  write_shape(i.shape, out->mutable_shape());
  out->set_id(ids.at(&i));
  for (const Instruction* operand : i.operands) out->add_operand_ids(ids.at(operand));
  // XLA has a while's body first.
  if (i.opcode == Opcode::kWhile) {
    out->add_called_computation_ids(ids.at(i.called[1]));
    out->add_called_computation_ids(ids.at(i.called[0]));
  } else {
    for (const Computation* callee : i.called) out->add_called_computation_ids(ids.at(callee));
  }
  if (!i.place.empty()) out->mutable_metadata()->set_op_name(i.place);
  write_fields(i, out);
  for (const auto& [name, value] : frontend_attributes(i))
    (*out->mutable_frontend_attributes()->mutable_map())[name] = value;
}

void write_program_shape(const Computation& computation, proto::ProgramShape* out) {
  for (const Instruction* parameter : computation.parameters()) {
    write_shape(parameter->shape, out->add_parameters());
    out->add_parameter_names(parameter->name);
  }
  write_shape(computation.root->shape, out->mutable_result());
}

}  // namespace

std::string write_proto(const Module& module) {
  proto::Module out;
  Ids ids;
  std::int64_t next = 1;
  out.set_name(module.name);
  for (const auto& computation : module.computations) {
    ids[computation.get()] = next++;
    for (const auto& instruction : computation->instructions) ids[instruction.get()] = next++;
  }
  for (const auto& computation : module.computations) {
    proto::Computation* made = out.add_computations();
    made->set_name(computation->name);
    made->set_id(ids.at(computation.get()));
    made->set_root_id(ids.at(computation->root));
    write_program_shape(*computation, made->mutable_program_shape());
    for (const auto& instruction : computation->instructions)
      write_instruction(*instruction, ids, made->add_instructions());
  }
  out.set_entry_computation_name(module.entry->name);
  out.set_entry_computation_id(ids.at(module.entry));
  write_program_shape(*module.entry, out.mutable_host_program_shape());
  for (const Alias& alias : module.aliases) {
    proto::AliasEntry* entry = out.mutable_input_output_alias()->add_entries();
    if (module.entry->root->shape.is_tuple) entry->add_output_shape_index(alias.output);
    entry->set_parameter_number(alias.parameter);
    entry->set_kind(1);
  }
  if (!module.row_bindings.empty())
    (*out.mutable_frontend_attributes()->mutable_map())[kRowBindings] = row_bindings_text(module);

  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    GANGLION_CHECK(out.SerializeToCodedStream(&coded));
  }
  return bytes;
}

}  // namespace ganglion::hlo
