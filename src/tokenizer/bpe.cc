#include "tokenizer/bpe.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <span>
#include <string>

#include "base/error.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/utf8.h"

namespace ganglion::tokenizer {
namespace {

constexpr std::uint32_t kEnd = ~std::uint32_t{0};
constexpr std::size_t kFew = 32;  // symbols: up to here looking at every pair for each merge beats a heap
constexpr std::uint64_t kJointBits = 1u << 16;

std::uint64_t pair_key(std::int32_t left, std::int32_t right) noexcept {
  return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32) | static_cast<std::uint32_t>(right);
}

// Exact for two bytes; other characters share bits, which costs only a joint too many.
std::uint64_t joint_bit(char32_t left, char32_t right) noexcept {
  return ((left << 8) ^ (left >> 8) * 0x9E3Bu ^ right ^ (right >> 8) * 0x85EBu) & (kJointBits - 1);
}

}  // namespace

Bpe::Bpe(const Vocabulary& vocabulary, const std::vector<MergeRule>& rules, BpeOptions options)
    : options_(options), merges_(std::bit_ceil(2 * rules.size() + 2)), joints_(kJointBits / 64) {
  byte_ids_.fill(kNoToken);
  add_tokens(vocabulary);
  add_rules(vocabulary, rules);
}

void Bpe::add_tokens(const Vocabulary& vocabulary) {
  const bool bytes = options_.alphabet == Alphabet::kBytes;
  if (!bytes) char_ids_.assign(0x10000, kNoToken);
  for (std::int32_t id = 0; id < vocabulary.id_end(); ++id) {
    if (!vocabulary.in_model(id)) continue;
    const std::string& text = *vocabulary.text(id);
    if (!bytes) {
      pieces_.add(text, id);
      if (text.empty()) continue;
      const Utf8Char first = read_utf8(text, 0);
      if (first.length == text.size() && first.code < char_ids_.size()) char_ids_[first.code] = id;
    } else if (is_in_byte_alphabet(text)) {
      pieces_.add(alphabet_to_bytes(text), id);
    }
  }
  for (unsigned byte = 0; byte < 256; ++byte) {
    const char value = static_cast<char>(byte);
    if (bytes) {
      byte_ids_[byte] = pieces_.find({&value, 1});
    } else if (options_.byte_fallback) {
      byte_ids_[byte] = pieces_.find(fmt::format("<0x{:02X}>", byte));
    }
    all_bytes_ = all_bytes_ && byte_ids_[byte] != kNoToken;
  }
  falls_apart_ = all_bytes_;  // else unknown symbols reach over their neighbours
}

