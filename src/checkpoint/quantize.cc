#include "checkpoint/quantize.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include "base/error.h"
#include "tensor/half.h"

namespace ganglion::checkpoint {
namespace {

constexpr std::int64_t kElementsAtOnce = 1 << 17;  // read from a source

// Rows of a float source, several read at a time, as f32 one by one.
class FloatRows {
 public:
  FloatRows(const TensorSource& source, const kernels::Table& table, std::int64_t begin, std::int64_t end)
      : source_(source), table_(table), cols_(source.dims()[1]), next_(begin), end_(end), read_(begin) {
    const std::int64_t step = kElementsAtOnce / std::max<std::int64_t>(1, cols_);
    step_ = std::clamp<std::int64_t>(step, 1, std::max<std::int64_t>(1, end - begin));
    const auto count = static_cast<std::size_t>(step_ * cols_);
    raw_ = std::make_unique_for_overwrite<std::byte[]>(count * dtype_size(source.dtype()));
    if (source.dtype() != DType::kF32) row_.resize(static_cast<std::size_t>(cols_));
  }
  // The next row; valid until the next call.
  const float* next() {
    if (next_ == read_) {
      const std::int64_t last = std::min(end_, read_ + step_);
      source_.read_rows(read_, last, raw_.get());
      first_ = read_;
      read_ = last;
    }
    const std::byte* row =
        raw_.get() + (next_++ - first_) * cols_ * static_cast<std::int64_t>(dtype_size(source_.dtype()));
    if (source_.dtype() == DType::kF32) return reinterpret_cast<const float*>(row);
    const auto from = source_.dtype() == DType::kF16 ? kernels::Storage::kF16 : kernels::Storage::kBF16;
    table_.to_f32[static_cast<std::size_t>(from)](row, row_.data(), cols_);
    return row_.data();
  }

 private:
  const TensorSource& source_;
  const kernels::Table& table_;
  const std::int64_t cols_;
  std::int64_t next_, end_;
  std::int64_t first_ = 0, read_;  // of raw_, [first_, read_)
  std::int64_t step_ = 1;
  std::unique_ptr<std::byte[]> raw_;
  std::vector<float> row_;
};

// In blocks whose sums are f32 in eight lanes, so that the compiler vectorises them, and those of blocks in double.
SquaredError error_of(const float* row, const std::int8_t* numbers, std::int64_t count, float scale) noexcept {
  constexpr std::int64_t kLanes = 8, kBlock = 64;
  SquaredError out;
  for (std::int64_t begin = 0; begin < count; begin += kBlock) {
    const std::int64_t end = std::min(count, begin + kBlock);
    float error[kLanes] = {}, whole[kLanes] = {};
    const auto add = [&](std::int64_t i, std::int64_t lane) {
      const float off = row[i] - static_cast<float>(numbers[i]) * scale;
      error[lane] += off * off;
      whole[lane] += row[i] * row[i];
    };
    std::int64_t i = begin;
    for (; i + kLanes <= end; i += kLanes) {
      for (std::int64_t lane = 0; lane < kLanes; ++lane) add(i + lane, lane);
    }
    for (; i < end; ++i) add(i, 0);
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      out.error += error[lane];
      out.whole += whole[lane];
    }
  }
  return out;
}

class Numbers final : public TensorSource {
 public:
  explicit Numbers(std::shared_ptr<const Quantizer> quantizer) : quantizer_(std::move(quantizer)) {}
  DType dtype() const override { return quantizer_->type(); }
  const Dims& dims() const override { return quantizer_->matrix().dims(); }
  void read_rows(std::int64_t begin, std::int64_t end, std::byte* out) const override {
    quantizer_->read_numbers(begin, end, reinterpret_cast<std::int8_t*>(out));
  }
  void read_block(std::int64_t begin, std::int64_t end, std::int64_t first, std::int64_t last,
                  std::byte* out) const override {
    quantizer_->read_numbers_of(begin, end, first, last, reinterpret_cast<std::int8_t*>(out));
  }

 private:
  std::shared_ptr<const Quantizer> quantizer_;
};

class Scales final : public TensorSource {
 public:
  explicit Scales(std::shared_ptr<const Quantizer> quantizer) : quantizer_(std::move(quantizer)) {}
  DType dtype() const override { return quantizer_->scale_type(); }
  const Dims& dims() const override { return quantizer_->scale_dims(); }
  void read_rows(std::int64_t begin, std::int64_t end, std::byte* out) const override {
    quantizer_->read_scales(begin, end, out);
  }

 private:
  std::shared_ptr<const Quantizer> quantizer_;
};

class Pairs final : public TensorSource {
 public:
  explicit Pairs(std::shared_ptr<const TensorSource> numbers)
      : numbers_(std::move(numbers)), dims_{numbers_->dims()[0], numbers_->dims()[1] / 2} {}
  DType dtype() const override { return DType::kU8; }
  const Dims& dims() const override { return dims_; }
  void read_rows(std::int64_t begin, std::int64_t end, std::byte* out) const override {
    const std::int64_t count = (end - begin) * dims_[1];
    std::vector<std::int8_t> numbers(static_cast<std::size_t>(count) * 2);
    numbers_->read_rows(begin, end, reinterpret_cast<std::byte*>(numbers.data()));
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int8_t* two = numbers.data() + 2 * i;
      out[i] = static_cast<std::byte>((two[0] & 15) | (two[1] & 15) << 4);
    }
  }

