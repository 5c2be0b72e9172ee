#include "checkpoint/torch_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/scratch_folder.h"

namespace ganglion::checkpoint {
namespace {

namespace fs = std::filesystem;

const fs::path kSource = GANGLION_SOURCE_DIR;
const fs::path kGoldens = kSource / "tests/goldens/checkpoint";
const fs::path kCorpus = kSource / "tests/corpus/torch_fuzz";

std::string bytes_of(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

// Rows [begin, end) of a dense tensor.
std::string rows_of(const TensorSource& source, std::int64_t begin, std::int64_t end) {
  const std::int64_t rows = source.dims().empty() ? 1 : source.dims()[0];
  const std::int64_t elements = rows == 0 ? 0 : element_count(source.dims()) / rows * (end - begin);
  std::string out(static_cast<std::size_t>(elements) * dtype_size(source.dtype()), '\x55');
  source.read_rows(begin, end, reinterpret_cast<std::byte*>(out.data()));
  return out;
}

// Whole, and each range of rows by itself.
void expect_equal(const TensorSource& got, const TensorSource& wanted, const std::string& name) {
  ASSERT_EQ(shape_text(got.dtype(), got.dims()), shape_text(wanted.dtype(), wanted.dims())) << name;
  const std::int64_t rows = got.dims().empty() ? 1 : got.dims()[0];
  for (std::int64_t begin = 0; begin <= rows; ++begin) {
    for (std::int64_t end = begin; end <= rows; ++end) {
      ASSERT_EQ(rows_of(got, begin, end), rows_of(wanted, begin, end)) << name << " rows " << begin << " to " << end;
    }
  }
}

class TorchGolden : public testing::TestWithParam<const char*> {};

TEST_P(TorchGolden, HasTheTensorsThatPyTorchSaved) {
  const Sources got = open_torch(kGoldens / (std::string(GetParam()) + ".bin"));
  const SafetensorsFile wanted = SafetensorsFile::open(kGoldens / (std::string(GetParam()) + ".safetensors"));
  std::vector<std::string> names;
  for (const auto& [name, source] : got) names.push_back(name);
  ASSERT_EQ(names, wanted.names());
  for (const auto& [name, source] : got) expect_equal(*source, *wanted.source(name), name);
}

INSTANTIATE_TEST_SUITE_P(Torch, TorchGolden,
                         testing::Values("types", "types_legacy", "views", "views_legacy", "module", "module_legacy",
                                         "with_others", "with_others_legacy", "later_records"));

TEST(TorchFile, ReadsAFileOfOneTensor) {
  for (const std::string name : {"tensor", "tensor_legacy"}) {
    const SafetensorsFile wanted = SafetensorsFile::open(kGoldens / (name + ".safetensors"));
    expect_equal(*open_torch_tensor(kGoldens / (name + ".bin")), *wanted.source(""), name);
  }
}

void expect_refused(const std::function<void()>& open, const std::string& part, const std::string& name) {
  try {
    open();
    ADD_FAILURE() << name << " was opened; wanted: " << part;
  } catch (const Error& error) {
    EXPECT_TRUE(error.code() == Code::kDataCorrupt || error.code() == Code::kUnsupported) << name << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << name << ": " << error.what();
  }
}

TEST(TorchFile, RefusesWhatIsNoStateDictAndSaysWhy) {
  const auto refuse = [](const std::string& name, const std::string& part) {
    expect_refused([&] { open_torch(kGoldens / (name + ".bin")); }, part, name);
  };
  refuse("nested", "\"model\" is a dictionary within the dictionary");
  refuse("expanded", "save it with .contiguous()");
  refuse("complex", "asks for \"torch.ComplexFloatStorage\"");
  refuse("protocol4", "is of protocol 4");
  refuse("script", "TorchScript");
  refuse("tensor", "one tensor without a name");
  expect_refused([] { open_torch_tensor(kGoldens / "module.bin"); }, "holds a state dict", "module");
}

TEST(TorchFile, EveryHostileFileIsRefusedForItsOwnReason) {
  const nlohmann::json reasons = read_json(kGoldens / "refused.json");
  std::size_t files = 0;
  for (const auto& entry : fs::directory_iterator(kCorpus / "refused")) {
    const std::string name = entry.path().filename().string();
    ASSERT_TRUE(reasons.contains(name)) << name;
    expect_refused([&] { open_torch(entry.path()); }, reasons[name].get<std::string>(), name);
    ++files;
  }
  EXPECT_EQ(files, reasons.size());
}

TEST(TorchFile, TheFilesThatTheHostileOnesVaryAreRead) {
  for (const char* name : {"good.bin", "good_legacy.bin", "good_zip64.bin"}) {
    const Sources tensors = open_torch(kCorpus / name);
    ASSERT_EQ(tensors.size(), 1u);
    const Tensor weight = read_all(*tensors.at("weight"));
    EXPECT_EQ(weight.as<float>()[3], 4) << name;
  }
}

TEST(TorchFile, EveryTruncationIsRefused) {
  const ScratchFolder folder;
  for (const char* name : {"module.bin", "module_legacy.bin"}) {
    const std::string whole = bytes_of(kGoldens / name);
    const fs::path path = folder.file("cut.bin", whole);
    for (std::size_t size = whole.size(); size-- > 0;) {
      fs::resize_file(path, size);
      EXPECT_THROW(open_torch(path), Error) << name << " cut to " << size;
    }
  }
}

TEST(TorchFile, AFileThatIsCutAfterItWasOpenedGivesAnErrorAndNothingElse) {
  const ScratchFolder folder;
  for (const char* name : {"views.bin", "views_legacy.bin"}) {
    const fs::path path = folder.file(name, bytes_of(kGoldens / name));
    const Sources tensors = open_torch(path);
    fs::resize_file(path, 100);
    for (const auto& [tensor, source] : tensors) {
      if (element_count(source->dims()) == 0) continue;
      try {
        read_all(*source);
        ADD_FAILURE() << tensor;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::kDataCorrupt);
      }
    }
  }
}

TEST(TorchFile, ABoolOfAnotherValueIsRefusedWhenItIsRead) {
  const ScratchFolder folder;
  std::string bytes = bytes_of(kGoldens / "types_legacy.bin");
  const Sources whole = open_torch(kGoldens / "types_legacy.bin");
  const std::string flags = rows_of(*whole.at("bool"), 0, 3);
  const std::size_t at = bytes.find(flags);
  ASSERT_NE(at, std::string::npos);
  bytes[at] = 2;
  const Sources tensors = open_torch(folder.file("bool.bin", bytes));
  EXPECT_THROW(read_all(*tensors.at("bool")), Error);
}

}  // namespace
}  // namespace ganglion::checkpoint
