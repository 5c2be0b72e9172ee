#include "checkpoint/header.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ganglion::checkpoint {
namespace {

// Parses the header of a file that holds this header and so many bytes of data.
Header parse(const std::string& json, std::uint64_t data) {
  return parse_header(std::as_bytes(std::span(json)), kHeaderStart + json.size() + data, "x.safetensors");
}

// Expects the error's code, the file's name and `part` within its message.
void expect_refused(const std::string& json, std::uint64_t data, Code code, const std::string& part) {
  try {
    parse(json, data);
    FAIL() << "was read; wanted: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("x.safetensors"), std::string::npos) << error.what();
  }
}

void expect_length_refused(std::uint64_t length, std::uint64_t file_size, const std::string& part) {
  std::array<std::byte, kHeaderStart> start{};
  for (std::size_t i = 0; i < start.size(); ++i) start[i] = static_cast<std::byte>(length >> (8 * i));
  try {
    header_length(start, file_size, "x.safetensors");
    FAIL() << "was read; wanted: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kDataCorrupt);
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

std::string tensor(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

TEST(SafetensorsHeader, AWellFormedHeaderGivesTypesShapesPlacesAndMetadata) {
  const std::string json = R"({"__metadata__":{"format":"pt"},"b":)" + tensor("F16", "[2,3]", "[4,16]") + R"(,"a":)" +
                           tensor("F32", "[]", "[0,4]") + "}   ";
  const Header header = parse(json, 16);
  EXPECT_EQ(header.metadata.at("format"), "pt");
  ASSERT_EQ(header.tensors.size(), 2u);
  const TensorEntry& b = header.tensors.at("b");
  EXPECT_EQ(b.dtype, DType::kF16);
  EXPECT_EQ(b.dims, (Dims{2, 3}));
  EXPECT_EQ(b.offset, kHeaderStart + json.size() + 4);
  EXPECT_EQ(b.bytes, 12u);
  EXPECT_EQ(header.tensors.at("a").dims, Dims{});
}

TEST(SafetensorsHeader, EveryTypeSurvivesTheWayThroughItsName) {
  for (int i = 0; i < kDTypeCount; ++i) {
    const auto dtype = static_cast<DType>(i);
    if (dtype == DType::kS4) continue;  // the format has none: files keep two in a byte of U8
    EXPECT_EQ(parse_safetensors_dtype(safetensors_name(dtype)), dtype);
  }
}

TEST(SafetensorsHeader, TensorsWithoutElementsTakeNoBytes) {
  const Header header =
      parse(R"({"a":)" + tensor("F32", "[0,4]", "[0,0]") + R"(,"b":)" + tensor("F32", "[1]", "[0,4]") + "}", 4);
  EXPECT_EQ(header.tensors.at("a").bytes, 0u);
}

TEST(SafetensorsHeader, ALengthOfZeroIsRefused) { expect_length_refused(0, 100, "0 bytes"); }

TEST(SafetensorsHeader, ALengthBeyondTheFileIsRefused) {
  expect_length_refused(93, 100, "a header of 93 bytes in a file of 100");
  expect_length_refused(1, 4, "in a file of 4");
}

TEST(SafetensorsHeader, ALengthOverOneHundredMegabytesIsRefused) {
  expect_length_refused(kLongestHeader + 1, std::uint64_t{1} << 40, "at most 100000000");
  expect_length_refused(~std::uint64_t{0}, ~std::uint64_t{0}, "at most 100000000");
}

TEST(SafetensorsHeader, WhatIsNotJsonIsRefused) {
  expect_refused("", 0, Code::kDataCorrupt, "'{'");
  expect_refused("[]", 0, Code::kDataCorrupt, "'{'");
  expect_refused(" {}", 0, Code::kDataCorrupt, "'{'");
  expect_refused("{\"a\":", 0, Code::kDataCorrupt, "not JSON");
  expect_refused("{} x", 0, Code::kDataCorrupt, "not JSON");
  expect_refused("{\"\xff\":1}", 0, Code::kDataCorrupt, "not JSON");
  expect_refused(std::string("{}\0", 3), 0, Code::kDataCorrupt, "not JSON");
}

TEST(SafetensorsHeader, NestingIsRefusedAtItsFirstLevel) {
  std::string deep = "{\"a\":";
  for (int i = 0; i < 1000000; ++i) deep += '[';
  expect_refused(deep, 0, Code::kDataCorrupt, "is an array; an object wanted");
  std::string objects = "{";
  for (int i = 0; i < 1000000; ++i) objects += "\"a\":{";
  expect_refused(objects, 0, Code::kDataCorrupt, "has the key \"a\"");
  expect_refused(R"({"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}})", 4, Code::kDataCorrupt, "in its shape");
}

TEST(SafetensorsHeader, ANameThatComesTwiceIsRefused) {
  const std::string a = tensor("F32", "[1]", "[0,4]");
  expect_refused(R"({"a":)" + a + R"(,"a":)" + a + "}", 4, Code::kDataCorrupt, "\"a\" is there twice");
  expect_refused(R"({"__metadata__":{},"__metadata__":{}})", 0, Code::kDataCorrupt, "is there twice");
  expect_refused(R"({"__metadata__":{"k":"v","k":"w"}})", 0, Code::kDataCorrupt, "the key \"k\" twice");
  expect_refused(R"({"a":{"dtype":"F32","dtype":"F16","shape":[1],"data_offsets":[0,4]}})", 4, Code::kDataCorrupt,
                 "the key \"dtype\" twice");
}

TEST(SafetensorsHeader, ATypeThatIsNotReadIsRefusedByName) {
  for (const char* dtype : {"F64", "F8_E4M3", "I16", "U16", "f32", ""}) {
    expect_refused(R"({"a":)" + tensor(dtype, "[1]", "[0,8]") + "}", 8, Code::kUnsupported,
                   "is of type \"" + std::string(dtype) + "\"");
  }
}

TEST(SafetensorsHeader, AShapeWhoseProductOverflowsIsRefused) {
  expect_refused(R"({"a":)" + tensor("F32", "[4611686018427387904,4]", "[0,4]") + "}", 4, Code::kDataCorrupt, "2^62");
  expect_refused(R"({"a":)" + tensor("F32", "[18446744073709551615]", "[0,4]") + "}", 4, Code::kDataCorrupt, "2^62");
  expect_refused(R"({"a":)" + tensor("F32", "[4611686018427387904]", "[0,4]") + "}", 4, Code::kDataCorrupt,
                 "4 bytes of data");
  expect_refused(R"({"a":)" + tensor("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") + "}", 4, Code::kUnsupported,
                 "more than 8 dimensions");
}

TEST(SafetensorsHeader, SizesThatAreNotWholeNumbersAreRefused) {
  for (const char* size : {"-1", "1.5", "\"1\"", "null", "true", "99999999999999999999", "1e3"}) {
    expect_refused(R"({"a":)" + tensor("F32", "[" + std::string(size) + "]", "[0,4]") + "}", 4, Code::kDataCorrupt,
                   "in its shape");
  }
}

TEST(SafetensorsHeader, OffsetsThatAreNotAPairAreRefused) {
  expect_refused(R"({"a":)" + tensor("F32", "[1]", "[0]") + "}", 4, Code::kDataCorrupt, "1 data_offsets");
  expect_refused(R"({"a":)" + tensor("F32", "[1]", "[0,4,8]") + "}", 4, Code::kDataCorrupt, "in its data_offsets");
  expect_refused(R"({"a":)" + tensor("F32", "[1]", "[-4,0]") + "}", 4, Code::kDataCorrupt, "in its data_offsets");
  expect_refused(R"({"a":)" + tensor("F32", "[1]", "4") + "}", 4, Code::kDataCorrupt, "in its data_offsets");
}

TEST(SafetensorsHeader, OffsetsBeyondTheDataOrBackwardsAreRefused) {
  expect_refused(R"({"a":)" + tensor("F32", "[2]", "[0,8]") + "}", 4, Code::kDataCorrupt, "holds 4 bytes of data");
  expect_refused(R"({"a":)" + tensor("F32", "[1]", "[4,0]") + "}", 4, Code::kDataCorrupt, "data_offsets [4, 0]");
  expect_refused(R"({"a":)" + tensor("F32", "[1]", "[18446744073709551612,18446744073709551615]") + "}", 4,
                 Code::kDataCorrupt, "holds 4 bytes of data");
}

TEST(SafetensorsHeader, ALengthThatDiffersFromShapeTimesTypeIsRefused) {
  expect_refused(R"({"a":)" + tensor("F32", "[2]", "[0,4]") + "}", 4, Code::kDataCorrupt,
                 "4 bytes of data, but f32[2]");
  expect_refused(R"({"a":)" + tensor("F16", "[1]", "[0,3]") + "}", 3, Code::kDataCorrupt,
                 "3 bytes of data, but f16[1]");
}

TEST(SafetensorsHeader, TensorsThatOverlapAreRefused) {
  expect_refused(R"({"a":)" + tensor("F32", "[2]", "[0,8]") + R"(,"b":)" + tensor("F32", "[2]", "[4,12]") + "}", 12,
                 Code::kDataCorrupt, "overlaps");
  expect_refused(R"({"a":)" + tensor("F32", "[1]", "[0,4]") + R"(,"b":)" + tensor("F32", "[1]", "[0,4]") + "}", 4,
                 Code::kDataCorrupt, "overlaps");
}

TEST(SafetensorsHeader, GapsAndTrailingBytesAreRefused) {
  expect_refused(R"({"a":)" + tensor("F32", "[1]", "[0,4]") + R"(,"b":)" + tensor("F32", "[1]", "[8,12]") + "}", 12,
                 Code::kDataCorrupt, "with a gap");
  expect_refused(R"({"a":)" + tensor("F32", "[1]", "[4,8]") + "}", 8, Code::kDataCorrupt, "with a gap");
  expect_refused(R"({"a":)" + tensor("F32", "[1]", "[0,4]") + "}", 5, Code::kDataCorrupt, "1 bytes after");
  expect_refused("{}", 3, Code::kDataCorrupt, "3 bytes after");
}

TEST(SafetensorsHeader, ATensorThatLacksAFieldOrHasAnotherIsRefused) {
  expect_refused(R"({"a":{"dtype":"F32","shape":[1]}})", 4, Code::kDataCorrupt, "lacks");
  expect_refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":1}})", 4, Code::kDataCorrupt,
                 "\"more\"");
  expect_refused(R"({"a":1})", 0, Code::kDataCorrupt, "an object wanted");
  expect_refused(R"({"a":{"dtype":1,"shape":[1],"data_offsets":[0,4]}})", 4, Code::kDataCorrupt, "as dtype");
}

TEST(SafetensorsHeader, MetadataThatIsNotAMapOfStringsIsRefused) {
  expect_refused(R"({"__metadata__":1})", 0, Code::kDataCorrupt, "an object of strings wanted");
  expect_refused(R"({"__metadata__":{"a":1}})", 0, Code::kDataCorrupt, "a string wanted");
  expect_refused(R"({"__metadata__":{"a":{}}})", 0, Code::kDataCorrupt, "a string wanted");
}

TEST(SafetensorsHeader, ALongNameIsCutInMessagesBetweenCharacters) {
  std::string name(99, 'x');
  for (int i = 0; i < 100; ++i) name += "\xc3\xa9";
  expect_refused("{\"" + name + "\":1}", 0, Code::kDataCorrupt, "\"" + std::string(99, 'x') + "...\"");
}

}  // namespace
}  // namespace ganglion::checkpoint