 private:
  std::shared_ptr<const TensorSource> numbers_;
  Dims dims_;
};

class Unpaired final : public TensorSource {
 public:
  explicit Unpaired(std::shared_ptr<const TensorSource> pairs)
      : pairs_(std::move(pairs)), dims_{pairs_->dims()[0], pairs_->dims()[1] * 2} {}
  DType dtype() const override { return DType::kS4; }
  const Dims& dims() const override { return dims_; }
  void read_rows(std::int64_t begin, std::int64_t end, std::byte* out) const override {
    const std::int64_t count = (end - begin) * pairs_->dims()[1];
    std::vector<std::uint8_t> pairs(static_cast<std::size_t>(count));
    pairs_->read_rows(begin, end, reinterpret_cast<std::byte*>(pairs.data()));
    for (std::int64_t i = 0; i < count; ++i) {
      const int pair = pairs[static_cast<std::size_t>(i)];
      out[2 * i] = static_cast<std::byte>(((pair & 15) ^ 8) - 8);
      out[2 * i + 1] = static_cast<std::byte>(((pair >> 4) ^ 8) - 8);
    }
  }

 private:
  std::shared_ptr<const TensorSource> pairs_;
  Dims dims_;
};

}  // namespace

// Scales of rows, each written once. Memory is taken when the first is.
class Quantizer::KeptScales {
 public:
  KeptScales(std::int64_t rows, std::int64_t row_bytes) : rows_(rows), row_bytes_(row_bytes) {}

  // The scales of a row, or null when they are not kept (yet).
  const std::byte* find(std::int64_t row) const noexcept {
    if (!there_.load(std::memory_order_acquire)) return nullptr;
    return state_[static_cast<std::size_t>(row)].load(std::memory_order_acquire) == State::kKept ? at(row) : nullptr;
  }
  bool has(std::int64_t begin, std::int64_t end) const noexcept {
    while (begin < end && find(begin) != nullptr) ++begin;
    return begin == end;
  }
  void keep(std::int64_t row, const std::byte* scales) {
    std::call_once(allocated_, [this] {
      state_ = std::make_unique<std::atomic<State>[]>(static_cast<std::size_t>(rows_));
      scales_ = std::make_unique_for_overwrite<std::byte[]>(static_cast<std::size_t>(rows_ * row_bytes_));
      there_.store(true, std::memory_order_release);
    });
    std::atomic<State>& state = state_[static_cast<std::size_t>(row)];
    State none = State::kNone;  // of two threads with the same row, the first writes it
    if (!state.compare_exchange_strong(none, State::kWriting)) return;
    std::memcpy(at(row), scales, static_cast<std::size_t>(row_bytes_));
    state.store(State::kKept, std::memory_order_release);
  }

 private:
  enum class State : std::uint8_t { kNone, kWriting, kKept };

  std::byte* at(std::int64_t row) const noexcept { return scales_.get() + row * row_bytes_; }

  const std::int64_t rows_, row_bytes_;
  std::once_flag allocated_;
  std::atomic<bool> there_ = false;
  std::unique_ptr<std::atomic<State>[]> state_;
  std::unique_ptr<std::byte[]> scales_;
};

namespace {

Dims dims_of_scales(const TensorSource& matrix, DType to, std::int64_t group) {
  GANGLION_CHECK(matrix.dims().size() == 2 && is_float(matrix.dtype()));
  const Dims& dims = matrix.dims();
  GANGLION_CHECK(to == DType::kS8 || (to == DType::kS4 && group > 0 && group % 8 == 0 && dims[1] % group == 0));
  return to == DType::kS8 ? Dims{dims[0]} : Dims{dims[0], dims[1] / group};
}

float scale_at(DType to, const std::byte* scales, std::int64_t group) noexcept {
  if (to == DType::kS4) {
    std::uint16_t bits;
    std::memcpy(&bits, scales + 2 * group, 2);
    return bf16_to_f32(bits);
  }
  float scale;
  std::memcpy(&scale, scales, 4);
  return scale;
}

}  // namespace

Quantizer::Quantizer(std::shared_ptr<const TensorSource> matrix, DType to, std::int64_t group, std::string name)
    : matrix_(std::move(matrix)),
      to_(to),
      group_(group),
      name_(std::move(name)),
      scale_dims_(dims_of_scales(*matrix_, to, group)),
      table_(*kernels::find_table("")),
      kept_(std::make_unique<KeptScales>(scale_dims_[0], scale_bytes())) {}

Quantizer::~Quantizer() = default;

