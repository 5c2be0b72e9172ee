#include "tensor/npy.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace ganglion {
namespace {

std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(GANGLION_SOURCE_DIR) / "tests/goldens/npy" / name;
}

std::vector<double> values(const Tensor& tensor) {
  std::vector<double> out;
  for (std::int64_t i = 0; i < tensor.elements(); ++i) out.push_back(element_as_double(tensor.view(), i));
  return out;
}

// A .npy file of version 1 with any header text, padded as NumPy pads it.
std::string file_of(std::string header, const std::string& data) {
  header.append((64 - (10 + header.size() + 1) % 64) % 64, ' ');
  header += '\n';
  std::string out = "\x93NUMPY";
  out += {'\x01', '\x00', static_cast<char>(header.size() & 0xff), static_cast<char>(header.size() >> 8)};
  return out + header + data;
}

Tensor parse(const std::string& file) { return parse_npy(std::as_bytes(std::span(file)), "test.npy"); }

// Expects the error's code, and `part` within its message.
void expect_refused(const std::string& file, Code code, const std::string& part) {
  try {
    parse(file);
    FAIL() << "was read; wanted: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(Npy, ReadsEveryTypeThatNumpyWrote) {
  struct Case {
    const char* file;
    DType dtype;
    std::vector<double> values;
  };
  const double far = 1LL << 40;
  const double big = 4000000000.0;
  const std::vector<double> halves = {-1.5, -1, -0.5, 0, 0.5, 1};
  for (const Case& c :
       {Case{"f4.npy", DType::kF32, halves}, Case{"version2.npy", DType::kF32, halves},
        Case{"f2.npy", DType::kF16, halves}, Case{"bf16_bits.npy", DType::kBF16, halves},
        Case{"i1.npy", DType::kS8, {-3, -2, -1, 0, 1, 2}}, Case{"i4.npy", DType::kS32, {-3, -2, -1, 0, 1, 2}},
        Case{"i8.npy", DType::kS64, {-3 * far, -2 * far, -far, 0, far, 2 * far}},
        Case{"u1.npy", DType::kU8, {0, 1, 2, 3, 4, 5}},
        Case{"u4.npy", DType::kU32, {big, big + 1, big + 2, big + 3, big + 4, big + 5}},
        Case{"b1.npy", DType::kPred, {0, 0, 0, 0, 1, 1}}}) {
    const Tensor tensor = read_npy(golden(c.file));
    EXPECT_EQ(tensor.dtype(), c.dtype) << c.file;
    EXPECT_EQ(tensor.dims(), (Dims{2, 3})) << c.file;
    EXPECT_EQ(values(tensor), c.values) << c.file;
  }
}

TEST(Npy, ReadsAScalarAVectorAndAnEmptyArray) {
  EXPECT_EQ(read_npy(golden("scalar.npy")).dims(), Dims{});
  EXPECT_EQ(values(read_npy(golden("scalar.npy"))), std::vector<double>{1.5});
  EXPECT_EQ(read_npy(golden("vector.npy")).dims(), Dims{5});
  EXPECT_EQ(read_npy(golden("empty.npy")).dims(), (Dims{0, 4}));
}

TEST(Npy, WritesByteForByteWhatNumpyWrites) {
  const auto path =
      std::filesystem::temp_directory_path() / ("ganglion_npy_test_" + std::to_string(::getpid()) + ".npy");
  for (const char* name : {"f4.npy", "f2.npy", "i1.npy", "i4.npy", "i8.npy", "u1.npy", "u4.npy", "b1.npy",
                           "bf16_bits.npy", "scalar.npy", "vector.npy", "empty.npy"}) {
    write_npy(path, read_npy(golden(name)).view());
    EXPECT_EQ(read_text(path), read_text(golden(name))) << name;
  }
  std::filesystem::remove(path);
}

TEST(Npy, AFileThatCannotBeWrittenIsAnErrorWithItsPath) {
  EXPECT_THROW(write_npy("/no/such/folder/x.npy", Tensor(DType::kF32, {1}).view()), Error);
}

TEST(Npy, FortranOrderBigEndianDoublesAndRecordsAreRefusedByName) {
  expect_refused(read_text(golden("fortran.npy")), Code::kUnsupported, "Fortran order");
  expect_refused(read_text(golden("big_endian.npy")), Code::kUnsupported, "'>f4'");
  expect_refused(read_text(golden("f8.npy")), Code::kUnsupported, "'<f8'");
  expect_refused(read_text(golden("structured.npy")), Code::kUnsupported, "structured");
}

TEST(Npy, AFileThatIsNotNpyOrStopsInItsHeaderIsRefused) {
  expect_refused("", Code::kDataCorrupt, "0 bytes");
  expect_refused("\x93NUMPY", Code::kDataCorrupt, "6 bytes");
  expect_refused("PK\x03\x04 something else", Code::kDataCorrupt, "not a .npy file");
  const std::string whole = read_text(golden("f4.npy"));
  for (std::size_t length = 0; length < whole.size(); ++length) EXPECT_THROW(parse(whole.substr(0, length)), Error);
}

TEST(Npy, AHeaderLengthBeyondTheFileOrTheLimitIsRefused) {
  std::string beyond = read_text(golden("f4.npy"));
  beyond[9] = '\x7f';
  expect_refused(beyond, Code::kDataCorrupt, "a header of");
  std::string huge = read_text(golden("version2.npy"));
  huge[11] = '\xff';
  expect_refused(huge, Code::kDataCorrupt, "a header of");
}

TEST(Npy, AnUnknownVersionIsRefused) {
  std::string file = read_text(golden("f4.npy"));
  file[6] = 9;
  expect_refused(file, Code::kUnsupported, "version 9.0");
}

TEST(Npy, AShapeWhoseProductOverflowsIsRefusedBeforeAllocating) {
  const std::string size = "4611686018427387";  // times itself passes 2^62
  expect_refused(file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (" + size + ", " + size + "), }", "1234"),
                 Code::kDataCorrupt, "2^62");
  expect_refused(file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", "1234"),
                 Code::kDataCorrupt, "18 digits");
  expect_refused(file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }", "1234"),
                 Code::kDataCorrupt, "4 bytes of data");
}

