// Files that lie. The protobuf classes are used to write them.
#include "hlo/proto_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "hlo/builder.h"
#include "hlo/proto/hlo.pb.h"
#include "hlo/proto_types.h"
#include "hlo/proto_writer.h"

namespace ganglion::hlo {
namespace {

class ProtoReader : public testing::Test {
 protected:
  void SetUp() override {
    Builder b("m");
    const Value x = b.input("x", Shape::array(DType::kF32, {2, 2}));
    const Value cache = b.state("cache", Shape::array(DType::kF32, {2, 2}));
    const Value y = dot(x, b.constant(Tensor(DType::kF32, {2, 2})), {{1}, {0}, {}, {}});
    const auto module =
        b.finish({all_reduce(y, b.binary_computation(Opcode::kAdd, DType::kF32)), cache + x}, {{1, cache}});
    ASSERT_TRUE(in.ParseFromString(write_proto(*module)));
  }
  proto::Instruction& instruction(const std::string& opcode) {
    for (proto::Instruction& i : *in.mutable_computations(1)->mutable_instructions()) {
      if (i.opcode() == opcode) return i;
    }
    ADD_FAILURE() << opcode;
    return *in.mutable_computations(1)->mutable_instructions(0);
  }
  std::string problem() {
    const std::string bytes = in.SerializeAsString();
    try {
      read_proto(std::as_bytes(std::span(bytes)));
    } catch (const Error& error) {
      return std::string(code_name(error.code())) + " " + error.what();
    }
    return "";
  }

  proto::Module in;
};

TEST_F(ProtoReader, ReadsWhatWasWritten) { EXPECT_EQ(problem(), ""); }

TEST_F(ProtoReader, RefusesBytesThatAreNoModule) {
  for (const std::string bytes : {"", "garbage", "\x0a\xff\xff\xff\xff\x0f"}) {
    try {
      read_proto(std::as_bytes(std::span(bytes)));
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::kDataCorrupt);
    }
  }
}

TEST_F(ProtoReader, RefusesEveryTruncation) {
  const std::string bytes = in.SerializeAsString();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    try {
      read_proto(std::as_bytes(std::span(bytes.data(), size)));
      // What is cut away at a field's border may leave a module: without its aliases, say.
    } catch (const Error& error) {
      EXPECT_NE(error.code(), Code::kInternal) << size << error.what();
    }
  }
}

TEST_F(ProtoReader, NamesOpcodesAndTypesItDoesNotHave) {
  instruction("dot").set_opcode("fft");
  EXPECT_EQ(problem(), "unsupported [hlo proto] dot.1: opcode 'fft' is not supported");
  instruction("fft").mutable_shape()->set_element_type(12);
  instruction("fft").set_opcode("dot");
  EXPECT_EQ(problem(), "unsupported [hlo proto] dot.1: element type number 12 of XLA is not supported");
}

TEST_F(ProtoReader, ResolvesEveryId) {
  instruction("dot").set_operand_ids(0, 999);
  EXPECT_EQ(problem(), "data_corrupt [hlo proto] dot.1: operand 999 does not stand before it");
  instruction("dot").set_operand_ids(0, instruction("dot").id());
  EXPECT_NE(problem().find("does not stand before it"), std::string::npos);
}

TEST_F(ProtoReader, ResolvesComputationsAndRoots) {
  instruction("all-reduce").set_called_computation_ids(0, 2);
  EXPECT_NE(problem().find("called computation 2 does not stand before it"), std::string::npos) << problem();
  instruction("all-reduce").set_called_computation_ids(0, 1);
  in.mutable_computations(1)->set_root_id(1);
  EXPECT_EQ(problem(), "data_corrupt [hlo proto] computation main: its root 1 is not in it");
}

TEST_F(ProtoReader, WantsItsEntry) {
  in.set_entry_computation_id(77);
  EXPECT_EQ(problem(), "data_corrupt [hlo proto] the entry computation 77 is not in the module");
}

TEST_F(ProtoReader, WantsIdsOnce) {
  instruction("dot").set_id(instruction("constant").id());
  EXPECT_NE(problem().find("is used twice"), std::string::npos);
  in.mutable_computations(0)->set_id(in.computations(1).id());
  EXPECT_NE(problem(), "");
}

TEST_F(ProtoReader, WantsAsManyElementsAsALiteralsShapeSays) {
  proto::Literal& literal = *instruction("constant").mutable_literal();
  literal.mutable_shape()->set_dimensions(0, std::int64_t{1} << 38);
  EXPECT_EQ(problem(), "data_corrupt [hlo proto] literal of constant.0: 4 elements for f32[274877906944,2]");
  literal.mutable_shape()->set_dimensions(0, std::int64_t{1} << 62);
  EXPECT_NE(problem().find("more than 2^40 elements"), std::string::npos);
  literal.mutable_shape()->set_dimensions(0, 2);
  literal.mutable_shape()->mutable_layout()->set_minor_to_major(0, 0);
  EXPECT_EQ(problem(), "unsupported [hlo proto] constant.0: only row-major layouts are supported");
}

