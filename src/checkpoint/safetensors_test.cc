#include "checkpoint/safetensors.h"

#include <gtest/gtest.h>

#include <numeric>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "checkpoint/scratch_folder.h"
#include "checkpoint/write.h"

namespace ganglion::checkpoint {
namespace {

std::shared_ptr<const TensorSource> counting(DType dtype, Dims dims, int first = 0) {
  Tensor out(dtype, std::move(dims));
  for (std::int64_t i = 0; i < out.elements(); ++i) {
    set_element_from_double(out.mutable_view(), i, dtype == DType::kPred ? i % 2 : static_cast<double>(first + i % 50));
  }
  return tensor_source(std::move(out));
}

Code code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return Code::kInternal;
}

TEST(Safetensors, WhatWasWrittenIsReadBackInEveryType) {
  const ScratchFolder folder;
  std::vector<NamedTensor> tensors;
  for (int i = 0; i < kDTypeCount; ++i) {
    const auto dtype = static_cast<DType>(i);
    if (dtype == DType::kS4) continue;  // the format has none: files keep two in a byte of U8
    tensors.push_back({std::string(dtype_name(dtype)), counting(dtype, {3, 5, 2})});
  }
  tensors.push_back({"scalar", counting(DType::kF32, {}, 7)});
  tensors.push_back({"empty", counting(DType::kF32, {0, 4})});
  write_safetensors(folder / "x.safetensors", tensors, {{"format", "pt"}});

  const auto file = SafetensorsFile::open(folder / "x.safetensors");
  EXPECT_EQ(file.header().metadata.at("format"), "pt");
  EXPECT_EQ(file.names().size(), tensors.size());
  for (const NamedTensor& tensor : tensors) {
    const Tensor wanted = read_all(*tensor.source);
    const Tensor got = read_all(*file.source(tensor.name));
    EXPECT_EQ(got.dtype(), wanted.dtype()) << tensor.name;
    EXPECT_EQ(got.dims(), wanted.dims()) << tensor.name;
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(got.data()), got.bytes()),
              std::string(reinterpret_cast<const char*>(wanted.data()), wanted.bytes()))
        << tensor.name;
  }
}

TEST(Safetensors, ReadsAnyRangeOfRowsFromManyThreads) {
  const ScratchFolder folder;
  write_safetensors(folder / "x.safetensors",
                    {{"before", counting(DType::kU8, {7})}, {"w", counting(DType::kS32, {40, 3})}});
  const auto source = SafetensorsFile::open(folder / "x.safetensors").source("w");  // outlives the file object
  const Tensor whole = read_all(*source);
  std::vector<std::jthread> threads;
  std::vector<int> wrong(4);
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (std::int64_t begin = 0; begin < 40; ++begin) {
        std::vector<std::int32_t> rows(static_cast<std::size_t>(40 - begin) * 3);
        source->read_rows(begin, 40, reinterpret_cast<std::byte*>(rows.data()));
        const auto wanted = whole.as<std::int32_t>().subspan(static_cast<std::size_t>(begin) * 3);
        if (!std::equal(rows.begin(), rows.end(), wanted.begin())) ++wrong[t];
      }
    });
  }
  threads.clear();
  EXPECT_EQ(wrong, std::vector<int>(4));
}

TEST(Safetensors, ReadsARangeOfColumnsOfSomeRows) {
  const ScratchFolder folder;
  write_safetensors(folder / "x.safetensors",
                    {{"wide", counting(DType::kF32, {5, 2000})}, {"narrow", counting(DType::kF32, {5, 8})}});
  const auto file = SafetensorsFile::open(folder / "x.safetensors");
  for (const char* name : {"wide", "narrow"}) {
    const auto source = file.source(name);
    const std::int64_t columns = source->dims()[1];
    const Tensor whole = read_all(*source);
    // Less than half of a row, read piece by piece when it is long, and more than half.
    for (const auto& [first, last] : {std::pair{columns / 4, columns / 2}, std::pair{columns / 8, columns}}) {
      Tensor part(DType::kF32, {3, last - first});
      source->read_block(1, 4, first, last, part.data());
      for (std::int64_t row = 0; row < 3; ++row) {
        for (std::int64_t i = 0; i < last - first; ++i) {
          ASSERT_EQ(element_as_double(part.view(), row * (last - first) + i),
                    element_as_double(whole.view(), (row + 1) * columns + first + i))
              << name;
        }
      }
    }
  }
}

