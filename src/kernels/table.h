// The kernels of one instruction set, as a table of function pointers. Kernels know no graph: raw pointers and sizes
// in, results out; they are noexcept, allocate nothing, start no threads and trust their arguments. The caller splits
// work over threads by giving each call a range.
//
// Row contract. For every table and storage type, output row r of a matmul with M rows is bit-equal to the same row
// computed alone, for every M and every split of the columns: each output element is one chain of f32 multiply-adds
// over k = 0..K-1 in order, starting from zero (fused in avx2 and avx512, rounded twice in scalar: tables agree with
// themselves bit for bit, with each other to rounding); then the scale of s8, bias, activation and residual in that
// order. A weight in s4 enters the chain multiplied by its group's scale. (Tables that multiply otherwise, see
// product_bits, have an order of their own, as fixed.)
// Attention likewise: the result of a token depends on its query, its position and the cached rows only, because the
// cache is walked in tiles that start at multiples of the tile size, in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ganglion::kernels {

// How weights and cache rows are stored. Sums are always f32, and products but where Table::product_bits and
// attention_bits say so. s8 and s4 are whole numbers that mean something times a scale: weights and caches may be s8,
// weights alone s4.
enum class Storage : std::uint8_t { kF32, kF16, kBF16, kS8, kS4 };
inline constexpr int kStorageCount = 3;        // of floats, which mean what they are
inline constexpr int kCacheStorageCount = 4;   // and s8
inline constexpr int kWeightStorageCount = 5;  // and s4
// Bytes of an element where it has an address of its own; packed, two elements of s4 share one.
constexpr std::size_t storage_size(Storage storage) noexcept {
  return storage == Storage::kF32 ? 4 : storage == Storage::kF16 || storage == Storage::kBF16 ? 2 : 1;
}

enum class Activation : std::uint8_t { kNone, kRelu, kGeluErf, kGeluTanh, kSilu };

// out[m, n] = act(sum_k x[m, k] * w[n, k] + bias[n]) + residual[m, n], for m in [0, rows) and n in [n_begin, n_end).
// s8: the sum is multiplied by the output's scale. s4: w[n, k] is the packed number times the scale of (n, k / group).
struct MatmulArgs {
  const float* x = nullptr;         // [rows, k], rows x_stride floats apart
  const void* panels = nullptr;     // packed [n, k], see pack
  const void* scales = nullptr;     // s8: f32 [n]; s4: bf16 [n, k / group], packed; else null
  const float* bias = nullptr;      // [n] or null
  const float* residual = nullptr;  // [rows, n], rows out_stride floats apart, or null; may be out itself
  float* out = nullptr;             // [rows, n], rows out_stride floats apart
  std::int64_t rows = 0;
  std::int64_t k = 0;
  std::int64_t n = 0;        // of the whole weight
  std::int64_t n_begin = 0;  // a multiple of panel_width
  std::int64_t n_end = 0;    // a multiple of panel_width, or n
  std::int64_t x_stride = 0;
  std::int64_t out_stride = 0;
  std::int64_t group = 0;          // s4: divides k
  const void* prepared = nullptr;  // what Table::prepare_rows has made of x, where Table::prepared_bytes is not 0
  void* scratch = nullptr;         // Table::matmul_scratch bytes, private to the call, on a cache line
  Activation activation = Activation::kNone;
};

// x in the form that a matmul of some storage reads it in. The call does rows [row_begin, row_end).
struct PrepareArgs {
  const float* x = nullptr;  // [rows, k], rows x_stride floats apart
  void* out = nullptr;       // Table::prepared_bytes of all rows, on a cache line
  std::int64_t rows = 0;     // as MatmulArgs::rows
  std::int64_t k = 0;
  std::int64_t x_stride = 0;
  std::int64_t group = 0;      // as MatmulArgs::group
  std::int64_t row_begin = 0;  // a multiple of kPreparedTogether
  std::int64_t row_end = 0;    // a multiple of kPreparedTogether, or rows
};
inline constexpr std::int64_t kPreparedTogether = 16;

