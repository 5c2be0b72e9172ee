#include "compiler/composites.h"

#include <charconv>
#include <optional>

#include "hlo/composite.h"

namespace ganglion::compiler {
namespace {

using hlo::Shape;

template <typename T>
std::optional<T> number(const hlo::Instruction& call, const char* name) {
  const auto found = call.composite.attributes.find(name);
  if (found == call.composite.attributes.end()) return std::nullopt;
  T value{};
  const char* end = found->second.data() + found->second.size();
  const auto [rest, error] = std::from_chars(found->second.data(), end, value);
  if (error != std::errc() || rest != end) return std::nullopt;
  return value;
}

std::string text(const hlo::Instruction& call, const char* name) {
  const auto found = call.composite.attributes.find(name);
  return found == call.composite.attributes.end() ? std::string() : found->second;
}

bool is_storage(DType dtype) { return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16; }
bool is_array(const Shape& shape, DType dtype, int rank) {
  return !shape.is_tuple && shape.dtype == dtype && shape.rank() == rank;
}

bool linear(const hlo::Instruction& call, const std::vector<OperandSource>& sources, Node& node) {
  const auto& in = call.operands;
  if (in.size() < 2 || in.size() > 3 || sources[1] != OperandSource::kWeight) return false;
  const Shape& x = in[0]->shape;
  const Shape& w = in[1]->shape;
  if (!is_array(x, DType::kF32, 2) || w.rank() != 2 || !is_storage(w.dtype) || x.dims[1] != w.dims[1]) return false;
  if (!is_array(call.shape, DType::kF32, 2) || call.shape.dims != Dims{x.dims[0], w.dims[0]}) return false;
  if (in.size() == 3 && (!is_array(in[2]->shape, DType::kF32, 1) || in[2]->shape.dims[0] != w.dims[0])) return false;
  node.kind = NodeKind::kMatmul;
  program::MatmulParams params;
  params.k = w.dims[1];
  params.n = w.dims[0];
  params.storage = w.dtype;
  params.has_bias = in.size() == 3;
  node.params = params;
  return true;
}

bool quantized_linear(const hlo::Instruction& call, const std::vector<OperandSource>& sources, Node& node) {
  const auto& in = call.operands;
  if (in.size() < 3 || in.size() > 4 || sources[1] != OperandSource::kWeight || sources[2] != OperandSource::kWeight) {
    return false;
  }
  const Shape& x = in[0]->shape;
  const Shape& w = in[1]->shape;
  const Shape& scale = in[2]->shape;
  if (!is_array(x, DType::kF32, 2) || w.rank() != 2 || x.dims[1] != w.dims[1] || w.dims[1] < 1) return false;
  const std::int64_t n = w.dims[0], k = w.dims[1];
  if (!is_array(call.shape, DType::kF32, 2) || call.shape.dims != Dims{x.dims[0], n}) return false;
  if (in.size() == 4 && (!is_array(in[3]->shape, DType::kF32, 1) || in[3]->shape.dims[0] != n)) return false;
  program::MatmulParams params;
  if (is_array(w, DType::kS8, 2)) {
    if (!is_array(scale, DType::kF32, 1) || scale.dims[0] != n) return false;
  } else {
    if (!is_array(w, DType::kS4, 2) || !is_array(scale, DType::kBF16, 2) || scale.dims[0] != n || scale.dims[1] < 1 ||
        k % scale.dims[1] != 0) {
      return false;
    }
    params.group = k / scale.dims[1];
  }
  node.kind = NodeKind::kMatmul;
  params.k = k;
  params.n = n;
  params.storage = w.dtype;
  params.has_bias = in.size() == 4;
  node.params = params;
  return true;
}

bool layer_norm(const hlo::Instruction& call, Node& node) {
  const auto& in = call.operands;
  const auto epsilon = number<float>(call, "epsilon");
  if (in.size() != 3 || !epsilon) return false;
  const Shape& x = in[0]->shape;
  if (!is_array(x, DType::kF32, 2) || !is_array(in[1]->shape, DType::kF32, 1) || in[1]->shape.dims[0] != x.dims[1] ||
      in[2]->shape != in[1]->shape || call.shape.dims != x.dims || call.shape.dtype != DType::kF32) {
    return false;
  }
  node.kind = NodeKind::kLayerNorm;
  node.params = program::LayerNormParams{x.dims[1], *epsilon};
  return true;
}

bool rms_norm(const hlo::Instruction& call, Node& node) {
  const auto& in = call.operands;
  const auto epsilon = number<float>(call, "epsilon");
  if (in.size() != 2 || !epsilon) return false;
  const Shape& x = in[0]->shape;
  if (!is_array(x, DType::kF32, 2) || !is_array(in[1]->shape, DType::kF32, 1) || in[1]->shape.dims[0] != x.dims[1] ||
      call.shape.dims != x.dims || call.shape.dtype != DType::kF32) {
    return false;
  }
  node.kind = NodeKind::kRmsNorm;
  node.params = program::RmsNormParams{x.dims[1], *epsilon};
  return true;
}

bool rotary(const hlo::Instruction& call, Node& node) {
  const auto& in = call.operands;
  const auto head_dim = number<std::int64_t>(call, "head_dim");
  const std::string pairs = text(call, "pairs");
  if (in.size() != 3 || !head_dim || *head_dim < 2 || (pairs != "halves" && pairs != "neighbours")) return false;
  const Shape& x = in[0]->shape;
  const Shape& cosine = in[1]->shape;
  if (!is_array(x, DType::kF32, 2) || !is_array(cosine, DType::kF32, 2) || in[2]->shape != cosine ||
      cosine.dims[0] != x.dims[0] || cosine.bounded != x.bounded || x.dims[1] % *head_dim != 0 || cosine.dims[1] < 1 ||
      2 * cosine.dims[1] > *head_dim || call.shape != x) {
    return false;
  }
  node.kind = NodeKind::kRotary;
  node.params = program::RotaryParams{x.dims[1] / *head_dim, *head_dim, cosine.dims[1], pairs == "neighbours"};
  return true;
}

// A composite that is one elementwise operation on f32.
bool one_operation(const hlo::Instruction& call, program::ElementOp op, Node& node) {
  if (call.operands.size() != 1) return false;
  const Shape& x = call.operands[0]->shape;
  if (x.is_tuple || x.dtype != DType::kF32 || call.shape != x) return false;
  node.kind = NodeKind::kElementwise;
  node.params = program::ElementwiseParams{{{}}, {{op, DType::kF32, DType::kF32, {0, 0, 0}}}};
  return true;
}

bool gelu(const hlo::Instruction& call, Node& node) {
  const std::string form = text(call, "form");
  if (form != "erf" && form != "tanh") return false;
  return one_operation(call, form == "erf" ? program::ElementOp::kGeluErf : program::ElementOp::kGeluTanh, node);
}

bool embedding(const hlo::Instruction& call, Node& node) {
  const auto& in = call.operands;
  if (in.size() != 2) return false;
  const Shape& table = in[0]->shape;
  if (table.rank() != 2 || !is_storage(table.dtype) || table.dims[0] < 1 || !is_array(in[1]->shape, DType::kS32, 1) ||
      !is_array(call.shape, DType::kF32, 2) || call.shape.dims != Dims{in[1]->shape.dims[0], table.dims[1]}) {
    return false;
  }
  node.kind = NodeKind::kEmbedding;
  node.params = program::EmbeddingParams{.rows = table.dims[0], .cols = table.dims[1]};
  return true;
}

bool quantized_embedding(const hlo::Instruction& call, const std::vector<OperandSource>& sources, Node& node) {
  const auto& in = call.operands;
  if (in.size() != 3 || sources[0] != OperandSource::kWeight || sources[2] != OperandSource::kWeight) return false;
  const Shape& table = in[0]->shape;
  const Shape& scale = in[2]->shape;
  if (!is_array(table, DType::kS8, 2) || table.dims[0] < 1 || !is_array(in[1]->shape, DType::kS32, 1) ||
      !is_array(scale, DType::kF32, 1) || scale.dims[0] != table.dims[0] || !is_array(call.shape, DType::kF32, 2) ||
      call.shape.dims != Dims{in[1]->shape.dims[0], table.dims[1]}) {
    return false;
  }
  node.kind = NodeKind::kEmbedding;
  node.params = program::EmbeddingParams{.rows = table.dims[0], .cols = table.dims[1]};
  return true;
}

bool kv_write(const hlo::Instruction& call, const std::vector<OperandSource>& sources, Node& node) {
  const auto& in = call.operands;
  const std::string kind = text(call, "kind");
  if (in.size() != 3 || (kind != "key" && kind != "value") || sources[2] != OperandSource::kInput) return false;
  const Shape& cache = in[0]->shape;
  if (cache.rank() != 4 || cache.bounded || !is_storage(cache.dtype) || call.shape != cache) return false;
  const bool key = kind == "key";
  const std::int64_t heads = cache.dims[1];
  const std::int64_t head_dim = cache.dims[key ? 2 : 3];
  const std::int64_t block_size = cache.dims[key ? 3 : 2];
  if (block_size % 16 != 0 || !is_array(in[1]->shape, DType::kF32, 2) || in[1]->shape.dims[1] != heads * head_dim ||
      !is_array(in[2]->shape, DType::kS32, 1) || in[2]->shape.dims[0] != in[1]->shape.dims[0]) {
    return false;
  }
  node.kind = NodeKind::kKvWrite;
  node.params = program::KvWriteParams{heads, head_dim, block_size, cache.dims[0], key};
  return true;
}

bool quantized_kv_write(const hlo::Instruction& call, const std::vector<OperandSource>& sources, Node& node) {
  const auto& in = call.operands;
  const bool scales = call.composite.name == hlo::kKvScaleWrite;
  const std::string kind = text(call, "kind");
  if (in.size() != 3 || (!scales && kind != "key" && kind != "value") || sources[2] != OperandSource::kInput) {
    return false;
  }
  const Shape& cache = in[0]->shape;
  if (!is_array(cache, scales ? DType::kF32 : DType::kS8, scales ? 3 : 4) || cache.bounded || call.shape != cache) {
    return false;
  }
  const bool key = kind == "key";
  const std::int64_t heads = cache.dims[1];
  const std::int64_t block_size = cache.dims[key ? 3 : 2];
  const Shape& rows = in[1]->shape;
  if (block_size < 1 || block_size % 16 != 0 || heads < 1 || !is_array(rows, DType::kF32, 2) ||
      rows.dims[1] % heads != 0 || !is_array(in[2]->shape, DType::kS32, 1) || in[2]->shape.dims[0] != rows.dims[0]) {
    return false;
  }
  const std::int64_t head_dim = rows.dims[1] / heads;
  if (!scales && head_dim != cache.dims[key ? 2 : 3]) return false;
  node.kind = NodeKind::kKvWrite;
  node.params = program::KvWriteParams{heads, head_dim, block_size, cache.dims[0], key, scales};
  return true;
}

bool attention(const hlo::Instruction& call, const std::vector<OperandSource>& sources, Node& node) {
  const auto& in = call.operands;
  const auto heads = number<std::int64_t>(call, "heads");
  const auto kv_heads = number<std::int64_t>(call, "kv_heads");
  const auto scale = number<float>(call, "scale");
  const bool scaled = in.size() == 8;
  if ((in.size() != 6 && !scaled) || !heads || !kv_heads || !scale || *heads < 1 || *kv_heads < 1 ||
      *heads % *kv_heads != 0) {
    return false;
  }
  for (std::size_t i = 3; i < 6; ++i) {
    if (sources[i] != OperandSource::kInput) return false;
  }
  const Shape& q = in[0]->shape;
  const Shape& k = in[1]->shape;
  const Shape& v = in[2]->shape;
  const Shape& table = in[3]->shape;
  if (!is_array(q, DType::kF32, 2) || k.rank() != 4 || v.dtype != k.dtype) return false;
  if (scaled ? k.dtype != DType::kS8 : !is_storage(k.dtype)) return false;
  const std::int64_t blocks = k.dims[0], head_dim = k.dims[2], block_size = k.dims[3];
  if (blocks < 1 || k.dims[1] != *kv_heads || v.dims != Dims{blocks, *kv_heads, block_size, head_dim} ||
      block_size < 16 || block_size % 16 != 0 || head_dim < 1 || q.dims[1] % *heads != 0 ||
      q.dims[1] / *heads != head_dim || !is_array(table, DType::kS32, 2) || table.bounded || table.dims[0] < 1 ||
      table.dims[1] < 1 || call.shape != q) {
    return false;
  }
  for (int i = 4; i < 6; ++i) {
    const Shape& rows = in[static_cast<std::size_t>(i)]->shape;
    if (!is_array(rows, DType::kS32, 1) || rows.dims[0] != q.dims[0]) return false;
  }
  for (std::size_t i = 6; i < in.size(); ++i) {
    if (!is_array(in[i]->shape, DType::kF32, 3) || in[i]->shape.dims != Dims{blocks, *kv_heads, block_size}) {
      return false;
    }
  }
  node.kind = NodeKind::kAttention;
  node.params =
      program::AttentionParams{*heads, *kv_heads, head_dim, block_size, table.dims[1], blocks, table.dims[0], *scale};
  return true;
}

}  // namespace

bool recognise_composite(const hlo::Instruction& call, const std::vector<OperandSource>& sources, Node& node) {
  if (call.composite.version != 1) return false;
  const std::string& name = call.composite.name;
  if (name == hlo::kLinear) return linear(call, sources, node);
  if (name == hlo::kQuantizedLinear) return quantized_linear(call, sources, node);
  if (name == hlo::kLayerNorm) return layer_norm(call, node);
  if (name == hlo::kRmsNorm) return rms_norm(call, node);
  if (name == hlo::kRotary) return rotary(call, node);
  if (name == hlo::kGelu) return gelu(call, node);
  if (name == hlo::kSilu) return one_operation(call, program::ElementOp::kSilu, node);
  if (name == hlo::kEmbedding) return embedding(call, node);
  if (name == hlo::kQuantizedEmbedding) return quantized_embedding(call, sources, node);
  if (name == hlo::kKvWrite) return kv_write(call, sources, node);
  if (name == hlo::kQuantizedKvWrite || name == hlo::kKvScaleWrite) return quantized_kv_write(call, sources, node);
  if (name == hlo::kPagedAttention) return attention(call, sources, node);
  return false;
}

}  // namespace ganglion::compiler