TEST_F(ProtoReader, ReadsS4InFourOrEightBitsOfAByteAndRefusesWhatIsNone) {
  proto::Literal& literal = *instruction("constant").mutable_literal();
  literal.mutable_shape()->set_element_type(21);
  instruction("constant").mutable_shape()->set_element_type(21);
  const auto literal_of = [&] {
    const std::string bytes = in.SerializeAsString();
    const auto module = read_proto(std::as_bytes(std::span(bytes)));
    for (const auto& i : module->entry->instructions) {
      if (i->opcode == Opcode::kConstant) return i->literal->clone();
    }
    return Tensor();
  };
  // The dot of f32 with s4 is refused later; what is looked at is the literal.
  instruction("dot").set_operand_ids(1, instruction("dot").operand_ids(0));
  const std::vector<std::int8_t> wanted = {-8, 7, -1, 3};
  for (const std::string bytes : {"\x08\x07\x0f\x03", "\xf8\x07\xff\x03"}) {
    literal.set_s4s(bytes);
    const Tensor read = literal_of();
    EXPECT_EQ(read.dtype(), DType::kS4);
    EXPECT_TRUE(std::equal(wanted.begin(), wanted.end(), read.as<std::int8_t>().begin()));
  }
  literal.set_s4s("\x18\x07\x0f\x03");
  EXPECT_EQ(problem(),
            "data_corrupt [hlo proto] literal of constant.0: 24 is no s4; -8 to 7 are, in four or eight bits");
  literal.set_s4s("\x08");
  EXPECT_EQ(problem(), "data_corrupt [hlo proto] literal of constant.0: 1 elements for s4[2,2]");
}

TEST_F(ProtoReader, RefusesFieldsThatWouldChangeTheMeaning) {
  instruction("dot").add_dot_sparsity("x");
  EXPECT_EQ(problem(), "unsupported [hlo proto] dot.1: sparse dot is not supported");
  instruction("dot").clear_dot_sparsity();
  instruction("all-reduce").mutable_collective_device_list()->mutable_iota_replica_groups();
  EXPECT_NE(problem().find("replica groups written as an iota are not supported"), std::string::npos);
}

TEST_F(ProtoReader, RefusesDynamicDimensionsBeyondTheFirst) {
  instruction("parameter").mutable_shape()->set_is_dynamic_dimension(1, true);
  EXPECT_EQ(problem(), "unsupported [hlo proto] x: dimension 1 is bounded; only the first may be");
  instruction("parameter").mutable_shape()->set_is_dynamic_dimension(1, false);
  instruction("parameter").mutable_shape()->set_is_dynamic_dimension(0, true);
  EXPECT_NE(problem(), "");
}

TEST_F(ProtoReader, VerifiesShapes) {
  instruction("dot").mutable_shape()->set_dimensions(0, 3);
  EXPECT_EQ(problem(),
            "invalid_argument [hlo] %dot.1: dot of f32[2,2] and f32[2,2] gives f32[2,2], but its shape says f32[3,2]");
}

TEST_F(ProtoReader, RefusesTuplesNestedWithoutEnd) {
  proto::Shape* shape = instruction("parameter").mutable_shape();
  for (int k = 0; k < 20; ++k) {
    shape->set_element_type(13);
    shape = shape->add_tuple_shapes();
  }
  shape->set_element_type(11);
  EXPECT_NE(problem().find("tuples are nested more than 4 deep"), std::string::npos) << problem();
  for (int k = 0; k < 200; ++k) {
    shape->set_element_type(13);
    shape = shape->add_tuple_shapes();
  }
  EXPECT_NE(problem().find("data_corrupt"), std::string::npos) << problem();
}

TEST_F(ProtoReader, VerifiesAliases) {
  in.mutable_input_output_alias()->mutable_entries(0)->set_parameter_number(1000);
  EXPECT_EQ(problem(), "invalid_argument [hlo] alias to parameter 1000: the entry has 2 parameters");
}

TEST_F(ProtoReader, RefusesRowBindingsThatAreNone) {
  for (const char* bad : {"zero", "0", "0:", "0:1x"}) {
    (*in.mutable_frontend_attributes()->mutable_map())[kRowBindings] = bad;
    EXPECT_EQ(problem(),
              fmt::format("data_corrupt [hlo proto] ganglion.row_bindings='{}': wanted parameter:size pairs", bad));
  }
}

TEST(Proto, CompositeAttributesAreReadBack) {
  const std::map<std::string, std::string> values = {{"epsilon", "1e-05"}, {"form", "tanh"}};
  EXPECT_EQ(parse_composite_attributes(composite_attributes_text(values)), values);
  EXPECT_EQ(parse_composite_attributes("{}"), (std::map<std::string, std::string>{}));
  for (const char* bad : {"x", "{", "{a", "{a = \"x", "{a = \"1\" b}"}) {
    EXPECT_EQ(parse_composite_attributes(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace ganglion::hlo