// Attention of tokens over a paged cache, online softmax, causal: token t sees cached positions 0..position[t] of the
// sequence whose blocks are block_table[sequence[t], :]. Position p lives in block block_table[s, p / block_size] at
// offset p % block_size. Query head h reads cached head h / (heads / kv_heads).
// The call does tokens [token_begin, token_end) and query heads [head_begin, head_end).
struct AttentionArgs {
  const float* q = nullptr;                   // [tokens, heads * head_dim], rows q_stride floats apart
  float* out = nullptr;                       // [tokens, heads * head_dim], rows out_stride floats apart
  const void* k_cache = nullptr;              // [blocks, kv_heads, head_dim, block_size]: a block holds K transposed
  const void* v_cache = nullptr;              // [blocks, kv_heads, block_size, head_dim]
  const float* k_scale = nullptr;             // s8: [blocks, kv_heads, block_size], of every cached K row
  const float* v_scale = nullptr;             // s8: the same for V
  const std::int32_t* block_table = nullptr;  // [sequences, max_blocks]
  const std::int32_t* sequence = nullptr;     // [tokens]
  const std::int32_t* position = nullptr;     // [tokens]
  float* scratch = nullptr;                   // attention_scratch floats, private to the call
  std::int64_t token_begin = 0;
  std::int64_t token_end = 0;
  std::int64_t head_begin = 0;
  std::int64_t head_end = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t block_size = 0;  // a multiple of 16
  std::int64_t max_blocks = 0;
  std::int64_t q_stride = 0;
  std::int64_t out_stride = 0;
  float scale = 1.0f;  // multiplies q . k
};

// Stores new K or V rows of tokens [token_begin, token_end) into a cache. slot = block * block_size + offset;
// a negative slot stores nothing. In s8 a head's part of a row is stored as round(row / scale), ties to even, -127 to
// 127, scale being its largest magnitude / 127; kv_scale stores the scale. A row that is not finite makes it NaN.
struct KvWriteArgs {
  const float* rows = nullptr;         // [tokens, kv_heads * head_dim], rows row_stride floats apart
  void* cache = nullptr;               // layout as in AttentionArgs; for kv_scale that of k_scale
  const std::int32_t* slot = nullptr;  // [tokens]
  std::int64_t token_begin = 0;
  std::int64_t token_end = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t block_size = 0;
  std::int64_t row_stride = 0;
  bool transposed = false;  // true: K layout, false: V layout
};

// out[r, :] = (x[r, :] - mean) / sqrt(variance + epsilon) * weight + bias, biased variance, rows contiguous.
struct LayerNormArgs {
  const float* x = nullptr;       // [rows, cols]
  const float* weight = nullptr;  // [cols]
  const float* bias = nullptr;    // [cols]
  float* out = nullptr;           // [rows, cols], may be x
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  float epsilon = 1e-5f;
};

// out[r, :] = x[r, :] / sqrt(mean of x[r, :]^2 + epsilon) * weight, rows contiguous.
struct RmsNormArgs {
  const float* x = nullptr;       // [rows, cols]
  const float* weight = nullptr;  // [cols]
  float* out = nullptr;           // [rows, cols], may be x
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  float epsilon = 1e-5f;
};

// Turns pairs (a, b) of the first 2 * pairs features of every head: (a c - b s, b c + a s) with c = cosine[r, p] and
// s = sine[r, p]; the features after them stay.
struct RotaryArgs {
  const float* x = nullptr;       // [rows, heads * head_dim]
  const float* cosine = nullptr;  // [rows, pairs]
  const float* sine = nullptr;    // [rows, pairs]
  float* out = nullptr;           // [rows, heads * head_dim], may be x
  std::int64_t rows = 0;
  std::int64_t heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t pairs = 0;
  bool neighbours = false;  // pair p is features 2 p and 2 p + 1; else p and p + pairs
};

// Elementwise f32 operations on contiguous arrays; out may be an input.
enum class Unary : std::uint8_t {
  kNegate,
  kAbs,
  kExp,
  kLog,
  kSqrt,
  kRsqrt,
  kTanh,
  kErf,
  kLogistic,
  kRelu,
  kGeluErf,
  kGeluTanh,
  kSilu,
  kCount
};
enum class Binary : std::uint8_t { kAdd, kSubtract, kMultiply, kDivide, kMaximum, kMinimum, kCount };

