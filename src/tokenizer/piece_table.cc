#include "tokenizer/piece_table.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace ganglion::tokenizer {

std::uint64_t hash_bytes(std::string_view bytes) noexcept {
  constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15u;
  std::uint64_t hash = bytes.size() * kOdd;
  const auto mix = [&](std::uint64_t word) {
    hash = (hash ^ word) * kOdd;
    hash ^= hash >> 32;
  };
  for (; bytes.size() > 8; bytes.remove_prefix(8)) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data(), 8);
    mix(word);
  }
  std::uint64_t last = 0;
  std::memcpy(&last, bytes.data(), bytes.size());
  mix(last);
  return hash * kOdd;
}

std::size_t PieceTable::slot_of(std::string_view piece, std::uint64_t hash) const noexcept {
  const auto tag = static_cast<std::uint32_t>(hash >> 32);
  std::size_t slot = static_cast<std::size_t>(hash >> 20) & (slots_.size() - 1);
  while (slots_[slot].id != kNoToken) {
    const Slot& at = slots_[slot];
    if (at.tag == tag && std::string_view(bytes_).substr(at.start, at.length) == piece) break;
    slot = (slot + 1) & (slots_.size() - 1);
  }
  return slot;
}

void PieceTable::add(std::string_view piece, std::int32_t id) {
  if (2 * (count_ + 1) > slots_.size()) grow();
  const std::uint64_t hash = hash_bytes(piece);
  Slot& slot = slots_[slot_of(piece, hash)];
  if (slot.id != kNoToken) return;
  GANGLION_CHECK(bytes_.size() + piece.size() < (std::uint64_t{1} << 32));
  slot = {static_cast<std::uint32_t>(hash >> 32), id, static_cast<std::uint32_t>(bytes_.size()),
          static_cast<std::uint32_t>(piece.size())};
  bytes_ += piece;
  ++count_;
  longest_ = std::max(longest_, piece.size());
}

std::int32_t PieceTable::find(std::string_view piece) const noexcept {
  if (piece.size() > longest_ || slots_.empty()) return kNoToken;
  return slots_[slot_of(piece, hash_bytes(piece))].id;
}

void PieceTable::grow() {
  std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(std::max<std::size_t>(64, 2 * slots_.size())));
  for (const Slot& slot : old) {
    if (slot.id == kNoToken) continue;
    const std::string_view piece = std::string_view(bytes_).substr(slot.start, slot.length);
    slots_[slot_of(piece, hash_bytes(piece))] = slot;
  }
}

}  // namespace ganglion::tokenizer
