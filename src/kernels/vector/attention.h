// Attention over the paged cache, for a vector type V. Queries that read the same cached head (neighbouring tokens of a
// sequence, heads of a group) walk it together and share its loads. A token alone takes its heads in turn at every
// tile: they lie side by side in a block, so memory is read in long pieces. Many tokens of a sequence (a prompt) take a
// tile of a cached head as f32 into the first cache, and all pass over it before the next. The arithmetic of a query
// is the same in all of these (kernels/vector/attention_tile.h).
#pragma once

#include <cstdint>

#include "kernels/vector/attention_tile.h"

namespace ganglion::kernels {
namespace {

// kMostRows queries at a time; kSums accumulators fit in the registers.
template <class V, Storage S, int kMostRows, int kSums>
struct Attention {
  using Tile = AttentionTile<V, kMostRows, kSums>;
  using Query = typename Tile::Query;
  using Head = CachedHead<V, S>;

  static constexpr int kTogether = 32;            // queries of one token in turn
  static constexpr int kPassing = 4 * kMostRows;  // that pass over a near tile together: they stay near as well
  static constexpr int kMany = 32 * kMostRows;    // over a tile before the next

  struct Group {
    Query queries[kMany];
    float tops[kMany];
    float shrinks[kMany];
    int count = 0;

    std::int64_t end() const noexcept {  // positions before it are seen by one of the queries
      std::int64_t out = 0;
      for (int i = 0; i < count; ++i) out = queries[i].seen > out ? queries[i].seen : out;
      return out;
    }
  };

  static std::int64_t padded(std::int64_t head_dim) noexcept { return (head_dim + 15) / 16 * 16; }
  static std::int64_t floats_of_query(std::int64_t head_dim, std::int64_t block_size) noexcept {
    return attention_tile(block_size) + 2 * padded(head_dim) + 16;
  }
  static std::int64_t scratch(std::int64_t head_dim, std::int64_t block_size) noexcept {
    return kMany * floats_of_query(head_dim, block_size) + NearTile<V, S>::floats(head_dim, block_size);
  }

  static void start(const AttentionArgs& args, std::int64_t token, std::int64_t head, Group& group) noexcept {
    Query& query = group.queries[group.count];
    float* q = args.scratch + group.count * floats_of_query(args.head_dim, args.block_size);
    query.q = q;
    query.sums = q + padded(args.head_dim);
    query.totals = query.sums + padded(args.head_dim);
    query.weights = query.totals + 16;
    query.out = args.out + token * args.out_stride + head * args.head_dim;
    query.seen = args.position[token] + 1;
    const auto scale = V::all(args.scale * 1.44269504f);
    const float* from = args.q + token * args.q_stride + head * args.head_dim;
    for (std::int64_t d = 0; d < args.head_dim; d += V::kLanes) {
      const std::int64_t rest = args.head_dim - d;
      V::store(q + d, V::mul(V::load_first(from + d, rest < V::kLanes ? rest : V::kLanes), scale));
      V::store(query.sums + d, V::zero());
    }
    V::store(query.totals, V::zero());
    group.tops[group.count++] = -__builtin_inff();
  }

  static void finish(const AttentionArgs& args, Group& group) noexcept {
    for (int i = 0; i < group.count; ++i) Tile::finish(group.queries[i], args.head_dim);
    group.count = 0;
  }

  // The group's queries, `each` for a cached head from kv_head on, over the whole of what they see. `next`: what the
  // walk after this one begins with, or no cache.
  static void attend_few(const AttentionArgs& args, const std::int32_t* blocks, std::int64_t kv_head, Group& group,
                         int each, const Ahead<S>& next) noexcept {
    const std::int64_t tile = attention_tile(args.block_size), end = group.end(), heads = group.count / each;
    Head head{args, blocks, kv_head};
    for (std::int64_t begin = 0; begin < end; begin += tile) {
      for (std::int64_t h = 0; h < heads; ++h) {
        head.kv_head = kv_head + h;
        head.ahead = h + 1 < heads ? Ahead<S>{args.k_cache, blocks, head.kv_head + 1, begin, end}
                                   : Ahead<S>{args.v_cache, blocks, kv_head, begin, end};
        Tile::all_scores(head, group.queries + h * each, each, begin, tile);
      }
      for (std::int64_t h = 0; h < heads; ++h) {
        head.kv_head = kv_head + h;
        const int first = static_cast<int>(h) * each;
        Tile::weigh(head, group.queries + first, each, begin, tile, {group.tops + first, group.shrinks + first});
      }
      for (std::int64_t h = 0; h < heads; ++h) {
        head.kv_head = kv_head + h;
        if (h + 1 < heads) {
          head.ahead = {args.v_cache, blocks, head.kv_head + 1, begin, end};
        } else if (begin + tile < end || next.cache == nullptr) {
          head.ahead = {args.k_cache, blocks, kv_head, begin + tile < end ? begin + tile : begin, end};
        } else {
          head.ahead = next;
        }
        const int first = static_cast<int>(h) * each;
        Tile::all_values(head, group.queries + first, each, group.shrinks + first, begin, tile);
      }
    }
    finish(args, group);
  }

