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

// A parameter's name in the module: two parts of one tensor are two parameters.
std::string own_name(const std::string& name, const Stored& stored) {
  return stored.part.empty() ? name : name + "." + stored.part;
}

}  // namespace

std::shared_ptr<const TensorSource> padded_source(std::shared_ptr<const TensorSource> source, std::int64_t rows) {
  GANGLION_CHECK(!source->dims().empty() && source->dims()[0] <= rows);
  if (source->dims()[0] == rows) return source;
  return std::make_shared<Padded>(std::move(source), rows);
}

Scope Weights::at(const std::string& name) { return Scope(*this, name); }

std::int64_t Weights::share(const std::string& name, std::int64_t size, int shares) const {
  if (size % shares != 0) {
    fail(Code::kInvalidArgument,
         "[{}] size {} cannot be split over {} ranks; use a tensor parallel degree that divides it", name, size,
         shares);
  }
  return size / shares;
}

std::shared_ptr<const TensorSource> Weights::find(const std::string& name, Dims dims, const Stored& stored) const {
  const bool is_part = stored.whole_out > 0;
  if (is_part) dims[0] = stored.whole_out;
  const bool turned = stored.transposed && dims.size() == 2;
  if (turned) std::swap(dims[0], dims[1]);
  std::shared_ptr<const TensorSource> source = finder_(name, dims);
  if (turned) source = transposed_source(std::move(source));
  return is_part ? row_blocks_source(std::move(source), stored.blocks) : source;
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

checkpoint::QuantizedMatrix Weights::find_matrix(const std::string& name, const MatrixOptions& options) const {
  Stored stored = options.stored;
  if (types_.stored) stored.transposed = false;
  std::shared_ptr<const TensorSource> source = find(name, {options.out, options.in}, stored);
  if (source->dtype() == DType::kS8) return {std::move(source), find(name + "_scale", {options.out}, stored)};
  if (source->dtype() == DType::kS4) {
    return {std::move(source), find(name + "_scale", {options.out, options.in / types_.group}, stored)};
  }
  if (is_float(types_.storage)) return {std::move(source), nullptr};
  const bool in_groups = options.split != Split::kVocabulary && options.in % types_.group == 0;
  const DType to = types_.storage == DType::kS4 && in_groups ? DType::kS4 : DType::kS8;
  return checkpoint::quantize(std::move(source), to, types_.group, name);
}

Matrix Weights::matrix(const std::string& name, const MatrixOptions& options) {
  auto [out, in] = std::pair(options.out, options.in);
  auto [numbers, scales] = find_matrix(name, options);
  const DType type = scales ? numbers->dtype() : types_.storage;
  matrices_.push_back({name, type, options.stored.transposed});
  const std::string own_numbers = own_name(name, options.stored);
  const std::string own_scales = own_name(name + "_scale", options.stored);
  const int shares = tp_ / options.copies;
  Matrix own;
  if (shares == 1 || options.split == Split::kReplicated) {
    own.numbers = declare(own_numbers, type, {out, in}, {std::move(numbers)});
    if (scales) own.scales = declare(own_scales, scales->dtype(), scales->dims(), {scales});
    return own;
  }
  if (options.split == Split::kVocabulary) {
    out = (out + tp_ - 1) / tp_ * tp_;
    numbers = padded_source(std::move(numbers), out);
    if (scales) scales = padded_source(std::move(scales), out);
  }
  const bool columns = options.split != Split::kRows;
  const std::int64_t each = share(own_numbers, columns ? out : in, shares);
  const auto slices = [&](const std::shared_ptr<const TensorSource>& whole, std::int64_t size) {
    Sources per_rank;
    for (int rank = 0; rank < tp_; ++rank) {
      const std::int64_t begin = rank / options.copies * size;
      per_rank.push_back(slice_source(whole, columns ? 0 : 1, begin, begin + size));
    }
    return per_rank;
  };
  own.numbers = declare(own_numbers, type, columns ? Dims{each, in} : Dims{out, each}, slices(numbers, each));
  if (!scales) return own;
  Dims dims = scales->dims();
  Sources of_scales = {scales};  // of whole outputs, which every rank has a part of
  if (columns) {
    dims[0] = each;
    of_scales = slices(scales, each);
  } else if (dims.size() == 2) {
    const std::int64_t group = in / dims[1];
    if (each % group != 0) {
      fail(Code::kInvalidArgument,
           "[{}] {} inputs over {} ranks are {} each, which groups of {} do not divide; use a smaller tensor parallel "
           "degree, a smaller group or s8",
           name, in, tp_, each, group);
    }
    dims[1] = each / group;
    of_scales = slices(scales, dims[1]);
  }
  own.scales = declare(own_scales, scales->dtype(), dims, std::move(of_scales));
  return own;
}

Matrix Weights::table(const std::string& name, std::int64_t rows, std::int64_t size) {
  std::shared_ptr<const TensorSource> source = finder_(name, {rows, size});
  const DType type = is_float(types_.storage) ? types_.storage : source->dtype();
  matrices_.push_back({name, type});
  return {declare(name, type, {rows, size}, {std::move(source)}), {}};
}

hlo::Value Weights::vector(const std::string& name, const VectorOptions& options) {
  std::int64_t size = options.size;
  std::shared_ptr<const TensorSource> whole = find(name, {size}, options.stored);
  const std::string own = own_name(name, options.stored);
  const int shares = tp_ / options.copies;
  if (shares == 1 || options.split == Split::kReplicated) return declare(own, DType::kF32, {size}, {std::move(whole)});
  Sources per_rank;
  if (options.split == Split::kRows) {
    // The sum over ranks must have the bias once.
    per_rank.push_back(std::move(whole));
    for (int rank = 1; rank < tp_; ++rank) per_rank.push_back(checkpoint::constant_source(DType::kF32, {size}, 0));
    return declare(own, DType::kF32, {size}, std::move(per_rank));
  }
  if (options.split == Split::kVocabulary) {
    size = (size + tp_ - 1) / tp_ * tp_;
    whole = padded_source(std::move(whole), size);
  }
  const std::int64_t each = share(own, size, shares);
  for (int rank = 0; rank < tp_; ++rank) {
    const std::int64_t begin = rank / options.copies * each;
    per_rank.push_back(slice_source(whole, 0, begin, begin + each));
  }
  return declare(own, DType::kF32, {each}, std::move(per_rank));
}

hlo::Value Weights::constant_vector(const std::string& name, std::int64_t size, double value) {
  return declare(name, DType::kF32, {size}, {checkpoint::constant_source(DType::kF32, {size}, value)});
}

hlo::Value Weights::computed(const std::string& name, Tensor tensor) {
  const DType dtype = tensor.dtype();
  Dims dims = tensor.dims();
  return declare(name, dtype, std::move(dims), {tensor_source(std::move(tensor))});
}

}  // namespace ganglion::nn
