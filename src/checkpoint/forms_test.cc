// The forms of a checkpoint through Store: what PyTorch and transformers-neuronx's save_pretrained_split wrote.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "checkpoint/scratch_folder.h"
#include "checkpoint/split_folder.h"
#include "checkpoint/store.h"
#include "checkpoint/write.h"
#include "checkpoint/write_torch.h"
#include "checkpoint/zip.h"

namespace ganglion::checkpoint {
namespace {

namespace fs = std::filesystem;

const fs::path kForms = fs::path(GANGLION_SOURCE_DIR) / "tests/goldens/checkpoint/forms";

std::string bytes_of(const TensorSource& source) {
  const Tensor tensor = read_all(source);
  return {reinterpret_cast<const char*>(tensor.data()), tensor.bytes()};
}

void expect_equal(const Store& got, const Store& wanted) {
  ASSERT_EQ(got.names(), wanted.names());
  for (const std::string& name : got.names()) {
    const auto a = got.source(name), b = wanted.source(name);
    ASSERT_EQ(shape_text(a->dtype(), a->dims()), shape_text(b->dtype(), b->dims())) << name;
    ASSERT_EQ(bytes_of(*a), bytes_of(*b)) << name;
  }
}

void expect_refused(const fs::path& folder, Code code, const std::string& part) {
  try {
    Store::open(folder);
    ADD_FAILURE() << "was opened; wanted: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

std::shared_ptr<const TensorSource> number(float value) {
  return tensor_source(Tensor::from<float>(DType::kF32, {1}, std::vector<float>{value}));
}

float number_in(const fs::path& folder) { return read_all(*Store::open(folder).source("x")).as<float>()[0]; }

void nothing(std::uint64_t) {}

TEST(Forms, EachHasTheWeightsOfItsSafetensorsTwin) {
  const Store wanted = Store::open(kForms / "safetensors");
  EXPECT_EQ(wanted.names().size(), 7u);
  for (const char* form : {"bin", "legacy_bin", "sharded_bin", "split"}) {
    SCOPED_TRACE(form);
    const Store got = Store::open(kForms / form);
    expect_equal(got, wanted);
    EXPECT_EQ(got.bytes(), wanted.bytes());
  }
  EXPECT_EQ(Store::open(kForms / "sharded_bin").files().size(), 2u);
}

TEST(Forms, TheFirstThatIsThereCounts) {
  const ScratchFolder folder;
  const auto torch_state = [](float value) {  // a state dict of one number, made from the golden of one
    std::ifstream in(kForms / "../../../corpus/torch_fuzz/good_legacy.bin", std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(in), {}};
    bytes.replace(bytes.find("X\x06\0\0\0weight", 0, 11), 11, std::string("X\1\0\0\0x", 6));
    std::memcpy(bytes.data() + bytes.size() - 16, &value, sizeof(value));
    return bytes;
  };
  folder.file("shard.bin", torch_state(5));
  folder.file("pytorch_model.bin.index.json", R"({"weight_map":{"x":"shard.bin"}})");
  EXPECT_EQ(number_in(folder.path()), 5);
  folder.file("pytorch_model.bin", torch_state(4));
  EXPECT_EQ(number_in(folder.path()), 4);
  fs::remove(folder / "pytorch_model.bin");
  write_split(folder.path(), {{"x", number(3)}}, nothing);
  EXPECT_EQ(number_in(folder.path()), 3);
  write_safetensors(folder / "s.safetensors", {{"x", number(2)}});
  folder.file("model.safetensors.index.json", R"({"weight_map":{"x":"s.safetensors"}})");
  EXPECT_EQ(number_in(folder.path()), 2);
  write_safetensors(folder / "model.safetensors", {{"x", number(1)}});
  EXPECT_EQ(number_in(folder.path()), 1);
}

TEST(Forms, OthersAreRefusedWithWhatToDo) {
  struct Row {
    const char* file;
    const char* part;
  };
  for (const Row& row :
       {Row{"consolidated.00.pth", "convert_llama_weights_to_hf.py"}, Row{"tf_model.h5", "from_tf=True"},
        Row{"flax_model.msgpack", "from_flax=True"}, Row{"model.ckpt.index", "from_tf=True"}}) {
    const ScratchFolder folder;
    folder.file(row.file, "x");
    expect_refused(folder.path(), Code::kUnsupported, row.part);
  }
}

TEST(Forms, ATorchShardMayHoldMoreThanItsIndexSaysButNotLess) {
  const ScratchFolder folder;
  const fs::path golden = kForms / "sharded_bin";
  for (const auto& entry : fs::directory_iterator(golden))
    fs::copy_file(entry.path(), folder.path() / entry.path().filename());
  auto index = nlohmann::json::parse(std::ifstream(golden / "pytorch_model.bin.index.json"));
  const auto write = [&] { std::ofstream(folder / "pytorch_model.bin.index.json") << index; };
  index["weight_map"].erase("lm_head.weight");
  write();
  EXPECT_TRUE(Store::open(folder.path()).has("lm_head.weight"));
  index["weight_map"]["absent"] = "pytorch_model-00001-of-00002.bin";
  write();
  expect_refused(folder.path(), Code::kDataCorrupt, "says that \"absent\" is in pytorch_model-00001-of-00002.bin");
}

TEST(SplitFolder, WhatIsWrittenIsReadBitForBitInEveryType) {
  const ScratchFolder folder;
  std::vector<NamedTensor> tensors;
  for (const DType dtype :
       {DType::kPred, DType::kS8, DType::kS32, DType::kS64, DType::kU8, DType::kF16, DType::kBF16, DType::kF32}) {
    Tensor tensor(dtype, {3, 5});
    for (std::size_t i = 0; i < tensor.bytes(); ++i) {
      tensor.data()[i] = static_cast<std::byte>(dtype == DType::kPred ? i % 2 : i * 37);
    }
    tensors.push_back({std::string(dtype_name(dtype)), tensor_source(std::move(tensor))});
  }
  tensors.push_back({"scalar", tensor_source(Tensor(DType::kF32, {}))});
  tensors.push_back({"empty", tensor_source(Tensor(DType::kF32, {0, 4}))});
  tensors.push_back({"cube", tensor_source(Tensor(DType::kF16, {2, 3, 4}))});
  std::uint64_t written = 0;
  write_split(folder.path(), tensors, [&](std::uint64_t bytes) { written += bytes; });
  const Store store = Store::open(folder.path());
  ASSERT_EQ(store.names().size(), tensors.size());
  for (const NamedTensor& tensor : tensors) {
    const auto got = store.source(tensor.name);
    EXPECT_EQ(shape_text(got->dtype(), got->dims()), shape_text(tensor.source->dtype(), tensor.source->dims()));
    EXPECT_EQ(bytes_of(*got), bytes_of(*tensor.source)) << tensor.name;
  }
  EXPECT_EQ(written, store.bytes());
}

TEST(SplitFolder, TheBytesOfATensorBeginAtAMultipleOf64) {
  const ScratchFolder folder;
  write_torch_tensor(folder / "t", *number(1), nothing);
  for (const ZipRecord& record : read_zip(File::open(folder / "t"))) EXPECT_EQ(record.offset % 64, 0u) << record.name;
}

TEST(SplitFolder, FilesAreNamedAsSanitizeFileNameOfTransformersNeuronxDoes) {
  const ScratchFolder folder;
  write_split(folder.path(), {{"  a b/../c*d ", number(1)}, {"h.0.attn-x_y.weight", number(2)}}, nothing);
  const auto index = nlohmann::json::parse(std::ifstream(folder / "pytorch_model.bin/key_to_filename.json"));
  EXPECT_EQ(index["  a b/../c*d "], "p0.a_b..cd");
  EXPECT_EQ(index["h.0.attn-x_y.weight"], "p1.h.0.attn-x_y.weight");
  EXPECT_EQ(Store::open(folder.path()).names().size(), 2u);
  EXPECT_THROW(write_split(folder.path(), {{"/*", number(1)}}, nothing), Error);
  EXPECT_THROW(write_split(folder.path(), {{"x", number(1)}, {"x", number(1)}}, nothing), Error);
  EXPECT_EQ(Store::open(folder.path()).names().size(), 2u);  // what was there before still is
}

TEST(SplitFolder, OneThatWasCutShortIsNotTakenForAWholeOne) {
  const ScratchFolder folder;
  const auto stop = [](std::uint64_t) { fail(Code::kCancelled, "stop"); };
  EXPECT_THROW(write_split(folder.path(), {{"x", number(1)}}, stop), Error);
  EXPECT_TRUE(fs::is_empty(folder.path()));
  fs::create_directory(folder / kSplitUnfinished);  // as after a process that was killed
  expect_refused(folder.path(), Code::kNotFound, "cut short: split again");
  fs::create_directory(folder / "pytorch_model.bin");
  expect_refused(folder.path(), Code::kNotFound, "key_to_filename.json is not there");
}

TEST(SplitFolder, AnEmptyJsonStandsForRandomNumbers) {
  const ScratchFolder folder;
  fs::create_directory(folder / "pytorch_model.bin");
  const auto write = [&](const std::string& json) { folder.file("pytorch_model.bin/p0.x.empty_json", json); };
  folder.file("pytorch_model.bin/key_to_filename.json", R"({"x": "p0.x.empty_json"})");
  write(R"({"torch_dtype": "float16", "shape": [64, 128], "init_std": 0.5})");
  const auto source = Store::open(folder.path()).source("x");
  EXPECT_EQ(shape_text(source->dtype(), source->dims()), "f16[64,128]");
  const Tensor tensor = read_all(*source);
  double squares = 0;
  for (std::int64_t i = 0; i < 64 * 128; ++i) squares += std::pow(element_as_double(tensor.view(), i), 2);
  EXPECT_NEAR(std::sqrt(squares / (64 * 128)), 0.5, 0.02);  // 8192 numbers: the deviation of this is 0.004
  EXPECT_EQ(bytes_of(*Store::open(folder.path()).source("x")), bytes_of(*source));

  struct Row {
    const char* json;
    Code code;
    const char* part;
  };
  for (const Row& row :
       {Row{"[]", Code::kDataCorrupt, "not an object"},
        Row{R"({"torch_dtype":"int8","shape":[1],"init_std":1})", Code::kUnsupported, "torch_dtype=\"int8\""},
        Row{R"({"torch_dtype":"float16","shape":[-1],"init_std":1})", Code::kDataCorrupt, "shape"},
        Row{R"({"torch_dtype":"float16","shape":[1e9],"init_std":1})", Code::kDataCorrupt, "shape"},
        Row{R"({"torch_dtype":"float16","shape":[4294967296,4294967296],"init_std":1})", Code::kDataCorrupt, "shape"},
        Row{R"({"torch_dtype":"float16","shape":[1],"init_std":-1})", Code::kDataCorrupt, "init_std"},
        Row{R"({"torch_dtype":"float16","shape":[1]})", Code::kDataCorrupt, "init_std"}}) {
    write(row.json);
    expect_refused(folder.path(), row.code, row.part);
  }
}

TEST(SplitFolder, NamesAndLinksThatLeaveItAreRefused) {
  const ScratchFolder folder;
  fs::create_directory(folder / "pytorch_model.bin");
  write_torch_tensor(folder / "outside", *number(1), nothing);
  const auto index = [&](const std::string& json) { folder.file("pytorch_model.bin/key_to_filename.json", json); };
  index(R"({"x": "../outside"})");
  expect_refused(folder.path(), Code::kInvalidArgument, "lies outside the folder");
  fs::create_symlink("../outside", folder / "pytorch_model.bin/p0.x");
  index(R"({"x": "p0.x"})");
  expect_refused(folder.path(), Code::kInvalidArgument, "outside the model's folder");
  index(R"({"x": "p1.x"})");
  expect_refused(folder.path(), Code::kNotFound, "names \"p1.x\", which is not there");
  index(R"({"x": 1})");
  expect_refused(folder.path(), Code::kDataCorrupt, "the file of \"x\" is number");
  index("{}");
  expect_refused(folder.path(), Code::kDataCorrupt, "holds no weight");
}

TEST(SplitFolder, AFileThatChangesWhileTheModelIsReadIsRefused) {
  const ScratchFolder folder;
  write_split(folder.path(), {{"x", number(1)}}, nothing);
  const auto source = Store::open(folder.path()).source("x");
  write_torch_tensor(folder / "pytorch_model.bin/p0.x", *tensor_source(Tensor(DType::kF16, {1})), nothing);
  EXPECT_THROW(read_all(*source), Error);
}

}  // namespace
}  // namespace ganglion::checkpoint