// Table::product_bits of products of whole numbers.
inline constexpr int kWholeProductBits = 15;

// Table::matmul_scratch and Table::prepared_bytes of a table that wants none.
std::int64_t no_matmul_scratch(Storage storage, std::int64_t rows, std::int64_t k) noexcept;
std::int64_t nothing_prepared(Storage storage, std::int64_t rows, std::int64_t k, std::int64_t group) noexcept;

struct Table {
  std::string_view isa;      // "scalar", "avx2", "avx512", "avx512_vnni", "amx"
  std::string_view packing;  // weights that are packed by two tables are alike where this is
  std::int64_t panel_width;  // columns of w (output features) in one packed panel

  // Bytes of a packed [n, k] weight: panels of panel_width output features, k-major inside a panel
  // (panel p, row k, column j) = w[p * panel_width + j, k], the last panel padded with zeros. In s4 column j of the
  // panel's first half is the low four bits of a byte, two's complement, and column j + panel_width / 2 the high ones.
  // A table whose packing is "... by fours" has whole numbers otherwise (avx512_vnni/panels.h), and bf16 where it is
  // "... bf16 by pairs" (amx/pair_panels.h).
  std::size_t (*packed_bytes)(Storage storage, std::int64_t n, std::int64_t k) noexcept;
  // Packs rows [n_begin, n_end) (n_begin a multiple of panel_width) of w, given dense [n_end - n_begin, k] in `from`,
  // into `panels` (the whole weight's), stored as `to`. Converts floats with round to nearest even; s8 and s4 are
  // packed from what they are, one number in a byte.
  void (*pack)(Storage from, const void* rows, Storage to, void* panels, std::int64_t n_begin, std::int64_t n_end,
               std::int64_t n, std::int64_t k) noexcept;
  // The same from the transpose: packs rows [k_begin, k_end) of w^T, given dense [k_end - k_begin, n]; the other rows
  // of the panels are left alone.
  void (*pack_turned)(Storage from, const void* rows, Storage to, void* panels, std::int64_t k_begin,
                      std::int64_t k_end, std::int64_t n, std::int64_t k) noexcept;
  // The scales of s4, [n, groups]: as bf16 weights of a table that packs all floats alike.
  std::int64_t (*packed_scale_bytes)(std::int64_t n, std::int64_t groups) noexcept;
  void (*pack_scales)(Storage from, const void* rows, void* panels, std::int64_t n_begin, std::int64_t n_end,
                      std::int64_t n, std::int64_t groups) noexcept;
  // By storage of the weight.
  void (*matmul[kWeightStorageCount])(const MatmulArgs& args) noexcept;
  // Bytes of MatmulArgs::scratch for up to `rows` rows; 0: none is wanted.
  std::int64_t (*matmul_scratch)(Storage storage, std::int64_t rows, std::int64_t k) noexcept;
  // Bytes of MatmulArgs::prepared for so many rows, which all calls for parts of a matmul share; 0: the matmul reads x.
  // Fewer rows may need none where more need some.
  std::int64_t (*prepared_bytes)(Storage storage, std::int64_t rows, std::int64_t k, std::int64_t group) noexcept;
  void (*prepare_rows)(Storage storage, const PrepareArgs& args) noexcept;  // null where nothing is ever prepared
  // By storage: the significant bits of x that its products with the weights keep. 24 are all, 16 lose 2^-16 of the sum
  // of magnitudes at most, with 8 the matmul is of x rounded to bf16. kWholeProductBits: x is rounded to multiples of
  // its row's largest magnitude / (127 * 128).
  int product_bits[kWeightStorageCount];
  // By storage of the cache: the significant bits that attention keeps of q and of the weights (the exponentials) where
  // they are multiplied with the cache. 24 are all; with 8 both are rounded to bf16, and the total adds the rounded
  // weights.
  int attention_bits[kCacheStorageCount];

