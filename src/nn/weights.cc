#include "nn/weights.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "checkpoint/random_source.h"

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

hlo::Value Weights::matrix(const std::string& name, const MatrixOptions& options) {
  auto [out, in] = std::pair(options.out, options.in);
  std::shared_ptr<const TensorSource> whole = find(name, {out, in}, options.stored);
  const std::string own = own_name(name, options.stored);
  const int shares = tp_ / options.copies;
  if (shares == 1 || options.split == Split::kReplicated) return declare(own, storage_, {out, in}, {std::move(whole)});
  if (options.split == Split::kVocabulary) {
    out = (out + tp_ - 1) / tp_ * tp_;
    whole = padded_source(std::move(whole), out);
  }
  const bool columns = options.split != Split::kRows;
  const std::int64_t each = share(own, columns ? out : in, shares);
  Sources per_rank;
  for (int rank = 0; rank < tp_; ++rank) {
    const std::int64_t begin = rank / options.copies * each;
    per_rank.push_back(slice_source(whole, columns ? 0 : 1, begin, begin + each));
  }
  return declare(own, storage_, columns ? Dims{each, in} : Dims{out, each}, std::move(per_rank));
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
