#include "tokenizer/bpe.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <string>

#include "base/error.h"
#include "tokenizer/byte_level.h"

namespace ganglion::tokenizer {
namespace {

constexpr std::int32_t kNoToken = -1;
constexpr std::uint32_t kEnd = ~std::uint32_t{0};

std::uint64_t pair_key(std::int32_t left, std::int32_t right) noexcept {
  return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32) | static_cast<std::uint32_t>(right);
}

}  // namespace

// A token of the word so far, linked to its neighbours by index. Merging keeps the left symbol and removes the right.
struct Bpe::Symbol {
  std::int32_t id;
  std::uint32_t previous;
  std::uint32_t next;
  bool removed;
};

Bpe::Bpe(const Vocabulary& vocabulary, const std::vector<MergeRule>& rules, BpeOptions options)
    : vocabulary_(vocabulary), options_(options), merges_(std::bit_ceil(2 * rules.size() + 2)) {
  for (unsigned byte = 0; byte < 256; ++byte) {
    const char value = static_cast<char>(byte);
    byte_ids_[byte] = vocabulary.find(bytes_to_alphabet({&value, 1})).value_or(kNoToken);
  }
  for (std::size_t rank = 0; rank < rules.size(); ++rank) {
    const MergeRule& rule = rules[rank];
    const std::uint64_t pair = pair_key(rule.left, rule.right);
    merges_[slot_of(pair)] = {pair, static_cast<std::uint32_t>(rank), rule.merged};
  }
}

std::size_t Bpe::slot_of(std::uint64_t pair) const noexcept {
  std::uint64_t hash = pair * 0x9E3779B97F4A7C15u;  // Fibonacci hashing: the high bits depend on all of the pair
  hash ^= hash >> 32;
  std::size_t slot = static_cast<std::size_t>(hash) & (merges_.size() - 1);
  while (merges_[slot].pair != pair && merges_[slot].pair != kNoPair) slot = (slot + 1) & (merges_.size() - 1);
  return slot;
}

const Bpe::Merge* Bpe::find_merge(std::int32_t left, std::int32_t right) const noexcept {
  const Merge& merge = merges_[slot_of(pair_key(left, right))];
  return merge.pair == kNoPair ? nullptr : &merge;
}

std::vector<Bpe::Symbol> Bpe::first_symbols(std::string_view word) const {
  std::vector<Symbol> symbols;
  symbols.reserve(word.size());
  bool after_unknown = false;
  for (const char byte : word) {
    std::int32_t id = byte_ids_[static_cast<unsigned char>(byte)];
    const bool unknown = id == kNoToken;
    if (unknown) {
      if (!options_.unknown || (after_unknown && options_.fuse_unknown)) continue;
      id = *options_.unknown;
    }
    after_unknown = unknown;
    const auto index = static_cast<std::uint32_t>(symbols.size());
    symbols.push_back({id, index == 0 ? kEnd : index - 1, index + 1, false});
  }
  if (!symbols.empty()) symbols.back().next = kEnd;
  return symbols;
}

void Bpe::encode_word(std::string_view word, std::vector<std::int32_t>& out, BpeWork* work) const {
  GANGLION_CHECK(word.size() < (std::size_t{1} << 31));
  if (options_.ignore_merges) {
    if (const std::optional<std::int32_t> whole = vocabulary_.find(bytes_to_alphabet(word))) {
      out.push_back(*whole);
      return;
    }
  }

  std::vector<Symbol> symbols = first_symbols(word);
  BpeWork done{.symbols = symbols.size()};

  // Entries are (rank, position of the left symbol): the best rank first, and the leftmost of equals.
  struct Candidate {
    std::uint32_t rank;
    std::uint32_t position;
    std::int32_t merged;
    bool operator>(const Candidate& other) const noexcept {
      return rank != other.rank ? rank > other.rank : position > other.position;
    }
  };
  std::vector<Candidate> heap;
  const auto candidate_at = [&](std::uint32_t position) -> std::optional<Candidate> {
    const Symbol& left = symbols[position];
    if (left.next == kEnd) return std::nullopt;
    const Merge* merge = find_merge(left.id, symbols[left.next].id);
    if (merge == nullptr) return std::nullopt;
    return Candidate{merge->rank, position, merge->merged};
  };
  const auto push = [&](std::uint32_t position) {
    if (const auto candidate = candidate_at(position)) {
      heap.push_back(*candidate);
      std::push_heap(heap.begin(), heap.end(), std::greater<>{});
      ++done.heap_operations;
    }
  };

  for (std::uint32_t position = 0; position < symbols.size(); ++position) {
    if (const auto candidate = candidate_at(position)) heap.push_back(*candidate);
  }
  std::make_heap(heap.begin(), heap.end(), std::greater<>{});
  done.heap_operations += heap.size();

  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), std::greater<>{});
    const Candidate top = heap.back();
    heap.pop_back();
    ++done.heap_operations;
    Symbol& left = symbols[top.position];
    if (left.removed) continue;
    // An entry is stale when a neighbour has merged since. What counts is the token the pair makes now, not the rank it
    // was queued with, because that is how Hugging Face's tokenizers decides.
    const auto now = candidate_at(top.position);
    if (!now || now->merged != top.merged) continue;

    Symbol& right = symbols[left.next];
    left.id = top.merged;
    left.next = right.next;
    right.removed = true;
    if (left.next != kEnd) symbols[left.next].previous = top.position;
    if (left.previous != kEnd) push(left.previous);
    push(top.position);
  }

  for (const Symbol& symbol : symbols) {
    if (!symbol.removed) out.push_back(symbol.id);
  }
  if (work != nullptr) {
    work->symbols += done.symbols;
    work->heap_operations += done.heap_operations;
  }
}

}  // namespace ganglion::tokenizer