TEST(Safetensors, AFileTruncatedAfterItWasOpenedGivesAnErrorNotASignal) {
  const ScratchFolder folder;
  const auto path = folder / "x.safetensors";
  write_safetensors(path, {{"w", counting(DType::kF32, {1000, 100})}});
  const auto source = SafetensorsFile::open(path).source("w");
  std::filesystem::resize_file(path, 1000);
  EXPECT_EQ(code_of([&] { read_all(*source); }), Code::kDataCorrupt);
}

TEST(Safetensors, AFileTruncatedAnywhereIsRefusedWhenOpened) {
  const ScratchFolder folder;
  write_safetensors(folder / "whole", {{"w", counting(DType::kF32, {3, 4})}});
  const std::string whole = read_text(folder / "whole");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const auto path = folder.file("cut", whole.substr(0, length));
    EXPECT_EQ(code_of([&] { SafetensorsFile::open(path); }), Code::kDataCorrupt) << length;
  }
}

TEST(Safetensors, AMissingFileAFolderAndAnUnknownTensorAreErrors) {
  const ScratchFolder folder;
  EXPECT_EQ(code_of([&] { SafetensorsFile::open(folder / "none"); }), Code::kNotFound);
  EXPECT_EQ(code_of([&] { SafetensorsFile::open(folder.path()); }), Code::kInvalidArgument);
  write_safetensors(folder / "x.safetensors", {{"w", counting(DType::kF32, {1})}});
  const auto file = SafetensorsFile::open(folder / "x.safetensors");
  EXPECT_EQ(file.find("v"), nullptr);
  EXPECT_EQ(code_of([&] { file.source("v"); }), Code::kNotFound);
}

TEST(Safetensors, ABoolThatIsNeitherZeroNorOneIsRefusedWhenRead) {
  const ScratchFolder folder;
  const auto path = folder.file(
      "x.safetensors", safetensors_bytes(R"({"m":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}})", "\x01\x02"));
  const auto source = SafetensorsFile::open(path).source("m");
  EXPECT_EQ(code_of([&] { read_all(*source); }), Code::kDataCorrupt);
}

TEST(Safetensors, AlignsTheDataItWrites) {
  const ScratchFolder folder;
  write_safetensors(folder / "x.safetensors", {{"w", counting(DType::kF32, {1})}});
  EXPECT_EQ(SafetensorsFile::open(folder / "x.safetensors").find("w")->offset % 8, 0u);
}

TEST(Safetensors, AFailedWriteLeavesTheOldFileAndNothingElse) {
  class Failing final : public TensorSource {
   public:
    DType dtype() const override { return DType::kF32; }
    const Dims& dims() const override { return dims_; }
    void read_rows(std::int64_t, std::int64_t, std::byte*) const override { fail(Code::kDataCorrupt, "[test] no"); }

   private:
    Dims dims_ = {4};
  };
  const ScratchFolder folder;
  const auto path = folder.file("x.safetensors", "old");
  EXPECT_EQ(code_of([&] { write_safetensors(path, {{"w", std::make_shared<Failing>()}}); }), Code::kDataCorrupt);
  EXPECT_EQ(read_text(path), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(Safetensors, NamesThatCannotBeWrittenAreRefused) {
  const ScratchFolder folder;
  const auto w = counting(DType::kF32, {1});
  for (const auto& tensors :
       std::vector<std::vector<NamedTensor>>{{{"w", w}, {"w", w}}, {{"__metadata__", w}}, {{"\xff", w}}}) {
    EXPECT_EQ(code_of([&] { write_safetensors(folder / "x", tensors); }), Code::kInvalidArgument);
  }
  EXPECT_EQ(code_of([&] { write_safetensors("/no/such/folder/x", {{"w", w}}); }), Code::kInvalidArgument);
}

}  // namespace
}  // namespace ganglion::checkpoint
