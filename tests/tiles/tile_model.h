// What the tile instructions of AMX do, in plain C++: the eight registers of a thread, and the operations of the Intel
// 64 and IA-32 Architectures Software Developer's Manual (volume 1, chapter 18; volume 2, LDTILECFG to TILEZERO). Where
// the CPU would raise an exception the program ends, with the reason.
//
// It uses no library but fmaf, so that it also runs on an emulated CPU without a system (tests/emulation).
#pragma once

#include <cstdint>

namespace ganglion::tiles {

enum class Bytes { kSigned, kUnsigned };

class TileModel {
 public:
  bool configured() const noexcept { return palette_ != 0; }

  void load_config(const void* memory) noexcept;  // LDTILECFG, of 64 bytes
  void release() noexcept;                        // TILERELEASE
  void zero(int tile) noexcept;                   // TILEZERO
  // TILELOADD, TILELOADDT1 and TILESTORED; rows are `stride` bytes apart.
  void load(int tile, const void* memory, std::int64_t stride) noexcept;
  void store(int tile, void* memory, std::int64_t stride) const noexcept;

  // TDPBF16PS, c += a b: products of even and of odd k are summed apart, each from zero on, rounded once a product;
  // then the two are added, and that to the element.
  void multiply_bf16(int c, int a, int b) noexcept;
  // TDPBSSD, TDPBSUD, TDPBUSD and TDPBUUD: products of bytes, in 32 bits.
  void multiply_bytes(int c, int a, Bytes kind_of_a, int b, Bytes kind_of_b) noexcept;

 private:
  static constexpr int kTiles = 8, kMostRows = 16, kRowBytes = 64;
  using Row = std::uint8_t[kRowBytes];

  void must_exist(const char* instruction, int tile) const noexcept;
  void must_fit(const char* instruction, int c, int a, int b) const noexcept;
  std::uint32_t word(int tile, int row, int i) const noexcept;
  void set_word(int tile, int row, int i, std::uint32_t value) noexcept;
  void clear(int tile, int row, int from) noexcept;
  void clear_beyond(int tile) noexcept;

  int palette_ = 0;
  int rows_[kTiles] = {}, row_bytes_[kTiles] = {};
  Row tiles_[kTiles][kMostRows] = {};
};

// The program that has the model defines these: the registers of the calling thread, and how it ends.
TileModel& tiles() noexcept;
[[noreturn]] void illegal(const char* instruction, const char* reason) noexcept;

}  // namespace ganglion::tiles
