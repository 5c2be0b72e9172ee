#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "base/error.h"
#include "hlo/builder.h"
#include "hlo/composite.h"
#include "hlo/proto/hlo.pb.h"
#include "hlo/proto_reader.h"
#include "hlo/proto_writer.h"
#include "hlo/text_printer.h"

namespace ganglion::hlo {
namespace {

std::unique_ptr<Module> reread(const std::string& bytes) { return read_proto(std::as_bytes(std::span(bytes))); }

// Something of every kind of field.
std::unique_ptr<Module> varied_module() {
  Builder b("varied");
  const auto place = b.place("[test] layer 1");
  const Value count = b.input("count", Shape::array(DType::kS32, {}));
  const Value ids = b.bounded_input("ids", Shape::array(DType::kS32, {8}), count);
  const Value slots = b.bounded_input("slots", Shape::array(DType::kS32, {8}), count);
  const Value table = b.weight("table", Shape::array(DType::kBF16, {10, 4}), {.sharded = true});
  const Value cache = b.state("cache", Shape::array(DType::kF16, {2, 1, 16, 4}));
  const Value x = embedding(table, ids);
  const Value written = kv_write(cache, gelu(x, GeluForm::kTanh), slots, CacheKind::kValue);
  const Value y = b.input("y", Shape::array(DType::kF32, {3, 4}));
  const Value z = slice(
      pad(reverse(y, {0}), b.scalar(DType::kF32, -std::numeric_limits<double>::infinity()), {{1, 0, 1}, {0, 0, 0}}),
      {0, 1}, {6, 4}, {2, 1});
  const Value order =
      sort({y, b.iota(Shape::array(DType::kS32, {3, 4}), 1)}, 1, true,
           b.computation("less",
                         {Shape::array(DType::kF32, {}), Shape::array(DType::kF32, {}), Shape::array(DType::kS32, {}),
                          Shape::array(DType::kS32, {})},
                         [](const std::vector<Value>& p) { return compare(p[0], p[1], Comparison::kLt); }))[1];
  const Shape counter = Shape::array(DType::kS32, {});
  const Value loop = while_loop(
      count,
      b.computation(
          "more", {counter},
          [&](const std::vector<Value>& p) { return compare(p[0], b.scalar(DType::kS32, 9), Comparison::kLt); }),
      b.computation("next", {counter}, [&](const std::vector<Value>& p) { return p[0] + 1.0; }));
  const Value sum = all_reduce(y, b.binary_computation(Opcode::kAdd, DType::kF32), {{0, 1}});
  const Value wide = all_gather(dynamic_slice(y, {count, count}, {2, 2}), 1, 2);
  return b.finish({x, written, z, order, loop, sum, wide,
                   b.constant(Tensor::from<std::int64_t>(DType::kS64, {2}, std::vector<std::int64_t>{1, -1})),
                   b.constant(Tensor::from<std::uint8_t>(DType::kPred, {2}, std::vector<std::uint8_t>{1, 0}))},
                  {{1, cache}});
}

TEST(Proto, AModuleSurvivesTheRoundTrip) {
  const auto module = varied_module();
  const std::string bytes = write_proto(*module);
  const auto again = reread(bytes);
  EXPECT_EQ(print_text(*again), print_text(*module));
  EXPECT_EQ(write_proto(*again), bytes);
  EXPECT_EQ(again->row_bindings.size(), 2u);
  EXPECT_EQ(again->aliases.size(), 1u);
}

TEST(Proto, BytesThatAreNoModuleAreRefused) {
  EXPECT_THROW(reread(""), Error);
  EXPECT_THROW(reread("{\"not\": \"a module\"}"), Error);
  const std::string bytes = write_proto(*varied_module());
  for (std::size_t length = 1; length < bytes.size(); length += 37) {
    EXPECT_THROW(reread(bytes.substr(0, length)), Error) << length;
  }
}

TEST(Proto, EveryOneByteChangeIsReadOrRefusedWithAnError) {
  const std::string bytes = write_proto(*varied_module());
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ 0x15);
    try {
      reread(changed);
    } catch (const Error& error) {
      EXPECT_NE(error.code(), Code::kInternal) << error.what();
    }
  }
}

TEST(Proto, AnUnknownOpcodeIsNamed) {
  std::string bytes = write_proto(*varied_module());
  const std::size_t at = bytes.find("reverse", bytes.find("reverse") + 1);
  bytes.replace(at, 7, "foofoof");
  try {
    reread(bytes);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kUnsupported);
    EXPECT_NE(std::string(error.what()).find("foofoof"), std::string::npos) << error.what();
  }
}

TEST(Proto, APaddedScalarStillHasAPaddingConfig) {
  Builder b("pad");
  const Value x = b.input("x", Shape::array(DType::kF32, {}));
  const auto module = b.finish({pad(x, b.scalar(DType::kF32, 0), {})});
  proto::Module written;
  ASSERT_TRUE(written.ParseFromString(write_proto(*module)));
  int pads = 0;
  for (const auto& instruction : written.computations(0).instructions()) {
    if (instruction.opcode() != "pad") continue;
    ++pads;
    EXPECT_TRUE(instruction.has_padding_config());  // XLA refuses the module otherwise
  }
  EXPECT_EQ(pads, 1);
}

TEST(Proto, ReplicaGroupsAreReadFromTheDeviceListOfTodaysXla) {
  Builder b("groups");
  const Value x = b.input("x", Shape::array(DType::kF32, {2}));
  const auto module = b.finish({all_reduce(x, b.binary_computation(Opcode::kAdd, DType::kF32), {{0, 2}, {1, 3}})});
  proto::Module written;
  ASSERT_TRUE(written.ParseFromString(write_proto(*module)));
  for (auto& computation : *written.mutable_computations()) {
    for (auto& instruction : *computation.mutable_instructions()) {
      if (instruction.opcode() != "all-reduce") continue;
      instruction.mutable_collective_device_list()->mutable_replica_groups()->Swap(
          instruction.mutable_replica_groups());
    }
  }
  const auto read = reread(written.SerializeAsString());
  EXPECT_EQ(read->entry->root->operands[0]->replica_groups, (std::vector<std::vector<std::int64_t>>{{0, 2}, {1, 3}}));
}

TEST(TextPrinter, NamesAliasesCompositesAndBounds) {
  const std::string text = print_text(*varied_module());
  for (const char* part : {"input_output_alias={ {1}: (4, {}, may-alias) }", "s32[<=8] parameter(1)",
                           "composite.name=\"ganglion.embedding\"", "padding=1_0_1x0_0_0", "slice={[0:6:2], [1:4:1]}",
                           "constant(-inf)", "constant({true, false})", "ENTRY %main"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

}  // namespace
}  // namespace ganglion::hlo
