#include "tests/tiles/tile_model.h"

namespace ganglion::tiles {
namespace {

void must(bool holds, const char* instruction, const char* reason) noexcept {
  if (!holds) illegal(instruction, reason);
}

float float_of(std::uint32_t bits) noexcept { return __builtin_bit_cast(float, bits); }
std::uint32_t bits_of(float value) noexcept { return __builtin_bit_cast(std::uint32_t, value); }
constexpr std::uint32_t kSign = 0x80000000u, kLeastNormal = 0x00800000u;

// Subnormal numbers are zeros, whatever MXCSR says; numbers are rounded to nearest even.
float flushed(float value) noexcept {
  const std::uint32_t bits = bits_of(value);
  return float_of((bits & ~kSign) < kLeastNormal ? bits & kSign : bits);
}
float low_bf16(std::uint32_t pair) noexcept { return flushed(float_of(pair << 16)); }
float high_bf16(std::uint32_t pair) noexcept { return flushed(float_of(pair & 0xffff0000u)); }

// Where operands are NaN the result is the first of them, made quiet.
bool is_nan(float value) noexcept { return (bits_of(value) & ~kSign) > 0x7f800000u; }
float quiet(float value) noexcept { return float_of(bits_of(value) | 0x00400000u); }

// A result is too small when it is so before its exponent is held at the least: one that only rounding to subnormal
// steps makes the least normal number is zero. Only small operands have such a one, so they can be scaled exactly.
float multiply_add(float a, float b, float c) noexcept {
  if (is_nan(a)) return quiet(a);
  if (is_nan(b)) return quiet(b);
  if (is_nan(c)) return quiet(c);
  const float sum = __builtin_fmaf(a, b, c);
  if ((bits_of(sum) & ~kSign) == kLeastNormal && __builtin_fabsf(c) < 0x1p-120f) {
    const float scaled = __builtin_fmaf(a * 0x1p48f, b, c * 0x1p48f);
    if (__builtin_fabsf(scaled) < 0x1p-78f) return float_of(bits_of(sum) & kSign);
  }
  return flushed(sum);
}
// Sums of two numbers of one format are exact where they are small.
float add(float a, float b) noexcept {
  if (is_nan(a)) return quiet(a);
  if (is_nan(b)) return quiet(b);
  return flushed(a + b);
}

int value_of(std::uint8_t byte, Bytes kind) noexcept {
  return kind == Bytes::kSigned ? static_cast<std::int8_t>(byte) : byte;
}

}  // namespace

void TileModel::load_config(const void* memory) noexcept {
  constexpr const char* kName = "ldtilecfg";
  const auto* bytes = static_cast<const std::uint8_t*>(memory);
  release();
  if (bytes[0] == 0) return;
  must(bytes[0] == 1, kName, "there are palettes 0 and 1");
  must(bytes[1] == 0, kName, "a start row is for what was interrupted");
  for (int i = 2; i < 16; ++i) must(bytes[i] == 0, kName, "a reserved byte is not zero");
  for (int i = 32; i < 48; ++i) must(bytes[i] == 0, kName, "bytes of a row of a tile beyond the eighth");
  for (int i = 56; i < 64; ++i) must(bytes[i] == 0, kName, "rows of a tile beyond the eighth");
  for (int tile = 0; tile < kTiles; ++tile) {
    const int row_bytes = bytes[16 + 2 * tile] + 256 * bytes[17 + 2 * tile], rows = bytes[48 + tile];
    must(row_bytes <= kRowBytes, kName, "a row has 64 bytes at most");
    must(rows <= kMostRows, kName, "a tile has 16 rows at most");
    must((row_bytes == 0) == (rows == 0), kName, "rows without bytes, or bytes without rows");
    row_bytes_[tile] = row_bytes;
    rows_[tile] = rows;
  }
  palette_ = 1;
}

void TileModel::release() noexcept { *this = TileModel{}; }

void TileModel::zero(int tile) noexcept {
  must_exist("tilezero", tile);
  for (int r = 0; r < kMostRows; ++r) clear(tile, r, 0);
}

void TileModel::load(int tile, const void* memory, std::int64_t stride) noexcept {
  must_exist("tileloadd", tile);
  const auto* from = static_cast<const std::uint8_t*>(memory);
  for (int r = 0; r < rows_[tile]; ++r) {
    for (int i = 0; i < row_bytes_[tile]; ++i) tiles_[tile][r][i] = from[r * stride + i];
  }
  clear_beyond(tile);
}

void TileModel::store(int tile, void* memory, std::int64_t stride) const noexcept {
  must_exist("tilestored", tile);
  auto* to = static_cast<std::uint8_t*>(memory);
  for (int r = 0; r < rows_[tile]; ++r) {
    for (int i = 0; i < row_bytes_[tile]; ++i) to[r * stride + i] = tiles_[tile][r][i];
  }
}

void TileModel::multiply_bf16(int c, int a, int b) noexcept {
  must_fit("tdpbf16ps", c, a, b);
  for (int m = 0; m < rows_[c]; ++m) {
    float even[kRowBytes / 4] = {}, odd[kRowBytes / 4] = {};
    for (int k = 0; k < row_bytes_[a] / 4; ++k) {
      const std::uint32_t pair = word(a, m, k);
      for (int n = 0; n < row_bytes_[c] / 4; ++n) {
        const std::uint32_t other = word(b, k, n);
        even[n] = multiply_add(low_bf16(pair), low_bf16(other), even[n]);
        odd[n] = multiply_add(high_bf16(pair), high_bf16(other), odd[n]);
      }
    }
    for (int n = 0; n < row_bytes_[c] / 4; ++n)
      set_word(c, m, n, bits_of(add(flushed(float_of(word(c, m, n))), add(even[n], odd[n]))));
  }
  clear_beyond(c);
}

void TileModel::multiply_bytes(int c, int a, Bytes kind_of_a, int b, Bytes kind_of_b) noexcept {
  must_fit("tdpb..d", c, a, b);
  for (int m = 0; m < rows_[c]; ++m) {
    for (int k = 0; k < row_bytes_[a] / 4; ++k) {
      for (int n = 0; n < row_bytes_[c] / 4; ++n) {
        std::uint32_t sum = word(c, m, n);
        for (int i = 0; i < 4; ++i) {
          const int x = value_of(tiles_[a][m][4 * k + i], kind_of_a), y = value_of(tiles_[b][k][4 * n + i], kind_of_b);
          sum += static_cast<std::uint32_t>(x * y);
        }
        set_word(c, m, n, sum);
      }
    }
  }
  clear_beyond(c);
}

void TileModel::must_exist(const char* instruction, int tile) const noexcept {
  must(configured(), instruction, "there is no configuration");
  must(tile >= 0 && tile < kTiles, instruction, "there are eight tiles");
  must(rows_[tile] > 0, instruction, "the tile has no rows in this configuration");
}

// c [m, n] += a [m, k] b [k, n], in words of four bytes.
void TileModel::must_fit(const char* instruction, int c, int a, int b) const noexcept {
  const int named[] = {c, a, b};
  for (const int tile : named) {
    must_exist(instruction, tile);
    must(row_bytes_[tile] % 4 == 0, instruction, "a row ends within a word");
  }
  must(c != a && c != b && a != b, instruction, "a tile is named twice");
  must(rows_[c] == rows_[a], instruction, "the sums have other rows than A");
  must(row_bytes_[c] == row_bytes_[b], instruction, "the sums have other columns than B");
  must(row_bytes_[a] / 4 == rows_[b], instruction, "A has other columns than B has rows");
}

std::uint32_t TileModel::word(int tile, int row, int i) const noexcept {
  std::uint32_t value = 0;
  __builtin_memcpy(&value, tiles_[tile][row] + 4 * i, 4);
  return value;
}

void TileModel::set_word(int tile, int row, int i, std::uint32_t value) noexcept {
  __builtin_memcpy(tiles_[tile][row] + 4 * i, &value, 4);
}

void TileModel::clear(int tile, int row, int from) noexcept {
  for (int i = from; i < kRowBytes; ++i) tiles_[tile][row][i] = 0;
}

void TileModel::clear_beyond(int tile) noexcept {
  for (int r = 0; r < kMostRows; ++r) clear(tile, r, r < rows_[tile] ? row_bytes_[tile] : 0);
}

}  // namespace ganglion::tiles