void Bpe::add_rules(const Vocabulary& vocabulary, const std::vector<MergeRule>& rules) {
  const bool bytes = options_.alphabet == Alphabet::kBytes;
  const auto text_of = [&](std::int32_t id) {
    const std::string& text = *vocabulary.text(id);
    return bytes ? alphabet_to_bytes(text) : text;
  };
  for (std::size_t rank = 0; rank < rules.size(); ++rank) {
    const MergeRule& rule = rules[rank];
    const std::uint64_t pair = pair_key(rule.left, rule.right);
    merges_[slot_of(pair)] = {pair, static_cast<std::uint32_t>(rank), rule.merged};

    const std::string left = text_of(rule.left);
    const std::string right = text_of(rule.right);
    if (left.empty() || right.empty()) continue;  // no text makes an empty token
    if (bytes) {
      const std::uint64_t bit =
          joint_bit(static_cast<unsigned char>(left.back()), static_cast<unsigned char>(right.front()));
      joints_[bit / 64] |= std::uint64_t{1} << (bit % 64);
      continue;
    }
    const std::uint64_t bit =
        joint_bit(read_utf8(left, previous_utf8(left, left.size())).code, read_utf8(right, 0).code);
    joints_[bit / 64] |= std::uint64_t{1} << (bit % 64);
    // A rule of a fallback byte joins by its id, whatever the byte's name begins and ends with.
    const auto is_byte = [&](std::int32_t id) {
      return std::find(byte_ids_.begin(), byte_ids_.end(), id) != byte_ids_.end();
    };
    if (falls_apart_ && (left.size() == 6 || right.size() == 6) && (is_byte(rule.left) || is_byte(rule.right)))
      falls_apart_ = false;
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

void Bpe::encode_word(std::string_view word, std::vector<std::int32_t>& out, Scratch& scratch) const {
  GANGLION_CHECK(word.size() < (std::size_t{1} << 31));
  if (word.empty()) return;
  if (options_.ignore_merges) {
    if (const std::int32_t whole = pieces_.find(word); whole != kNoToken) {
      out.push_back(whole);
      return;
    }
  }
  if (!falls_apart_ || word.size() <= WordCache::kMaxWord) {
    encode_run(word, out, scratch);
    return;
  }
  for (std::size_t start = 0; start < word.size();) {
    const std::size_t end = run_end(word, start);
    encode_run(word.substr(start, end - start), out, scratch);
    start = end;
  }
}

// The end of the run of symbols from `start` that rules may join.
std::size_t Bpe::run_end(std::string_view word, std::size_t start) const noexcept {
  const bool bytes = options_.alphabet == Alphabet::kBytes;
  const auto symbol_at = [&](std::size_t position) -> Utf8Char {
    if (bytes) return {static_cast<unsigned char>(word[position]), 1, Utf8Status::kValid};
    return read_utf8(word, position);
  };
  Utf8Char left = symbol_at(start);
  std::size_t end = start + left.length;
  while (end < word.size()) {
    const Utf8Char right = symbol_at(end);
    const std::uint64_t bit = joint_bit(left.code, right.code);
    if ((joints_[bit / 64] >> (bit % 64) & 1) == 0) break;
    end += right.length;
    left = right;
  }
  return end;
}

void Bpe::encode_run(std::string_view run, std::vector<std::int32_t>& out, Scratch& scratch) const {
  const bool cached = scratch.cache_.holds(run);
  if (cached && scratch.cache_.find(run, out)) return;
  std::vector<std::int32_t>& ids = scratch.ids_;
  ids.clear();
  first_symbols(run, ids);
  scratch.work.symbols += ids.size();
  if (ids.size() <= kFew) {
    merge_few(ids);
  } else {
    merge_many(scratch);
  }
  out.insert(out.end(), ids.begin(), ids.end());
  if (cached) scratch.cache_.put(ids);
}

void Bpe::first_symbols(std::string_view run, std::vector<std::int32_t>& ids) const {
  // Hugging Face's tokenizers writes the unknown token when it meets the next known symbol, which bytes of fallback are
  // not: so it may come after them.
  bool waiting = false;
  const auto add_unknown = [&] {
    if (!options_.unknown) return;
    if (waiting && !options_.fuse_unknown) ids.push_back(*options_.unknown);
    waiting = true;
  };
  const auto add_known = [&](std::int32_t id) {
    if (waiting) ids.push_back(*options_.unknown);
    waiting = false;
    ids.push_back(id);
  };
  const auto byte_id = [&](char byte) { return byte_ids_[static_cast<unsigned char>(byte)]; };

  if (options_.alphabet == Alphabet::kBytes) {
    for (const char byte : run) byte_id(byte) != kNoToken ? add_known(byte_id(byte)) : add_unknown();
  } else {
    for (std::size_t position = 0; position < run.size();) {
      const Utf8Char next = read_utf8(run, position);
      const std::string_view bytes = run.substr(position, next.length);
      position += next.length;
      const std::int32_t id = next.code < char_ids_.size() ? char_ids_[next.code] : pieces_.find(bytes);
      if (id != kNoToken) {
        add_known(id);
      } else if (std::all_of(bytes.begin(), bytes.end(), [&](char byte) { return byte_id(byte) != kNoToken; })) {
        for (const char byte : bytes) ids.push_back(byte_id(byte));
      } else {
        add_unknown();
      }
    }
  }
  if (waiting) ids.push_back(*options_.unknown);
}

void Bpe::merge_few(std::vector<std::int32_t>& ids) const noexcept {
  constexpr std::uint32_t kNever = std::numeric_limits<std::uint32_t>::max();
  std::array<std::uint32_t, kFew> ranks;
  std::array<std::int32_t, kFew> merged;
  std::size_t count = ids.size();
  const auto look_up = [&](std::size_t position) {
    const Merge* merge = find_merge(ids[position], ids[position + 1]);
    ranks[position] = merge == nullptr ? kNever : merge->rank;
    if (merge != nullptr) merged[position] = merge->merged;
  };
  for (std::size_t position = 0; position + 1 < count; ++position) look_up(position);
  while (count > 1) {
    const std::size_t best = static_cast<std::size_t>(
        std::min_element(ranks.begin(), ranks.begin() + static_cast<std::ptrdiff_t>(count - 1)) - ranks.begin());
    if (ranks[best] == kNever) break;
    ids[best] = merged[best];
    for (std::size_t position = best + 1; position + 1 < count; ++position) {
      ids[position] = ids[position + 1];
      ranks[position - 1] = ranks[position];
      merged[position - 1] = merged[position];
    }
    --count;
    if (best > 0) look_up(best - 1);
    if (best + 1 < count) look_up(best);
  }
  ids.resize(count);
}

void Bpe::merge_many(Scratch& scratch) const {
  using Candidate = Scratch::Candidate;
  std::vector<std::int32_t>& ids = scratch.ids_;
  auto& symbols = scratch.symbols_;
  auto& heap = scratch.heap_;
  symbols.clear();
  heap.clear();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto index = static_cast<std::uint32_t>(i);
    symbols.push_back({ids[i], i == 0 ? kEnd : index - 1, i + 1 == ids.size() ? kEnd : index + 1, false});
  }

  // The best rank first, and the leftmost of equals.
  const auto later = [](const Candidate& left, const Candidate& right) {
    return left.rank != right.rank ? left.rank > right.rank : left.position > right.position;
  };
  const auto candidate_at = [&](std::uint32_t position) -> std::optional<Candidate> {
    const auto& left = symbols[position];
    if (left.next == kEnd) return std::nullopt;
    const Merge* merge = find_merge(left.id, symbols[left.next].id);
    if (merge == nullptr) return std::nullopt;
    return Candidate{merge->rank, position, merge->merged};
  };
  const auto push = [&](std::uint32_t position) {
    if (const auto candidate = candidate_at(position)) {
      heap.push_back(*candidate);
      std::push_heap(heap.begin(), heap.end(), later);
      ++scratch.work.heap_operations;
    }
  };

  for (std::uint32_t position = 0; position < symbols.size(); ++position) {
    if (const auto candidate = candidate_at(position)) heap.push_back(*candidate);
  }
  std::make_heap(heap.begin(), heap.end(), later);
  scratch.work.heap_operations += heap.size();

  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), later);
    const Candidate top = heap.back();
    heap.pop_back();
    ++scratch.work.heap_operations;
    auto& left = symbols[top.position];
    if (left.removed) continue;
    // An entry is stale when a neighbour has merged since; then the pair makes a longer token now.
    const auto now = candidate_at(top.position);
    if (!now || now->merged != top.merged) continue;

    auto& right = symbols[left.next];
    left.id = top.merged;
    left.next = right.next;
    right.removed = true;
    if (left.next != kEnd) symbols[left.next].previous = top.position;
    if (left.previous != kEnd) push(left.previous);
    push(top.position);
  }

  ids.clear();
  for (const auto& symbol : symbols) {
    if (!symbol.removed) ids.push_back(symbol.id);
  }
}

}  // namespace ganglion::tokenizer
