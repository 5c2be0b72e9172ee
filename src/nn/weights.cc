#include "nn/weights.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "checkpoint/random_source.h"
#include "hlo/composite.h"

namespace ganglion::nn {
namespace {

class Padded final : public TensorSource {
 public:
  Padded(std::shared_ptr<const TensorSource> source, std::int64_t rows)
      : source_(std::move(source)), dims_(source_->dims()) {
    dims_[0] = rows;
  }
  DType dtype() const override { return source_->dtype(); }
  const Dims& dims() const override { return dims_; }

  void read_rows(std::int64_t begin, std::int64_t end, std::byte* out) const override {
    const std::int64_t row =
        element_count(std::span(dims_).subspan(1)) * static_cast<std::int64_t>(dtype_size(dtype()));
    const std::int64_t real = std::clamp(source_->dims()[0], begin, end);
    if (real > begin) source_->read_rows(begin, real, out);
    if (end > real) std::memset(out + (real - begin) * row, 0, static_cast<std::size_t>((end - real) * row));
  }

 private:
  std::shared_ptr<const TensorSource> source_;
  Dims dims_;
};

}  // namespace

std::shared_ptr<const TensorSource> padded_source(std::shared_ptr<const TensorSource> source, std::int64_t rows) {
  GANGLION_CHECK(!source->dims().empty() && source->dims()[0] <= rows);
  if (source->dims()[0] == rows) return source;
  return std::make_shared<Padded>(std::move(source), rows);
}

Scope Weights::at(const std::string& name) { return Scope(*this, name); }

std::int64_t Weights::share(const std::string& name, std::int64_t size) const {
  if (size % tp_ != 0) {
    fail(Code::kInvalidArgument,
         "[{}] size {} cannot be split over {} ranks; use a tensor parallel degree that divides it", name, size, tp_);
  }
  return size / tp_;
}

hlo::Value Weights::declare(const std::string& name, DType dtype, Dims dims, Sources per_rank) {
  const bool sharded = per_rank.size() > 1;
  hlo::Value value = builder_.weight(name, hlo::Shape::array(dtype, std::move(dims)), {.sharded = sharded});
  bindings_.push_back({value.instruction()->parameter_number, name, std::move(per_rank)});
  return value;
}

hlo::Value Matrix::multiply(hlo::Value x, hlo::Value bias) const {
  return scales ? hlo::quantized_linear(x, numbers, scales, bias) : hlo::linear(x, numbers, bias);
}

hlo::Value Matrix::take_rows(hlo::Value ids) const {
  return scales ? hlo::quantized_embedding(numbers, ids, scales) : hlo::embedding(numbers, ids);
}

// Numbers and, when they are whole ones, scales.
checkpoint::QuantizedMatrix Weights::find_matrix(const std::string& name, std::int64_t out, std::int64_t in,
                                                 DType storage) {
  std::shared_ptr<const TensorSource> source = finder_(name, {out, in});
  if (source->dtype() == DType::kS8) return {std::move(source), finder_(name + "_scale", {out})};
  if (source->dtype() == DType::kS4) return {std::move(source), finder_(name + "_scale", {out, in / types_.group})};
  if (is_float(storage)) return {std::move(source), nullptr};
  if (storage == DType::kS4 && in % types_.group != 0) storage = DType::kS8;
  return checkpoint::quantize(std::move(source), storage, types_.group, name);
}

Matrix Weights::matrix(const std::string& name, std::int64_t out, std::int64_t in, Split split) {
  const DType storage = split == Split::kVocabulary && !is_float(types_.storage) ? DType::kS8 : types_.storage;
  auto [numbers, scales] = find_matrix(name, out, in, storage);
  const DType type = scales ? numbers->dtype() : types_.storage;
  matrices_.push_back({name, type});
  if (tp_ == 1 || split == Split::kReplicated) {
    Matrix whole;
    whole.numbers = declare(name, type, {out, in}, {std::move(numbers)});
    if (scales) whole.scales = declare(name + "_scale", scales->dtype(), scales->dims(), {scales});
    return whole;
  }
  if (split == Split::kVocabulary) {
    out = (out + tp_ - 1) / tp_ * tp_;
    numbers = padded_source(std::move(numbers), out);
    if (scales) scales = padded_source(std::move(scales), out);
  }
  const bool columns = split != Split::kRows;
  const std::int64_t each = share(name, columns ? out : in);
  const auto shares = [&](const std::shared_ptr<const TensorSource>& whole, std::int64_t size) {
    Sources per_rank;
    for (int rank = 0; rank < tp_; ++rank) {
      per_rank.push_back(slice_source(whole, columns ? 0 : 1, rank * size, (rank + 1) * size));
    }
    return per_rank;
  };
  Matrix own;
  own.numbers = declare(name, type, columns ? Dims{each, in} : Dims{out, each}, shares(numbers, each));
  if (!scales) return own;
  Dims dims = scales->dims();
  Sources of_scales = {scales};  // of whole outputs, which every rank has a part of
  if (columns) {
    dims[0] = each;
    of_scales = shares(scales, each);
  } else if (dims.size() == 2) {
    const std::int64_t group = in / dims[1];
    if (each % group != 0) {
      fail(Code::kInvalidArgument,
           "[{}] {} inputs over {} ranks are {} each, which groups of {} do not divide; use a smaller tensor parallel "
           "degree, a smaller group or s8",
           name, in, tp_, each, group);
    }
    dims[1] = each / group;
    of_scales = shares(scales, dims[1]);
  }
  own.scales = declare(name + "_scale", scales->dtype(), dims, std::move(of_scales));
  return own;
}

Matrix Weights::table(const std::string& name, std::int64_t rows, std::int64_t size) {
  std::shared_ptr<const TensorSource> source = finder_(name, {rows, size});
  const DType type = is_float(types_.storage) ? types_.storage : source->dtype();
  matrices_.push_back({name, type});
  return {declare(name, type, {rows, size}, {std::move(source)}), {}};
}

hlo::Value Weights::vector(const std::string& name, std::int64_t size, Split split) {
  GANGLION_CHECK(split != Split::kVocabulary);
  std::shared_ptr<const TensorSource> whole = finder_(name, {size});
  if (tp_ == 1 || split == Split::kReplicated) return declare(name, DType::kF32, {size}, {std::move(whole)});
  Sources per_rank;
  if (split == Split::kRows) {
    // The sum over ranks must have the bias once.
    per_rank.push_back(std::move(whole));
    for (int rank = 1; rank < tp_; ++rank) per_rank.push_back(checkpoint::constant_source(DType::kF32, {size}, 0));
    return declare(name, DType::kF32, {size}, std::move(per_rank));
  }
  const std::int64_t each = share(name, size);
  for (int rank = 0; rank < tp_; ++rank) per_rank.push_back(slice_source(whole, 0, rank * each, (rank + 1) * each));
  return declare(name, DType::kF32, {each}, std::move(per_rank));
}

hlo::Value Weights::constant_vector(const std::string& name, std::int64_t size, double value) {
  return declare(name, DType::kF32, {size}, {checkpoint::constant_source(DType::kF32, {size}, value)});
}

}  // namespace ganglion::nn
