// Declares the weights of a step: each becomes a parameter of the module, with the rank's share of its shape, and a
// binding that says where the numbers of every rank come from. How a weight is split over ranks is said where it is
// declared. Not thread-safe; used while a module is built.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/quantize.h"
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
// kDataCorrupt when dims differ). A matrix comes in floats, or in s8 or s4 when the checkpoint has it so; then its
// scales are the weight "NAME_scale".
using WeightFinder = std::function<std::shared_ptr<const TensorSource>(const std::string& name, const Dims& dims)>;

// How a matrix [out, in] (as torch.nn.Linear keeps it) is divided over ranks.
enum class Split : std::uint8_t {
  kReplicated,  // every rank has all of it
  kColumns,     // each rank has a range of the outputs, and the same range of the bias
  kRows,        // each rank has a range of the inputs: results are partial sums, the bias is rank 0's
  kVocabulary,  // as kColumns; outputs are padded with zeros to a multiple of the ranks
};

// The types of matrices; vectors are f32.
struct MatrixTypes {
  DType storage = DType::kF32;  // f32, f16, bf16, s8 or s4
  std::int64_t group = 32;      // of s4: neighbours of a row that share a scale
  bool stored = false;          // the checkpoint has them in s8 or s4; then as [out, in] in every family
};

// A declared matrix: `numbers` [out, in], times `scales` when it is in whole numbers (checkpoint/quantize.h).
struct Matrix {
  hlo::Value numbers;
  hlo::Value scales;  // s8: f32[out]; s4: bf16[out, in / group]; else none

  // x f32[R, in] times the matrix transposed, plus bias f32[out] if given: f32[R, out].
  hlo::Value multiply(hlo::Value x, hlo::Value bias = {}) const;
  // Rows by ids s32[T], clamped: f32[T, in].
  hlo::Value take_rows(hlo::Value ids) const;
};

// What became of a tensor of the checkpoint that has matrices: the type they are kept in, kS8 and kS4 with scales. One
// for each matrix, so that a tensor of several comes several times.
struct DeclaredMatrix {
  std::string name;
  DType type = DType::kF32;
  bool transposed = false;  // in the checkpoint
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
  // `builder` and `finder` must outlive this object.
  Weights(hlo::Builder& builder, const WeightFinder& finder, int tp, MatrixTypes types)
      : builder_(builder), finder_(finder), tp_(tp), types_(types) {}
  Weights(const Weights&) = delete;

  hlo::Builder& builder() { return builder_; }
  int tp() const noexcept { return tp_; }
  // All weights whose names begin with "name.".
  Scope at(const std::string& name);

  // The rank's share of the matrix `name`. With storage s8 or s4 a matrix of floats is quantized as it is loaded, a
  // vocabulary's to s8 always, and to s8 when groups of s4 do not divide `in`. Errors: what the finder throws;
  // kInvalidArgument when the size to be split is not a multiple of the shares, or an input share of s4 not one of
  // groups.
  Matrix matrix(const std::string& name, const MatrixOptions& options);
  // A table to look rows up in, whole dims [rows, size], on every rank: in the storage type, or where that is s8 or s4
  // in the type the checkpoint has.
  Matrix table(const std::string& name, std::int64_t rows, std::int64_t size);
  // A vector, f32. With kRows only rank 0 has it, the others have zeros.
  hlo::Value vector(const std::string& name, const VectorOptions& options);
  // What no checkpoint has: a replicated vector of equal elements, and numbers that were computed here.
  hlo::Value constant_vector(const std::string& name, std::int64_t size, double value);
  hlo::Value computed(const std::string& name, Tensor tensor);

  // What was declared, in order; this object is empty afterwards.
  std::vector<WeightBinding> take() { return std::move(bindings_); }
  std::vector<DeclaredMatrix> take_matrices() { return std::move(matrices_); }

 private:
  using Sources = std::vector<std::shared_ptr<const TensorSource>>;
  hlo::Value declare(const std::string& name, DType dtype, Dims dims, Sources per_rank);
  // `dims` of the layer's own tensor or part, transposed or not.
  std::shared_ptr<const TensorSource> find(const std::string& name, Dims dims, const Stored& stored) const;
  std::int64_t share(const std::string& name, std::int64_t size, int shares) const;
  // Numbers and, when they are whole ones, scales.
  checkpoint::QuantizedMatrix find_matrix(const std::string& name, const MatrixOptions& options) const;

  hlo::Builder& builder_;
  const WeightFinder& finder_;
  const int tp_;
  const MatrixTypes types_;
  std::vector<WeightBinding> bindings_;
  std::vector<DeclaredMatrix> matrices_;
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
