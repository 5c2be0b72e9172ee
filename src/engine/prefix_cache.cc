#include "engine/prefix_cache.h"

#include <xxhash.h>

#include <random>

#include "base/error.h"

namespace ganglion::engine {
namespace {

std::uint64_t xxh3(std::string_view bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::uint64_t random_seed() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32) | device();
}

// Link, tokens (equally many in every key of a cache), salt: no two triples give the same bytes.
std::string key_of(PrefixCache::Link before, std::span<const std::int32_t> tokens, std::string_view salt) {
  std::string key;
  key.reserve(sizeof(before) + tokens.size_bytes() + (before == PrefixCache::kStart ? salt.size() : 0));
  key.append(reinterpret_cast<const char*>(&before), sizeof(before));
  key.append(reinterpret_cast<const char*>(tokens.data()), tokens.size_bytes());
  if (before == PrefixCache::kStart) key.append(salt);
  return key;
}

}  // namespace

PrefixCache::PrefixCache(std::int64_t blocks) : PrefixCache(blocks, xxh3) {}

PrefixCache::PrefixCache(std::int64_t blocks, Hash hash)
    : found_(0, SeededHash{hash, random_seed()}), key_of_(static_cast<std::size_t>(blocks), nullptr) {}

std::optional<PrefixCache::Found> PrefixCache::find(Link before, std::span<const std::int32_t> tokens,
                                                    std::string_view salt) const {
  const auto at = found_.find(key_of(before, tokens, salt));
  if (at == found_.end()) return std::nullopt;
  return at->second;
}

PrefixCache::Link PrefixCache::add(Link before, std::span<const std::int32_t> tokens, std::string_view salt,
                                   BlockId block) {
  const auto [at, is_new] = found_.emplace(key_of(before, tokens, salt), Found{block, next_});
  GANGLION_CHECK(is_new && key_of_.at(static_cast<std::size_t>(block)) == nullptr);
  key_of_[static_cast<std::size_t>(block)] = &at->first;
  return next_++;
}

void PrefixCache::forget(BlockId block) {
  const std::string*& key = key_of_.at(static_cast<std::size_t>(block));
  if (key == nullptr) return;
  found_.erase(found_.find(*key));
  key = nullptr;
}

}  // namespace ganglion::engine
