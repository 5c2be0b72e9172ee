#include "tokenizer/word_cache.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace ganglion::tokenizer {
namespace {

constexpr std::size_t kLeastText = 512;       // bytes: below, filling the cache costs more than it saves
constexpr std::size_t kMostSlots = 1u << 14;  // 1 MiB, which a second-level cache holds
constexpr std::size_t kBytesOfTextPerSlot = 8;

}  // namespace

WordCache::WordCache(std::size_t text_bytes) {
  if (text_bytes < kLeastText) return;
  slots_.resize(std::min(std::bit_ceil(text_bytes / kBytesOfTextPerSlot), kMostSlots));
}

bool WordCache::find(std::string_view word, std::vector<std::int32_t>& out) {
  constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15u;
  Key key = {};
  std::memcpy(key.data(), word.data(), word.size());
  key[2] |= std::uint64_t{word.size()} << 56;
  std::uint64_t hash = (key[0] ^ std::rotl(key[1] * kOdd, 29) ^ std::rotl(key[2] * kOdd, 47)) * kOdd;
  hash ^= hash >> 29;
  const std::size_t index = static_cast<std::size_t>((hash * kOdd) >> 32) & (slots_.size() - 1);
  const Slot& slot = slots_[index];
  if (slot.key != key) {
    missed_ = key;
    missed_slot_ = index;
    return false;
  }
  out.insert(out.end(), slot.ids.begin(), slot.ids.begin() + slot.count);
  return true;
}

void WordCache::put(std::span<const std::int32_t> ids) noexcept {
  if (ids.size() > kMaxIds) return;
  Slot& slot = slots_[missed_slot_];
  slot.key = missed_;
  slot.count = static_cast<std::uint32_t>(ids.size());
  std::copy(ids.begin(), ids.end(), slot.ids.begin());
}

}  // namespace ganglion::tokenizer
