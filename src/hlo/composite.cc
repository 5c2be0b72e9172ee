#include "hlo/composite.h"

#include <fmt/format.h>

#include <limits>

#include "base/error.h"

namespace ganglion::hlo {
namespace {

Composite named(std::string_view name, std::map<std::string, std::string> attributes = {}) {
  return {std::string(name), 1, std::move(attributes)};
}

void want_f32(Value x, std::string_view composite, const char* operand) {
  if (x.dtype() == DType::kF32) return;
  fail(Code::kInvalidArgument, "{}: {}: {} is {}, wants f32", x.builder()->current_place(), composite, operand,
       x.shape().text());
}

// s32[T] as the index vectors [T, 1] that gather wants.
Value as_index_vectors(Value ids) { return reshape(ids, {ids.dims()[0], 1}); }

// Rows (of a vector: elements) of `table` by ids s32[T]: [T, the other dims of table].
Value take_rows(Value table, Value ids) {
  GatherDims dims;
  dims.slice_sizes = table.dims();
  dims.slice_sizes[0] = 1;
  for (int i = 1; i < table.shape().rank(); ++i) dims.offset_dims.push_back(i);
  dims.collapsed_slice_dims = {0};
  dims.start_index_map = {0};
  dims.index_vector_dim = 1;
  return gather(table, as_index_vectors(ids), dims);
}

// Blocks of a cache [blocks, G, ...] by ids s32[N, max_blocks], in f32: [N, max_blocks, G, ...].
Value take_blocks(Value cache, Value ids) {
  GatherDims dims;
  dims.slice_sizes = cache.dims();
  dims.slice_sizes[0] = 1;
  for (int i = 1; i < cache.shape().rank(); ++i) dims.offset_dims.push_back(i + 1);
  dims.collapsed_slice_dims = {0};
  dims.start_index_map = {0};
  dims.index_vector_dim = 2;
  return convert(gather(cache, ids, dims), DType::kF32);
}

// Blocks of K (of attention's operand 1) and of V (operand 2), times their scales if there are any (6 and 7).
Value take_keys(const std::vector<Value>& p, Value ids) {
  const Value k = take_blocks(p[1], ids);  // [N, max_blocks, G, D, block_size]
  return p.size() == 6 ? k : k * broadcast_like(take_blocks(p[6], ids), k, {0, 1, 2, 4});
}
Value take_values(const std::vector<Value>& p, Value ids) {
  const Value v = take_blocks(p[2], ids);  // [N, max_blocks, G, block_size, D]
  return p.size() == 6 ? v : v * broadcast_like(take_blocks(p[7], ids), v, {0, 1, 2, 3});
}

// Over the last dimension, with the largest value subtracted.
Value softmax(Value x) {
  const std::int64_t last = x.shape().rank() - 1;
  Dims others;
  for (std::int64_t i = 0; i < last; ++i) others.push_back(i);
  const Value e = exponential(x - broadcast_like(reduce(x, Opcode::kMaximum, {last}), x, others));
  return e / broadcast_like(reduce(e, Opcode::kAdd, {last}), e, others);
}

// scores with what lies beyond `position` set to minus infinity; position has the dims of scores named in `dimensions`.
Value mask_beyond(Value scores, Value position, Dims dimensions) {
  Builder& b = *scores.builder();
  Shape index = scores.shape();
  index.dtype = DType::kS32;
  const Value column = b.iota(index, index.rank() - 1);
  const Value seen = compare(column, broadcast(position, index, std::move(dimensions)), Comparison::kLe);
  const Value nothing = b.scalar(DType::kF32, -std::numeric_limits<double>::infinity());
  return select(seen, scores, broadcast_like(nothing, scores, {}));
}

// The cache's geometry, C = max_blocks * block_size.
struct Geometry {
  std::int64_t rows, blocks, kv_heads, head_dim, context, group;
};

// K [N, max_blocks, G, D, block_size] as [N, G, D, C].
Value keys_by_position(Value k, const Geometry& g) {
  return reshape(transpose(k, {0, 2, 3, 1, 4}), {g.rows, g.kv_heads, g.head_dim, g.context});
}

// V [N, max_blocks, G, block_size, D] as [N, G, C, D].
Value values_by_position(Value v, const Geometry& g) {
  return reshape(transpose(v, {0, 2, 1, 3, 4}), {g.rows, g.kv_heads, g.context, g.head_dim});
}

const DotDims kBatched = {{3}, {2}, {0, 1}, {0, 1}};  // [N,G,a,b] . [N,G,b,c]

// Every token gathers the cache of its sequence.
Value attention_per_token(const std::vector<Value>& p, const AttentionOptions& options, Geometry g) {
  const auto& [q, table, sequence, position] = std::tie(p[0], p[3], p[4], p[5]);
  g.rows = q.dims()[0];
  const Value ids = take_rows(table, sequence);                // [T, max_blocks]
  const Value k = keys_by_position(take_keys(p, ids), g);      // [T, G, D, C]
  const Value v = values_by_position(take_values(p, ids), g);  // [T, G, C, D]
  const Value grouped = reshape(q, {g.rows, g.kv_heads, g.group, g.head_dim});
  const Value scores = dot(grouped, k, kBatched) * options.scale;  // [T, G, H/G, C]
  const Value probabilities = softmax(mask_beyond(scores, position, {0}));
  return reshape(dot(probabilities, v, kBatched), {g.rows, options.heads * g.head_dim});
}

// Tokens come in segments of query_length, one a sequence, which gathers its cache once.
Value attention_per_sequence(const std::vector<Value>& p, const AttentionOptions& options, Geometry g) {
  const auto& [q, table, position] = std::tie(p[0], p[3], p[5]);
  const std::int64_t length = options.query_length;
  g.rows = table.dims()[0];
  const Value k = keys_by_position(take_keys(p, table), g);      // [S, G, D, C]
  const Value v = values_by_position(take_values(p, table), g);  // [S, G, C, D]
  const Value split = reshape(q, {g.rows, length, g.kv_heads, g.group, g.head_dim});
  const Value grouped = reshape(transpose(split, {0, 2, 3, 1, 4}), {g.rows, g.kv_heads, g.group * length, g.head_dim});
  const Value flat = dot(grouped, k, kBatched) * options.scale;  // [S, G, (H/G) Q, C]
  const Value scores = reshape(flat, {g.rows, g.kv_heads, g.group, length, g.context});
  const Value probabilities = softmax(mask_beyond(scores, reshape(position, {g.rows, length}), {0, 3}));
  const Value out = dot(reshape(probabilities, flat.dims()), v, kBatched);  // [S, G, (H/G) Q, D]
  const Value heads = reshape(out, {g.rows, g.kv_heads, g.group, length, g.head_dim});
  return reshape(transpose(heads, {0, 3, 1, 2, 4}), {g.rows * length, options.heads * g.head_dim});
}

std::string kind_name(CacheKind kind) { return kind == CacheKind::kKey ? "key" : "value"; }

// Rows f32[T, G*D] as [T, G, D].
Value by_head(Value rows, std::int64_t heads) { return reshape(rows, {rows.dims()[0], heads, rows.dims()[1] / heads}); }

// What a row in s8 is a multiple of: the largest magnitude of f32[T, G, D] / 127, f32[T, G].
Value scale_of(Value heads) { return reduce(unary(Opcode::kAbs, heads), Opcode::kMaximum, {2}) / 127.0; }

// A cache [blocks, G, ...] with updates [T, G, the dims but the position's] at slots s32[T].
Value store_at_slots(Value cache, Value updates, Value slots, std::int64_t position_dim) {
  const auto block_size = static_cast<double>(cache.dims()[static_cast<std::size_t>(position_dim)]);
  // A negative slot has a negative block or a negative offset: out of range, so scatter drops it.
  const Value block = slots / block_size;
  const Value offset = slots - block * block_size;
  ScatterDims dims;
  for (int i = 1; i < updates.shape().rank(); ++i) dims.update_window_dims.push_back(i);
  dims.inserted_window_dims = {0, position_dim};
  dims.scatter_dims_to_operand_dims = {0, position_dim};
  dims.index_vector_dim = 1;
  const Shape element = Shape::array(cache.dtype(), {});
  Computation* replace =
      cache.builder()->computation("replace", {element, element}, [](const std::vector<Value>& q) { return q[1]; });
  return scatter(cache, concatenate({as_index_vectors(block), as_index_vectors(offset)}, 1), updates, dims, replace);
}

}  // namespace

Value linear(Value x, Value w, Value bias) {
  want_f32(x, kLinear, "x");
  std::vector<Value> operands = {x, w};
  if (bias) operands.push_back(bias);
  return x.builder()->composite(named(kLinear), operands, [](const std::vector<Value>& p) {
    const Value product = dot(p[0], convert(p[1], DType::kF32), {{1}, {1}, {}, {}});
    return p.size() == 3 ? product + broadcast_like(p[2], product, {1}) : product;
  });
}

Value quantized_linear(Value x, Value w, Value scale, Value bias) {
  want_f32(x, kQuantizedLinear, "x");
  const Dims& dims = w.dims();
  const bool per_output =
      w.dtype() == DType::kS8 && scale.dtype() == DType::kF32 && dims.size() == 2 && scale.dims() == Dims{dims[0]};
  const bool in_groups = w.dtype() == DType::kS4 && scale.dtype() == DType::kBF16 && dims.size() == 2 &&
                         scale.shape().rank() == 2 && scale.dims()[0] == dims[0] && scale.dims()[1] > 0 &&
                         dims[1] % scale.dims()[1] == 0;
  if (!per_output && !in_groups) {
    fail(Code::kInvalidArgument,
         "{}: {}: a weight {} does not go with scales {}; wanted are s8[N,K] and f32[N], or "
         "s4[N,K] and bf16[N,K/group]",
         x.builder()->current_place(), kQuantizedLinear, w.shape().text(), scale.shape().text());
  }
  std::vector<Value> operands = {x, w, scale};
  if (bias) operands.push_back(bias);
  return x.builder()->composite(named(kQuantizedLinear), operands, [&](const std::vector<Value>& p) {
    Value weight = convert(p[1], DType::kF32);
    if (in_groups) {
      const std::int64_t groups = p[2].dims()[1];
      const Value split = reshape(weight, {dims[0], groups, dims[1] / groups});
      weight = reshape(split * broadcast_like(convert(p[2], DType::kF32), split, {0, 1}), dims);
    }
    Value product = dot(p[0], weight, {{1}, {1}, {}, {}});
    if (per_output) product = product * broadcast_like(p[2], product, {1});
    return p.size() == 4 ? product + broadcast_like(p[3], product, {1}) : product;
  });
}

Value layer_norm(Value x, Value weight, Value bias, float epsilon) {
  want_f32(x, kLayerNorm, "x");
  return x.builder()->composite(named(kLayerNorm, {{"epsilon", fmt::format("{}", epsilon)}}), {x, weight, bias},
                                [&](const std::vector<Value>& p) {
                                  const auto cols = static_cast<double>(p[0].dims()[1]);
                                  const Value mean = reduce(p[0], Opcode::kAdd, {1}) / cols;
                                  const Value centred = p[0] - broadcast_like(mean, p[0], {0});
                                  const Value variance = reduce(centred * centred, Opcode::kAdd, {1}) / cols;
                                  const Value scale = rsqrt(variance + epsilon);
                                  const Value normal = centred * broadcast_like(scale, p[0], {0});
                                  return normal * broadcast_like(p[1], p[0], {1}) + broadcast_like(p[2], p[0], {1});
                                });
}

Value rms_norm(Value x, Value weight, float epsilon) {
  want_f32(x, kRmsNorm, "x");
  return x.builder()->composite(named(kRmsNorm, {{"epsilon", fmt::format("{}", epsilon)}}), {x, weight},
                                [&](const std::vector<Value>& p) {
                                  const auto cols = static_cast<double>(p[0].dims()[1]);
                                  const Value square = reduce(p[0] * p[0], Opcode::kAdd, {1}) / cols;
                                  const Value scale = rsqrt(square + epsilon);
                                  return p[0] * broadcast_like(scale, p[0], {0}) * broadcast_like(p[1], p[0], {1});
                                });
}

Value silu(Value x) {
  want_f32(x, kSilu, "x");
  return x.builder()->composite(named(kSilu), {x},
                                [](const std::vector<Value>& p) { return p[0] * unary(Opcode::kLogistic, p[0]); });
}

Value rotary(Value x, Value cosine, Value sine, std::int64_t head_dim, RotaryPairs pairs) {
  want_f32(x, kRotary, "x");
  const std::int64_t half = cosine.shape().rank() == 2 ? cosine.dims()[1] : 0;
  if (x.shape().rank() != 2 || head_dim < 1 || x.dims()[1] % head_dim != 0 || half < 1 || 2 * half > head_dim ||
      cosine.shape() != sine.shape() || cosine.dims()[0] != x.dims()[0]) {
    fail(Code::kInvalidArgument, "{}: {}: x {} in heads of {} does not fit cosines {} and sines {}",
         x.builder()->current_place(), kRotary, x.shape().text(), head_dim, cosine.shape().text(), sine.shape().text());
  }
  const bool are_halves = pairs == RotaryPairs::kHalves;
  const Composite composite =
      named(kRotary, {{"head_dim", fmt::format("{}", head_dim)}, {"pairs", are_halves ? "halves" : "neighbours"}});
  return x.builder()->composite(composite, {x, cosine, sine}, [&](const std::vector<Value>& p) {
    const std::int64_t rows = p[0].dims()[0];
    const std::int64_t heads = p[0].dims()[1] / head_dim;
    const Value split = reshape(p[0], {rows, heads, head_dim});
    const auto features = [&](std::int64_t begin, std::int64_t end, std::int64_t stride) {
      return slice(split, {0, 0, begin}, {rows, heads, end}, {1, 1, stride});
    };
    const Value a = are_halves ? features(0, half, 1) : features(0, 2 * half, 2);
    const Value b = are_halves ? features(half, 2 * half, 1) : features(1, 2 * half, 2);
    const Value c = broadcast_like(p[1], a, {0, 2});
    const Value s = broadcast_like(p[2], a, {0, 2});
    std::vector<Value> turned = {a * c - b * s, b * c + a * s};
    if (!are_halves) {
      for (Value& part : turned) part = reshape(part, {rows, heads, half, 1});
      turned = {reshape(concatenate(turned, 3), {rows, heads, 2 * half})};
    }
    if (2 * half < head_dim) turned.push_back(features(2 * half, head_dim, 1));
    return reshape(turned.size() == 1 ? turned[0] : concatenate(turned, 2), p[0].dims());
  });
}

Value gelu(Value x, GeluForm form) {
  want_f32(x, kGelu, "x");
  const bool is_erf = form == GeluForm::kErf;
  return x.builder()->composite(
      named(kGelu, {{"form", is_erf ? "erf" : "tanh"}}), {x}, [&](const std::vector<Value>& p) {
        const Value v = p[0];
        const Value inner =
            is_erf ? erf(v * 0.70710678118654752) : tanh((v + v * v * v * 0.044715) * 0.79788456080286536);
        return v * 0.5 * (inner + 1.0);
      });
}

Value embedding(Value table, Value ids) {
  return table.builder()->composite(named(kEmbedding), {table, ids}, [](const std::vector<Value>& p) {
    return convert(take_rows(p[0], p[1]), DType::kF32);
  });
}

Value quantized_embedding(Value table, Value ids, Value scale) {
  if (table.dtype() != DType::kS8 || table.shape().rank() != 2 || scale.dtype() != DType::kF32 ||
      scale.dims() != Dims{table.dims()[0]}) {
    fail(Code::kInvalidArgument, "{}: {}: a table {} does not go with scales {}; wanted are s8[V,K] and f32[V]",
         table.builder()->current_place(), kQuantizedEmbedding, table.shape().text(), scale.shape().text());
  }
  return table.builder()->composite(named(kQuantizedEmbedding), {table, ids, scale}, [](const std::vector<Value>& p) {
    const Value rows = convert(take_rows(p[0], p[1]), DType::kF32);
    return rows * broadcast_like(take_rows(p[2], p[1]), rows, {0});
  });
}

Value kv_write(Value cache, Value rows, Value slots, CacheKind kind) {
  want_f32(rows, kKvWrite, "rows");
  return cache.builder()->composite(named(kKvWrite, {{"kind", kind_name(kind)}}), {cache, rows, slots},
                                    [&](const std::vector<Value>& p) {
                                      return store_at_slots(p[0], convert(by_head(p[1], p[0].dims()[1]), p[0].dtype()),
                                                            p[2], kind == CacheKind::kKey ? 3 : 2);
                                    });
}

Value quantized_kv_write(Value cache, Value rows, Value slots, CacheKind kind) {
  want_f32(rows, kQuantizedKvWrite, "rows");
  return cache.builder()->composite(
      named(kQuantizedKvWrite, {{"kind", kind_name(kind)}}), {cache, rows, slots}, [&](const std::vector<Value>& p) {
        Builder& b = *p[0].builder();
        const Value heads = by_head(p[1], p[0].dims()[1]);
        const Value scale = scale_of(heads);
        const auto like_scale = [&](double value) { return broadcast_like(b.scalar(DType::kF32, value), scale, {}); };
        const Value divisor = select(compare(scale, like_scale(0), Comparison::kEq), like_scale(1), scale);
        const Value number = unary(Opcode::kRoundNearestEven, heads / broadcast_like(divisor, heads, {0, 1}));
        const Value bounded = clamp(b.scalar(DType::kF32, -127), number, b.scalar(DType::kF32, 127));
        return store_at_slots(p[0], convert(bounded, DType::kS8), p[2], kind == CacheKind::kKey ? 3 : 2);
      });
}

Value kv_scale_write(Value scales, Value rows, Value slots) {
  want_f32(rows, kKvScaleWrite, "rows");
  return scales.builder()->composite(named(kKvScaleWrite), {scales, rows, slots}, [](const std::vector<Value>& p) {
    return store_at_slots(p[0], scale_of(by_head(p[1], p[0].dims()[1])), p[2], 2);
  });
}

Value paged_attention(Value q, Value k_cache, Value v_cache, Value block_table, Value sequence, Value position,
                      const AttentionOptions& options, CacheScales scales) {
  want_f32(q, kPagedAttention, "q");
  const Dims& dims = k_cache.dims();
  if (dims.size() != 4 || options.kv_heads != dims[1] || options.heads <= 0 || options.heads % options.kv_heads != 0 ||
      q.shape().rank() != 2 || q.dims()[1] != options.heads * dims[2]) {
    fail(Code::kInvalidArgument, "{}: {}: q {} and key cache {} do not fit {} heads and {} cached heads",
         q.builder()->current_place(), kPagedAttention, q.shape().text(), k_cache.shape().text(), options.heads,
         options.kv_heads);
  }
  if (options.query_length > 0 && block_table.dims()[0] * options.query_length != q.dims()[0]) {
    fail(Code::kInvalidArgument, "{}: {}: {} tokens are not {} sequences of {}", q.builder()->current_place(),
         kPagedAttention, q.dims()[0], block_table.dims()[0], options.query_length);
  }
  const Geometry geometry{.rows = 0,
                          .blocks = block_table.dims()[1],
                          .kv_heads = dims[1],
                          .head_dim = dims[2],
                          .context = block_table.dims()[1] * dims[3],
                          .group = options.heads / options.kv_heads};
  const Composite composite = named(kPagedAttention, {{"heads", fmt::format("{}", options.heads)},
                                                      {"kv_heads", fmt::format("{}", options.kv_heads)},
                                                      {"scale", fmt::format("{}", options.scale)},
                                                      {"query_length", fmt::format("{}", options.query_length)}});
  std::vector<Value> operands = {q, k_cache, v_cache, block_table, sequence, position};
  if (scales.k) operands.insert(operands.end(), {scales.k, scales.v});
  return q.builder()->composite(composite, operands, [&](const std::vector<Value>& p) {
    return options.query_length > 0 ? attention_per_sequence(p, options, geometry)
                                    : attention_per_token(p, options, geometry);
  });
}

}  // namespace ganglion::hlo
