// Declares the weights of a step: each becomes a parameter of the module, with the rank's share of its shape, and a
// binding that says where the numbers of every rank come from. How a weight is split over ranks is said where it is
// declared. Not thread-safe; used while a module is built.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "hlo/builder.h"
#include "tensor/source.h"

namespace ganglion::nn {

// A weight of the step and where its numbers come from.
struct WeightBinding {
  std::int64_t parameter = 0;                                 // number of the entry parameter
  std::string name;                                           // the checkpoint's name
  std::vector<std::shared_ptr<const TensorSource>> per_rank;  // one per rank when sharded, else one
};

// Where a builder gets the numbers of a weight: by the checkpoint's name, wanted dims (errors: kNotFound with the name,
// kDataCorrupt when dims differ).
using WeightFinder = std::function<std::shared_ptr<const TensorSource>(const std::string& name, const Dims& dims)>;

// How a matrix [out, in] (as torch.nn.Linear keeps it) is divided over ranks.
enum class Split : std::uint8_t {
  kReplicated,  // every rank has all of it
  kColumns,     // each rank has a range of the outputs, and the same range of the bias
  kRows,        // each rank has a range of the inputs: results are partial sums, the bias is rank 0's
  kVocabulary,  // as kColumns; outputs are padded with zeros to a multiple of the ranks
};

// Where a layer's matrix [out, in] and bias lie in the checkpoint when they are not a torch.nn.Linear of their own.
struct Stored {
  bool transposed = false;     // kept as [in, out], as GPT-2's Conv1D is
  std::string part = {};       // of a tensor that several layers share: appended to its name in the module ("q")
  std::int64_t whole_out = 0;  // outputs of that tensor; 0: the layer has a tensor of its own
  RowBlocks blocks = {};       // which of them are the layer's
};

struct MatrixOptions {
  std::int64_t out = 0;  // of all ranks
  std::int64_t in = 0;
  Split split = Split::kReplicated;
  int copies = 1;  // kColumns: so many neighbouring ranks have the same range; they divide tp
  Stored stored = {};
};

struct VectorOptions {
  std::int64_t size = 0;  // of all ranks
  Split split = Split::kReplicated;
  int copies = 1;
  Stored stored = {};
};

class Scope;

class Weights {
 public:
  // `storage`: the type of matrices; vectors are f32. `builder` and `finder` must outlive this object.
  Weights(hlo::Builder& builder, const WeightFinder& finder, int tp, DType storage)
      : builder_(builder), finder_(finder), tp_(tp), storage_(storage) {}
  Weights(const Weights&) = delete;

  hlo::Builder& builder() { return builder_; }
  int tp() const noexcept { return tp_; }
  // All weights whose names begin with "name.".
  Scope at(const std::string& name);

  // The rank's share of the matrix `name`. Errors: what the finder throws; kInvalidArgument when the size to be split
  // is not a multiple of the shares.
  hlo::Value matrix(const std::string& name, const MatrixOptions& options);
  // A vector, f32. With kRows only rank 0 has it, the others have zeros.
  hlo::Value vector(const std::string& name, const VectorOptions& options);
  // What no checkpoint has: a replicated vector of equal elements, and numbers that were computed here.
  hlo::Value constant_vector(const std::string& name, std::int64_t size, double value);
  hlo::Value computed(const std::string& name, Tensor tensor);

  // What was declared, in order; this object is empty afterwards.
  std::vector<WeightBinding> take() { return std::move(bindings_); }

 private:
  using Sources = std::vector<std::shared_ptr<const TensorSource>>;
  hlo::Value declare(const std::string& name, DType dtype, Dims dims, Sources per_rank);
  // `dims` of the layer's own tensor or part, transposed or not.
  std::shared_ptr<const TensorSource> find(const std::string& name, Dims dims, const Stored& stored) const;
  std::int64_t share(const std::string& name, std::int64_t size, int shares) const;

  hlo::Builder& builder_;
  const WeightFinder& finder_;
  const int tp_;
  const DType storage_;
  std::vector<WeightBinding> bindings_;
};

// A prefix of weight names: Scope("decoder.layers.3").at("fc1") declares "decoder.layers.3.fc1.weight". Copyable.
class Scope {
 public:
  Scope(Weights& weights, std::string prefix) : weights_(&weights), prefix_(std::move(prefix)) {}
  Scope at(const std::string& name) const { return Scope(*weights_, prefix_ + "." + name); }
  Weights& weights() const { return *weights_; }
  hlo::Builder& builder() const { return weights_->builder(); }
  int tp() const noexcept { return weights_->tp(); }
  std::string name(const std::string& leaf) const { return prefix_ + "." + leaf; }

 private:
  Weights* weights_;
  std::string prefix_;
};

// `source` [rows, ...] with rows of zeros after it up to `rows`; itself when it has that many.
std::shared_ptr<const TensorSource> padded_source(std::shared_ptr<const TensorSource> source, std::int64_t rows);

}  // namespace ganglion::nn
