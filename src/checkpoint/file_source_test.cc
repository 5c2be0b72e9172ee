#include "checkpoint/file_source.h"

#include <gtest/gtest.h>

#include <numeric>

#include "checkpoint/scratch_folder.h"

namespace ganglion::checkpoint {
namespace {

// A file of the numbers 0, 1, 2, ... of that type, after three bytes of something else, so that nothing is aligned.
template <typename T>
std::shared_ptr<const File> counting(const ScratchFolder& folder, std::size_t count) {
  std::vector<T> values(count);
  std::iota(values.begin(), values.end(), T{0});
  const std::string bytes = "abc" + std::string(reinterpret_cast<const char*>(values.data()), count * sizeof(T));
  return std::make_shared<const File>(File::open(folder.file("numbers", bytes)));
}

// Element (i, j) is i * strides[0] + j * strides[1] in every range of rows.
template <typename T>
void expect_counts(const TensorSource& source, const std::vector<std::uint64_t>& strides) {
  const std::int64_t rows = source.dims()[0], columns = source.dims()[1];
  for (const auto& [begin, end] :
       {std::pair{std::int64_t{0}, rows}, std::pair{rows / 3, rows / 3 + 1}, std::pair{rows / 2, rows}}) {
    std::vector<T> got(static_cast<std::size_t>((end - begin) * columns), T{77});
    source.read_rows(begin, end, reinterpret_cast<std::byte*>(got.data()));
    for (std::int64_t i = begin; i < end; ++i) {
      for (std::int64_t j = 0; j < columns; ++j) {
        const auto wanted =
            static_cast<T>(static_cast<std::uint64_t>(i) * strides[0] + static_cast<std::uint64_t>(j) * strides[1]);
        ASSERT_EQ(got[static_cast<std::size_t>((i - begin) * columns + j)], wanted) << i << " " << j;
      }
    }
  }
}

// The sizes are such that runs pass over the pieces of 256 KiB that are read.
TEST(FileSource, ReadsAnyStridesOverPieceBoundaries) {
  const ScratchFolder folder;
  const std::int64_t count = 800'000;
  const auto file = counting<float>(folder, count);
  struct Row {
    Dims dims;
    std::vector<std::uint64_t> strides;
  };
  for (const Row& row :
       {Row{{4, 200'000}, {200'000, 1}}, Row{{200'000, 4}, {1, 200'000}}, Row{{4, 100'000}, {200'000, 2}},
        Row{{100'000, 4}, {2, 200'000}}, Row{{8, 8}, {1, 100'000}}, Row{{2, 8}, {7, 100'000}},
        Row{{800'000, 1}, {1, 5}}, Row{{1, 800'000}, {9, 1}}, Row{{266'666, 1}, {3, 1}}}) {
    const auto source =
        file_source(file, "x", {.stored = Stored::kF32, .dims = row.dims, .strides = row.strides, .offset = 3});
    expect_counts<float>(*source, row.strides);
  }
}

TEST(FileSource, DoublesBecomeFloatsPieceByPiece) {
  const ScratchFolder folder;
  const auto file = counting<double>(folder, 300'000);
  const auto dense =
      file_source(file, "x", {.stored = Stored::kF64, .dims = {3000, 100}, .strides = {100, 1}, .offset = 3});
  EXPECT_EQ(dense->dtype(), DType::kF32);
  expect_counts<float>(*dense, {100, 1});
  const auto turned =
      file_source(file, "x", {.stored = Stored::kF64, .dims = {100, 3000}, .strides = {1, 100}, .offset = 3});
  expect_counts<float>(*turned, {1, 100});
}

TEST(FileSource, ShortIntegersAreWidened) {
  const ScratchFolder folder;
  const auto file = counting<std::int16_t>(folder, 30'000);
  const auto source =
      file_source(file, "x", {.stored = Stored::kS16, .dims = {300, 100}, .strides = {100, 1}, .offset = 3});
  EXPECT_EQ(source->dtype(), DType::kS32);
  expect_counts<std::int32_t>(*source, {100, 1});
}

}  // namespace
}  // namespace ganglion::checkpoint