  void (*attention[kCacheStorageCount])(const AttentionArgs& args) noexcept;  // by storage of the cache
  std::int64_t (*attention_scratch)(std::int64_t head_dim, std::int64_t block_size) noexcept;  // floats
  void (*kv_write[kCacheStorageCount])(const KvWriteArgs& args) noexcept;  // by storage of the cache
  void (*kv_scale)(const KvWriteArgs& args) noexcept;                      // of the same rows in s8

  void (*layer_norm)(const LayerNormArgs& args) noexcept;
  void (*rms_norm)(const RmsNormArgs& args) noexcept;
  void (*rotary)(const RotaryArgs& args) noexcept;
  // out[r, :] = softmax(x[r, :]), rows contiguous; out may be x.
  void (*softmax)(const float* x, float* out, std::int64_t rows, std::int64_t cols) noexcept;
  // out[i, :] = table[clamp(ids[i], 0, rows - 1), :] as f32; table is plain row-major [rows, cols] in `storage`.
  void (*gather_rows[kStorageCount])(const void* table, const std::int32_t* ids, float* out, std::int64_t count,
                                     std::int64_t rows, std::int64_t cols) noexcept;
  // out[i, :] = row id of a packed [rows, cols] matrix as f32, id = clamp(ids[i], 0, rows - 1), times scales[id] in s8
  // (null for floats; not for s4): one copy of a matrix serves as the table of embeddings and as a matmul's weight.
  void (*gather_packed_rows)(Storage storage, const void* panels, const float* scales, const std::int32_t* ids,
                             float* out, std::int64_t count, std::int64_t rows, std::int64_t cols) noexcept;
  void (*unary[static_cast<int>(Unary::kCount)])(const float* x, float* out, std::int64_t count) noexcept;
  void (*binary[static_cast<int>(Binary::kCount)])(const float* a, const float* b, float* out,
                                                   std::int64_t count) noexcept;
  // Conversions between f32 and storage, contiguous, round to nearest even.
  void (*to_f32[kStorageCount])(const void* x, float* out, std::int64_t count) noexcept;
  void (*from_f32[kStorageCount])(const float* x, void* out, std::int64_t count) noexcept;

  // Weights to whole numbers. Bit for bit the same in every table, so that what a file holds does not depend on the CPU
  // that wrote it.
  // NaN when any of x[0, count) is not finite; those below are for finite values only.
  float (*largest_magnitude)(const float* x, std::int64_t count) noexcept;
  // numbers[i] = round(x[i] / scale), ties to even, -127 to 127; 0 where the scale is below the smallest normal float.
  void (*round_s8)(const float* x, float scale, std::int8_t* numbers, std::int64_t count) noexcept;
  // A scale, bf16, of either sign, for each of `groups` groups of `group` values, a multiple of 8. The scale is looked
  // for: the best of a few beginnings, each brought to the least squares of its own rounding, leaves 10 % less squared
  // error than the plain largest / -8 (measured on the embedded model; more beginnings bring 1 % more).
  void (*search_s4)(const float* x, std::uint16_t* scales, std::int64_t groups, std::int64_t group) noexcept;
  // Numbers of groups, as round_s8, -8 to 7.
  void (*round_s4)(const float* x, const std::uint16_t* scales, std::int8_t* numbers, std::int64_t groups,
                   std::int64_t group) noexcept;
};

// The tables compiled in, best first, that this CPU can run; the last is always scalar.
// find_table("") is the best; find_table("avx2") that one, or null when the name is unknown or the CPU cannot run it.
const Table* find_table(std::string_view isa) noexcept;
// "avx512" for amx and f32: the table that the matmul of a table is taken from, since tables share kernels.
std::string_view matmul_isa(const Table& table, Storage storage) noexcept;
std::string_view attention_isa(const Table& table, Storage storage) noexcept;  // the same of attention, of a cache
// Every table compiled in, runnable here or not, best first; `count` is set.
struct TableInfo {
  const Table* table;
  bool runnable;
};
const TableInfo* all_tables(int* count) noexcept;

}  // namespace ganglion::kernels