TEST(Npy, MissingAndTrailingBytesAreRefused) {
  const std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }";
  EXPECT_EQ(parse(file_of(header, "1234")).elements(), 1);
  expect_refused(file_of(header, "123"), Code::kDataCorrupt, "3 bytes of data");
  expect_refused(file_of(header, "12345678"), Code::kDataCorrupt, "8 bytes of data");
}

TEST(Npy, AHeaderThatIsNotTheDictionaryWantedIsRefused) {
  expect_refused(file_of("[]", ""), Code::kDataCorrupt, "no '{'");
  expect_refused(file_of("{'descr': '<f4'}", ""), Code::kDataCorrupt, "lacks");
  expect_refused(file_of("{'descr': '<f4", ""), Code::kDataCorrupt, "without an end");
  expect_refused(file_of("{'descr': '<f4', 'descr': '<f4'}", ""), Code::kDataCorrupt, "twice");
  expect_refused(file_of("{'fortran_order': Maybe}", ""), Code::kDataCorrupt, "neither True nor False");
  expect_refused(file_of("{'shape': (-1,)}", ""), Code::kDataCorrupt, "not numbers");
  expect_refused(file_of("{'shape': (1 2)}", ""), Code::kDataCorrupt, "no ')'");
  expect_refused(file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x", "1234"), Code::kDataCorrupt,
                 "goes on");
  std::string many = "{'shape': (";
  for (int i = 0; i < 40; ++i) many += "1, ";
  expect_refused(file_of(many + ")}", ""), Code::kDataCorrupt, "more than 32");
}

TEST(Npy, ABoolThatIsNeitherZeroNorOneIsRefused) {
  expect_refused(file_of("{'descr': '|b1', 'fortran_order': False, 'shape': (1,), }", "\x02"), Code::kDataCorrupt,
                 "0 or 1");
}

}  // namespace
}  // namespace ganglion
