// The text and proto forms against committed files, which tests/goldens/hlo/check_with_jaxlib.py compares with each
// other in XLA. When a change of form is meant: copy the files that a failing test names, then run that script.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "hlo/composite.h"
#include "hlo/proto_reader.h"
#include "hlo/proto_writer.h"
#include "hlo/text_printer.h"

namespace ganglion::hlo {
namespace {

const std::filesystem::path kGoldens = std::filesystem::path(GANGLION_SOURCE_DIR) / "tests/goldens/hlo";

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

void expect_golden(const std::string& file, const std::string& actual) {
  if (read_file(kGoldens / file) == actual) return;
  const std::filesystem::path written = std::filesystem::path(testing::TempDir()) / file;
  std::ofstream(written, std::ios::binary) << actual;
  ADD_FAILURE() << "tests/goldens/hlo/" << file << " differs; what we have now is in " << written;
}

std::unique_ptr<Module> parse(const std::string& bytes) { return read_proto(std::as_bytes(std::span(bytes))); }

template <typename T>
Value constant(Builder& b, DType dtype, Dims dims, std::vector<T> values) {
  return b.constant(Tensor::from<T>(dtype, std::move(dims), std::span<const T>(values)));
}

// Elementwise operations and literals of every type.
std::unique_ptr<Module> elementwise_module() {
  Builder b("elementwise");
  const Value x = b.input("x", Shape::array(DType::kF32, {2, 3}));
  const Value n = b.input("s8", Shape::array(DType::kS32, {2, 3}));  // a name that the text form does not have
  std::vector<Value> out;
  {
    const auto place = b.place("[test] \"unary\" \\");
    for (int o = static_cast<int>(Opcode::kNegate); o <= static_cast<int>(Opcode::kRoundNearestEven); ++o) {
      out.push_back(unary(static_cast<Opcode>(o), x));
    }
  }
  out.push_back(unary(Opcode::kNot, n));
  for (int o = static_cast<int>(Opcode::kAdd); o <= static_cast<int>(Opcode::kRemainder); ++o) {
    out.push_back(binary(static_cast<Opcode>(o), x, x));
  }
  for (int o = static_cast<int>(Opcode::kAnd); o <= static_cast<int>(Opcode::kShiftRightLogical); ++o) {
    out.push_back(binary(static_cast<Opcode>(o), n, n));
  }
  for (int c = 0; c <= static_cast<int>(Comparison::kLt); ++c) out.push_back(compare(n, n, static_cast<Comparison>(c)));
  out.push_back(select(compare(x, x, Comparison::kNe), x, x * 2.0));
  out.push_back(clamp(b.scalar(DType::kF32, -1), x, b.scalar(DType::kF32, 1)));
  for (const DType dtype :
       {DType::kPred, DType::kS4, DType::kS8, DType::kS64, DType::kU8, DType::kU32, DType::kF16, DType::kBF16}) {
    out.push_back(convert(x, dtype));
  }
  out.push_back(bitcast_convert(x, DType::kU32));
  out.push_back(constant<float>(b, DType::kF32, {2, 2}, {0.1f, -1e-20f, INFINITY, NAN}));
  out.push_back(constant<std::uint16_t>(b, DType::kF16, {2}, {0x1419, 0x7bff}));
  out.push_back(constant<std::uint16_t>(b, DType::kBF16, {2}, {0x2eca, 0xff80}));
  out.push_back(constant<std::uint8_t>(b, DType::kPred, {3}, {1, 0, 1}));
  out.push_back(constant<std::int8_t>(b, DType::kS8, {2}, {-128, 5}));
  out.push_back(constant<std::int8_t>(b, DType::kS4, {2, 2}, {-8, 7, 0, -1}));
  out.push_back(constant<std::uint8_t>(b, DType::kU8, {2}, {0, 255}));
  out.push_back(constant<std::int32_t>(b, DType::kS32, {1, 2}, {-2147483647 - 1, 7}));
  out.push_back(constant<std::int64_t>(b, DType::kS64, {}, {INT64_MIN}));
  out.push_back(constant<std::uint32_t>(b, DType::kU32, {2}, {0, UINT32_MAX}));
  out.push_back(constant<float>(b, DType::kF32, {2, 0}, {}));
  return b.finish(out);
}

// Shapes, contractions, indexing, control, ranks.
std::unique_ptr<Module> structure_module() {
  Builder b("structure");
  const Value x = b.input("x", Shape::array(DType::kF32, {4, 6}));
  const Value n = b.input("n", Shape::array(DType::kS32, {}));
  const Value zero = b.scalar(DType::kF32, 0);
  std::vector<Value> out;
  out.push_back(broadcast(x, Shape::array(DType::kF32, {4, 2, 6}), {0, 2}));
  out.push_back(transpose(reshape(x, {2, 2, 6}), {2, 0, 1}));
  out.push_back(concatenate({x, x}, 1));
  out.push_back(slice(x, {0, 1}, {4, 6}, {1, 2}));
  out.push_back(slice(x, {0, 1}, {4, 6}));
  const Value part = dynamic_slice(x, {n, n}, {1, 2});
  out.push_back(dynamic_update_slice(x, part, {n, n}));
  out.push_back(pad(x, zero, {{1, -1, 0}, {0, 2, 1}}));
  out.push_back(reverse(x, {1}));
  out.push_back(b.iota(Shape::array(DType::kS32, {4, 6}), 1));
  out.push_back(dot(x, x, {{1}, {1}, {}, {}}));
  out.push_back(dot(convert(x, DType::kBF16), convert(x, DType::kBF16), {{1}, {1}, {0}, {0}}, DType::kF32));
  out.push_back(reduce(x, Opcode::kMaximum, {1}));
  out.push_back(reduce(compare(x, x, Comparison::kEq), Opcode::kAnd, {0, 1}));
  const Value rows = constant<std::int32_t>(b, DType::kS32, {3}, {0, 2, 9});
  const Value taken = gather(x, rows, {{1}, {0}, {0}, 1, {1, 6}});
  out.push_back(taken);
  out.push_back(scatter(x, rows, taken, {{1}, {0}, {0}, 1, false}, b.binary_computation(Opcode::kAdd, DType::kF32)));
  Computation* less = b.computation("less",
                                    {Shape::array(DType::kF32, {}), Shape::array(DType::kF32, {}),
                                     Shape::array(DType::kS32, {}), Shape::array(DType::kS32, {})},
                                    [](const std::vector<Value>& p) { return compare(p[0], p[1], Comparison::kLt); });
  for (const Value& sorted : sort({x, b.iota(Shape::array(DType::kS32, {4, 6}), 1)}, 1, true, less))
    out.push_back(sorted);
  const Shape carried = Shape::tuple({Shape::array(DType::kS32, {}), x.shape()});
  Computation* condition = b.computation("condition", {carried}, [&](const std::vector<Value>& p) {
    return compare(get_tuple_element(p[0], 0), p[0].builder()->scalar(DType::kS32, 3), Comparison::kLt);
  });
  Computation* body = b.computation("body", {carried}, [&](const std::vector<Value>& p) {
    return tuple(
        {get_tuple_element(p[0], 0) + p[0].builder()->scalar(DType::kS32, 1), get_tuple_element(p[0], 1) * 0.5});
  });
  out.push_back(get_tuple_element(while_loop(tuple({n, x}), condition, body), 1));
  Computation* twice = b.computation("twice", {x.shape()}, [](const std::vector<Value>& p) { return p[0] + p[0]; });
  out.push_back(call(twice, {x}));
  out.push_back(custom_call("unknown_kernel", {x}, x.shape()));
  Computation* sum = b.binary_computation(Opcode::kAdd, DType::kF32);
  out.push_back(all_reduce(x, sum));
  out.push_back(all_reduce(x, sum, {{0, 1}, {2, 3}}));
  out.push_back(all_gather(x, 1, 2, {{0, 1}}));
  out.push_back(b.replica_id());
  return b.finish(out);
}

// One layer of a decoder's step: composites, roles, aliases, bounded rows.
std::unique_ptr<Module> step_module(bool bounded) {
  Builder b(bounded ? "step_bounded" : "step");
  const Value ids_count = bounded ? b.input("token_count", Shape::array(DType::kS32, {})) : Value();
  const auto rows = [&](const char* name) {
    const Shape shape = Shape::array(DType::kS32, {4});
    return bounded ? b.bounded_input(name, shape, ids_count) : b.input(name, shape);
  };
  const Value ids = rows("token_ids");
  const Value position = rows("position");
  const Value sequence = rows("sequence");
  const Value slot = rows("slot");
  const Value blocks = b.input("block_table", Shape::array(DType::kS32, {2, 3}));
  const Value table = b.weight("embed_tokens.weight", Shape::array(DType::kF16, {10, 8}), {});
  const Value norm = b.weight("norm.weight", Shape::array(DType::kF32, {8}), {});
  const Value w = b.weight("fc1.weight", Shape::array(DType::kBF16, {8, 8}), {.sharded = true});
  const Value k = b.state("k_cache.0", Shape::array(DType::kF16, {5, 2, 4, 2}));
  const Value v = b.state("v_cache.0", Shape::array(DType::kF16, {5, 2, 2, 4}));
  const Value x = embedding(table, ids);
  const auto layer = b.place("[opt] layer 0");
  const Value h = layer_norm(x, norm, norm, 1e-5f);
  const Value new_k = kv_write(k, h, slot, CacheKind::kKey);
  const Value new_v = kv_write(v, h, slot, CacheKind::kValue);
  const AttentionOptions options = {.heads = 2, .kv_heads = 2, .scale = 0.5f, .query_length = bounded ? 0 : 2};
  const Value attended = paged_attention(h, new_k, new_v, blocks, sequence, position, options);
  const Value y = gelu(linear(attended, w, norm), GeluForm::kTanh) + x;
  return b.finish({all_reduce(y, b.binary_computation(Opcode::kAdd, DType::kF32)), new_k, new_v}, {{1, k}, {2, v}});
}

class Formats : public testing::TestWithParam<std::pair<const char*, std::unique_ptr<Module> (*)()>> {};

TEST_P(Formats, TextAndProtoAreAsCommitted) {
  const std::string name = GetParam().first;
  const auto module = GetParam().second();
  expect_golden(name + ".hlo.txt", print_text(*module));
  expect_golden(name + ".hlo.pb", write_proto(*module));
}

TEST_P(Formats, ReadingBackWhatWasWrittenLosesNothing) {
  const auto module = GetParam().second();
  const std::string bytes = write_proto(*module);
  const auto again = parse(bytes);
  EXPECT_EQ(print_text(*again), print_text(*module));
  EXPECT_EQ(write_proto(*again), bytes);
}

TEST_P(Formats, WhatJaxlibMadeOfTheTextIsRead) {
  const auto module = GetParam().second();
  const auto from_jaxlib = parse(read_file(kGoldens / (std::string(GetParam().first) + ".jaxlib.pb")));
  ASSERT_EQ(from_jaxlib->computations.size(), module->computations.size());
  EXPECT_EQ(from_jaxlib->result_shapes(), module->result_shapes());
  EXPECT_EQ(from_jaxlib->aliases.size(), module->aliases.size());
  EXPECT_EQ(from_jaxlib->row_bindings.size(), module->row_bindings.size());
  std::map<std::string, int> ours, theirs;  // opcodes, composites, places and shapes, whatever the order
  const auto count = [](const Module& m, std::map<std::string, int>& out) {
    for (const auto& computation : m.computations) {
      for (const auto& i : computation->instructions) {
        ++out[fmt::format("{} {} {} {} {}", opcode_name(i->opcode), i->shape.text(), i->place,
                          static_cast<int>(i->role), i->composite.name)];
      }
    }
  };
  count(*module, ours);
  count(*from_jaxlib, theirs);
  EXPECT_EQ(ours, theirs);
}

INSTANTIATE_TEST_SUITE_P(All, Formats,
                         testing::Values(std::make_pair("elementwise", &elementwise_module),
                                         std::make_pair("structure", &structure_module),
                                         std::make_pair(
                                             "step", +[] { return step_module(false); }),
                                         std::make_pair(
                                             "step_bounded", +[] { return step_module(true); })),
                         [](const auto& info) { return std::string(info.param.first); });

}  // namespace
}  // namespace ganglion::hlo
