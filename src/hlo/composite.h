// The composites: fused operations that a backend may have a kernel for. Each function adds the call and writes its
// body in plain HLO, which is the definition that kernels are tested against. T new tokens, R rows, N output features,
// K input features, H heads, G cached heads, D head size, S sequences.
//
// A change of meaning is a new version. Attributes are text in Composite::attributes, under the names given here.
#pragma once

#include <cstdint>
#include <string_view>

#include "hlo/builder.h"

namespace ganglion::hlo {

inline constexpr std::string_view kLinear = "ganglion.linear";
inline constexpr std::string_view kQuantizedLinear = "ganglion.quantized_linear";
inline constexpr std::string_view kLayerNorm = "ganglion.layer_norm";
inline constexpr std::string_view kRmsNorm = "ganglion.rms_norm";
inline constexpr std::string_view kGelu = "ganglion.gelu";
inline constexpr std::string_view kSilu = "ganglion.silu";
inline constexpr std::string_view kRotary = "ganglion.rotary";
inline constexpr std::string_view kEmbedding = "ganglion.embedding";
inline constexpr std::string_view kQuantizedEmbedding = "ganglion.quantized_embedding";
inline constexpr std::string_view kKvWrite = "ganglion.kv_write";
inline constexpr std::string_view kQuantizedKvWrite = "ganglion.quantized_kv_write";
inline constexpr std::string_view kKvScaleWrite = "ganglion.kv_scale_write";
inline constexpr std::string_view kPagedAttention = "ganglion.paged_attention";

// x f32[R,K] times w[N,K] transposed, in f32: f32[R,N]. w is f32, f16 or bf16 and is converted, never rounded. bias
// f32[N] is added when it is given. Operands {x, w} or {x, w, bias}. No attributes.
Value linear(Value x, Value w, Value bias = {});

// The same with w in whole numbers. w s8[N,K]: the product with the numbers times scale f32[N]. w s4[N,K]: the product
// with the numbers times scale bf16[N,K/g], one for each g neighbours along K (g = K divided by the scale's columns;
// a number times a scale is exact in f32). Operands {x, w, scale} or {x, w, scale, bias}. No attributes.
Value quantized_linear(Value x, Value w, Value scale, Value bias = {});

// (x - mean) / sqrt(variance + epsilon) * weight + bias over the last dimension, biased variance, statistics in f32.
// x f32[R,K], weight and bias f32[K]. Attribute "epsilon".
Value layer_norm(Value x, Value weight, Value bias, float epsilon);

// x / sqrt(mean of x^2 + epsilon) * weight over the last dimension, in f32. x f32[R,K], weight f32[K]. Attribute
// "epsilon".
Value rms_norm(Value x, Value weight, float epsilon);

// x * logistic(x), elementwise on f32 of any shape.
Value silu(Value x);

// Each head of x f32[T, H*D] with pairs (a, b) of its first 2 P features turned: (a c - b s, b c + a s) with c and s of
// cosine and sine f32[T, P] of the row; the features after them stay. Attributes "head_dim" (D), "pairs": "halves"
// (features p and p + P) or "neighbours" (2 p and 2 p + 1).
enum class RotaryPairs : std::uint8_t { kHalves, kNeighbours };
Value rotary(Value x, Value cosine, Value sine, std::int64_t head_dim, RotaryPairs pairs);

// Elementwise on f32 of any shape. Attribute "form": "erf" (x/2 (1 + erf(x / sqrt 2))) or
// "tanh" (x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))).
enum class GeluForm : std::uint8_t { kErf, kTanh };
Value gelu(Value x, GeluForm form);

// Rows of table[V,K] (f32, f16, bf16) by ids s32[T], as f32[T,K]; an id outside [0, V) is clamped.
Value embedding(Value table, Value ids);
// The same with the table in whole numbers: row id of s8[V,K] times element id of scale f32[V]. Operands
// {table, ids, scale}.
Value quantized_embedding(Value table, Value ids, Value scale);

// Caches. K: [blocks, G, D, block_size] (a block holds K transposed, so that scores are computed on contiguous
// positions), V: [blocks, G, block_size, D]; f32, f16 or bf16.
enum class CacheKind : std::uint8_t { kKey, kValue };
// The cache with rows f32[T, G*D] stored at slots s32[T] (slot = block * block_size + offset; a negative slot stores
// nothing), rounded to the cache's type. Result: the cache's shape, to be aliased. Attribute "kind": "key" or "value".
Value kv_write(Value cache, Value rows, Value slots, CacheKind kind);

// The same into a cache in s8: a head's part x of a row is stored as x / scale rounded to the nearest whole number,
// ties to even, scale being the largest |x| / 127 (0: all are 0). Operands and attribute as kv_write.
Value quantized_kv_write(Value cache, Value rows, Value slots, CacheKind kind);
// The scales f32[blocks, G, block_size] of such a cache, with those of rows f32[T, G*D] stored at slots s32[T].
// Operands {scales, rows, slots}. No attributes.
Value kv_scale_write(Value scales, Value rows, Value slots);

// Causal attention over the paged cache: token t sees positions 0..position[t] of the sequence whose blocks are
// block_table[sequence[t], :]; position p lives in block block_table[s, p / block_size] at offset p % block_size.
// Query head h reads cached head h / (H / G). q f32[T, H*D]; result f32[T, H*D].
struct AttentionOptions {
  std::int64_t heads = 0;     // H
  std::int64_t kv_heads = 0;  // G
  float scale = 1.0f;         // multiplies q . k
  // How the body is written, not what it means. 0: gather per token, any mix of tokens. Q >= 1: tokens come in uniform
  // segments, token b * Q + i being query i of sequence b (S * Q == T): the body gathers each sequence once.
  std::int64_t query_length = 0;
};
// Operands {q, k_cache, v_cache, block_table s32[S, max_blocks], sequence s32[T], position s32[T]}; with caches in s8
// also {k_scale, v_scale}, f32[blocks, G, block_size].
// Attributes "heads", "kv_heads", "scale", "query_length".
struct CacheScales {
  Value k, v;  // none: the caches are floats
};
Value paged_attention(Value q, Value k_cache, Value v_cache, Value block_table, Value sequence, Value position,
                      const AttentionOptions& options, CacheScales scales = {});

}  // namespace ganglion::hlo