  // Many queries for one cached head, neighbouring tokens one after another: every tile comes near once for all.
  static void attend_many(const AttentionArgs& args, const std::int32_t* blocks, std::int64_t kv_head,
                          Group& group) noexcept {
    const std::int64_t tile = attention_tile(args.block_size), end = group.end();
    const Head head{args, blocks, kv_head};
    float* near = args.scratch + kMany * floats_of_query(args.head_dim, args.block_size);
    NearTile<V, S> source{head, near, near + tile * args.head_dim};
    for (std::int64_t begin = 0; begin < end; begin += tile) {
      source.fill(begin, end);
      const Ahead<S> ahead[] = {{args.k_cache, blocks, kv_head, begin + tile, end},
                                {args.v_cache, blocks, kv_head, begin + tile, end}};
      const std::int64_t parts = begin + tile < end ? 2 * tile / kAttentionStrip : 0;
      std::int64_t fetched = 0;
      for (int i = 0; i < group.count; i += kPassing) {
        for (; fetched * group.count < parts * (i + kPassing) && fetched < parts; ++fetched) {
          ahead[fetched % 2].fetch_part(args, fetched / 2 * kAttentionStrip);
        }
        const int count = group.count - i < kPassing ? group.count - i : kPassing;
        const Query* queries = group.queries + i;
        std::int64_t seen = 0;
        for (int r = 0; r < count; ++r) seen = queries[r].seen > seen ? queries[r].seen : seen;
        if (seen <= begin) continue;
        Tile::all_scores(source, queries, count, begin, tile);
        Tile::weigh(source, queries, count, begin, tile, {group.tops + i, group.shrinks + i});
        Tile::all_values(source, queries, count, group.shrinks + i, begin, tile);
      }
    }
    finish(args, group);
  }

  // One token: cached heads in turn, as many as there is room for.
  static void attend_token(const AttentionArgs& args, std::int64_t token, std::int64_t group, Group& state) noexcept {
    const auto blocks_of = [&](std::int64_t of) { return args.block_table + args.sequence[of] * args.max_blocks; };
    const std::int32_t* blocks = blocks_of(token);
    for (std::int64_t head = args.head_begin; head < args.head_end;) {
      const std::int64_t kv_head = head / group;
      // A part of a group, when the call begins or ends inside one; else whole groups.
      const std::int64_t left = Tile::clamp((kv_head + 1) * group, head, args.head_end) - head;
      std::int64_t count = left < kMany ? left : kMany;
      const auto each = static_cast<int>(count);
      if (count == group) {
        while (count + group <= kTogether && head + count + group <= args.head_end) count += group;
      }
      for (std::int64_t i = 0; i < count; ++i) start(args, token, head + i, state);
      // Where the next walk begins.
      Ahead<S> next{};
      if (head + count < args.head_end) {
        next = {args.k_cache, blocks, (head + count) / group, 0, args.position[token] + 1};
      } else if (token + 1 < args.token_end) {
        next = {args.k_cache, blocks_of(token + 1), args.head_begin / group, 0, args.position[token + 1] + 1};
      }
      attend_few(args, blocks, kv_head, state, each, next);
      head += count;
    }
  }

  // Tokens [begin, end) of one sequence: a cached head is walked by all of them while it is near.
  static void attend_tokens(const AttentionArgs& args, std::int64_t begin, std::int64_t end, std::int64_t group,
                            Group& state) noexcept {
    const std::int32_t* blocks = args.block_table + args.sequence[begin] * args.max_blocks;
    const bool many = (end - begin) * group > 2 * kMostRows;
    const int most = many ? kMany : kMostRows;
    for (std::int64_t kv_head = args.head_begin / group; kv_head * group < args.head_end; ++kv_head) {
      const std::int64_t first = Tile::clamp(kv_head * group, args.head_begin, args.head_end);
      const std::int64_t last = Tile::clamp((kv_head + 1) * group, args.head_begin, args.head_end);
      for (std::int64_t token = begin; token < end; ++token) {
        for (std::int64_t head = first; head < last; ++head) {
          start(args, token, head, state);
          if (state.count == most || (head + 1 == last && token + 1 == end)) {
            if (many) {
              attend_many(args, blocks, kv_head, state);
            } else {
              attend_few(args, blocks, kv_head, state, state.count, {});
            }
          }
        }
      }
    }
  }

  static void run(const AttentionArgs& args) noexcept {
    const std::int64_t group = args.heads / args.kv_heads;
    Group state;
    for (std::int64_t begin = args.token_begin; begin < args.token_end;) {
      std::int64_t end = begin + 1;
      while (end < args.token_end && args.sequence[end] == args.sequence[begin]) ++end;
      if (end - begin == 1) {
        attend_token(args, begin, group, state);
      } else {
        attend_tokens(args, begin, end, group, state);
      }
      begin = end;
    }
  }
};

}  // namespace
}  // namespace ganglion::kernels
