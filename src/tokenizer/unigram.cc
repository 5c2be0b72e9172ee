#include "tokenizer/unigram.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "base/error.h"
#include "tokenizer/piece_table.h"
#include "tokenizer/utf8.h"

namespace ganglion::tokenizer {
namespace {

constexpr double kUnknownPenalty = 10;  // below the least likely piece

}  // namespace

Unigram::Unigram(const Vocabulary& vocabulary, UnigramOptions options) : options_(std::move(options)) {
  std::size_t bytes = 0;
  for (std::int32_t id = 0; id < vocabulary.id_end(); ++id) {
    if (!vocabulary.in_model(id)) continue;
    const std::size_t size = vocabulary.text(id)->size();
    if (size > kMaxPiece) {
      fail(Code::kUnsupported, "[tokenizer model.vocab] the piece {} has {} bytes; at most {} are supported", id, size,
           kMaxPiece);
    }
    bytes += size;
  }
  edges_.resize(std::bit_ceil(2 * bytes + 2));
  ids_.push_back(kUnset);
  double least = std::numeric_limits<double>::infinity();
  for (std::int32_t id = 0; id < vocabulary.id_end(); ++id) {
    if (!vocabulary.in_model(id)) continue;
    least = std::min(least, options_.scores.at(static_cast<std::size_t>(id)));
    add_piece(*vocabulary.text(id), id);
  }
  unknown_score_ = least - kUnknownPenalty;
  for (unsigned byte = 0; byte < 256; ++byte)
    byte_ids_[byte] = vocabulary.find_in_model(fmt::format("<0x{:02X}>", byte)).value_or(kNoToken);
}

std::size_t Unigram::slot_of(std::uint64_t key) const noexcept {
  std::uint64_t hash = key * 0x9E3779B97F4A7C15u;
  hash ^= hash >> 32;
  std::size_t slot = static_cast<std::size_t>(hash) & (edges_.size() - 1);
  while (edges_[slot].key != key && edges_[slot].key != Edge{}.key) slot = (slot + 1) & (edges_.size() - 1);
  return slot;
}

void Unigram::add_piece(std::string_view piece, std::int32_t id) {
  if (piece.empty()) return;
  std::uint32_t node = 0;
  for (const char byte : piece) {
    const std::uint64_t key = std::uint64_t{node} << 8 | static_cast<unsigned char>(byte);
    Edge& edge = edges_[slot_of(key)];
    if (edge.key != key) {
      edge = {key, static_cast<std::uint32_t>(ids_.size())};
      ids_.push_back(kUnset);
    }
    node = edge.node;
  }
  ids_[node] = id;
}

void Unigram::encode_word(std::string_view word, std::vector<std::int32_t>& out) const {
  GANGLION_CHECK(word.size() < (std::size_t{1} << 31));
  std::vector<Best> ends(word.size() + 1);  // the best way to write the word up to each place
  const auto offer = [&](std::size_t start, std::size_t end, std::int32_t id, double score) {
    Best& best = ends[end];
    const double total = ends[start].score + score;
    if (best.id == kUnset || total > best.score) best = {total, static_cast<std::uint32_t>(start), id};
  };
  for (std::size_t start = 0; start < word.size();) {
    const std::size_t length = read_utf8(word, start).length;
    bool has_single = false;
    std::uint32_t node = 0;
    for (std::size_t end = start; end < word.size();) {
      const Edge& edge = edges_[slot_of(std::uint64_t{node} << 8 | static_cast<unsigned char>(word[end]))];
      if (edge.key == Edge{}.key) break;
      node = edge.node;
      ++end;
      const std::int32_t id = ids_[node];
      if (id == kUnset) continue;
      offer(start, end, id, options_.scores[static_cast<std::size_t>(id)]);
      has_single = has_single || end - start == length;
    }
    if (!has_single) offer(start, start + length, kUnknown, unknown_score_);
    start += length;
  }

  std::vector<std::pair<std::uint32_t, std::uint32_t>> pieces;  // [start, end), last first
  for (auto end = static_cast<std::uint32_t>(word.size()); end > 0; end = ends[end].start)
    pieces.emplace_back(ends[end].start, end);
  for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece) {
    const std::int32_t id = ends[piece->second].id;
    const bool unknown = id == kUnknown || id == options_.unknown;
    if (!unknown) {
      out.push_back(id);
      continue;
    }
    const std::uint32_t start = piece->first;
    while (piece + 1 != pieces.rend()) {
      const std::int32_t next = ends[(piece + 1)->second].id;
      if (next != kUnknown && next != options_.unknown) break;
      ++piece;
    }
    emit_unknown(word.substr(start, piece->second - start), out);
  }
}

std::int32_t Unigram::find(std::string_view piece) const noexcept {
  std::uint32_t node = 0;
  for (const char byte : piece) {
    const Edge& edge = edges_[slot_of(std::uint64_t{node} << 8 | static_cast<unsigned char>(byte))];
    if (edge.key == Edge{}.key) return kUnset;
    node = edge.node;
  }
  return ids_[node];
}

// Unknown characters in a row, among which the unknown token's own text counts.
void Unigram::emit_unknown(std::string_view text, std::vector<std::int32_t>& out) const {
  const auto id_of = [&](char byte) { return byte_ids_[static_cast<unsigned char>(byte)]; };
  if (const std::int32_t id = find(text); id != kUnset) {
    out.push_back(id);
  } else if (options_.byte_fallback &&
             std::all_of(text.begin(), text.end(), [&](char byte) { return id_of(byte) != kNoToken; })) {
    for (const char byte : text) out.push_back(id_of(byte));
  } else {
    out.push_back(options_.unknown);
  }
}

}  // namespace ganglion::tokenizer