void Quantizer::search(const float* row, std::int64_t index, std::byte* scales) const {
  const float top = table_.largest_magnitude(row, matrix_->dims()[1]);
  if (std::isnan(top)) {
    fail(Code::kDataCorrupt, "[quantize] row {} of {} has a value that is not a finite number", index, name_);
  }
  if (to_ == DType::kS4) {
    table_.search_s4(row, reinterpret_cast<std::uint16_t*>(scales), groups(), group_);
    return;
  }
  float scale = top / 127.0f;
  if (!std::isnormal(scale)) scale = 0;  // as the numbers will be
  std::memcpy(scales, &scale, sizeof scale);
}

void Quantizer::round(const float* row, const std::byte* scales, std::int8_t* numbers, std::int64_t cols) const {
  if (to_ == DType::kS8) {
    table_.round_s8(row, scale_at(to_, scales, 0), numbers, cols);
  } else {
    table_.round_s4(row, reinterpret_cast<const std::uint16_t*>(scales), numbers, cols / group_, group_);
  }
}

void Quantizer::read(std::int64_t begin, std::int64_t end, std::int8_t* numbers, std::byte* scales,
                     SquaredError* errors) const {
  const std::int64_t cols = matrix_->dims()[1];
  const std::int64_t size = to_ == DType::kS4 ? group_ : cols;
  FloatRows rows(*matrix_, table_, begin, end);
  std::vector<std::byte> searched(static_cast<std::size_t>(scale_bytes()));
  for (std::int64_t i = begin; i < end; ++i) {
    const float* row = rows.next();
    const std::byte* found = kept_->find(i);
    if (found == nullptr) {
      search(row, i, searched.data());
      kept_->keep(i, searched.data());
      found = searched.data();
    }
    if (scales != nullptr) scales = std::copy_n(found, scale_bytes(), scales);
    if (numbers == nullptr) continue;
    round(row, found, numbers, cols);
    for (std::int64_t g = 0; errors != nullptr && g < groups(); ++g) {
      const SquaredError error = error_of(row + g * size, numbers + g * size, size, scale_at(to_, found, g));
      errors[i - begin].error += error.error;
      errors[i - begin].whole += error.whole;
    }
    numbers += cols;
  }
}

void Quantizer::read_numbers(std::int64_t begin, std::int64_t end, std::int8_t* numbers, SquaredError* errors) const {
  read(begin, end, numbers, nullptr, errors);
}

void Quantizer::read_numbers_of(std::int64_t begin, std::int64_t end, std::int64_t first, std::int64_t last,
                                std::int8_t* numbers) const {
  const std::int64_t cols = matrix_->dims()[1], wanted = last - first;
  const bool whole_groups = to_ == DType::kS8 || (first % group_ == 0 && last % group_ == 0);
  if (whole_groups && kept_->has(begin, end)) {
    const auto columns = slice_source(matrix_, 1, first, last);
    FloatRows rows(*columns, table_, begin, end);
    for (std::int64_t i = begin; i < end; ++i, numbers += wanted) {
      round(rows.next(), kept_->find(i) + (to_ == DType::kS4 ? first / group_ * 2 : 0), numbers, wanted);
    }
    return;
  }
  const std::int64_t step = std::clamp<std::int64_t>(kElementsAtOnce / std::max<std::int64_t>(1, cols), 1,
                                                     std::max<std::int64_t>(1, end - begin));
  std::vector<std::int8_t> rows(static_cast<std::size_t>(step * cols));
  for (std::int64_t row = begin; row < end; row += step) {
    const std::int64_t count = std::min(step, end - row);
    read_numbers(row, row + count, rows.data());
    for (std::int64_t i = 0; i < count; ++i) numbers = std::copy_n(rows.data() + i * cols + first, wanted, numbers);
  }
}

void Quantizer::read_scales(std::int64_t begin, std::int64_t end, std::byte* scales) const {
  while (begin < end) {
    if (const std::byte* kept = kept_->find(begin)) {
      scales = std::copy_n(kept, scale_bytes(), scales);
      ++begin;
      continue;
    }
    std::int64_t missing = begin + 1;
    while (missing < end && kept_->find(missing) == nullptr) ++missing;
    read(begin, missing, nullptr, scales, nullptr);
    scales += (missing - begin) * scale_bytes();
    begin = missing;
  }
}

QuantizedMatrix quantize(std::shared_ptr<const TensorSource> matrix, DType to, std::int64_t group,
                         const std::string& name) {
  const auto quantizer = std::make_shared<const Quantizer>(std::move(matrix), to, group, name);
  return {std::make_shared<Numbers>(quantizer), std::make_shared<Scales>(quantizer)};
}

std::shared_ptr<const TensorSource> pairs_of(std::shared_ptr<const TensorSource> numbers) {
  GANGLION_CHECK(numbers->dtype() == DType::kS4 && numbers->dims().size() == 2 && numbers->dims()[1] % 2 == 0);
  return std::make_shared<Pairs>(std::move(numbers));
}

std::shared_ptr<const TensorSource> numbers_of(std::shared_ptr<const TensorSource> pairs) {
  GANGLION_CHECK(pairs->dtype() == DType::kU8 && pairs->dims().size() == 2);
  return std::make_shared<Unpaired>(std::move(pairs));
}

}  // namespace ganglion::checkpoint
