// Attention over a paged cache in bf16, on tiles of bf16 products summed in f32.
//
// What is multiplied: q rounded to bf16 (to nearest even), K and V as they are cached, and the weights rounded to bf16;
// the total adds the weights as rounded. Subnormal numbers are zeros.
//
// One order of arithmetic for every query: positions go in tiles of 64 that start at multiples of 64, each as one tile
// product over head_dim (32 at a time) and one over positions (32 at a time), and the rows of a product do not see each
// other. Places after a query's position weigh nothing; values there are multiplied by zero, which leaves sums as they
// are as long as the values are finite.
//
// Sixteen queries make a block, which is what weigh.h works on: tokens and heads that read one cached head, all in one
// product, or one token's queries for several cached heads, with a product for each. A tile of the cache is turned into
// the form of B where it is used: once for all blocks of a call that share it.
#pragma once

#include "kernels/amx/weigh.h"

namespace ganglion::kernels {
namespace {

struct TileAttention {
  using Walk = CacheTiles::Walk;
  using Ahead = CacheTiles::Ahead;
  static constexpr std::int64_t kTile = Weigh::kTile, kRows = Weigh::kRows, kLine = CacheTiles::kLine;
  static constexpr std::int64_t kStrip = CacheTiles::kStrip, kStep = CacheTiles::kStep, kStrips = kTile / kStrip;
  static constexpr std::int64_t kBlocks = 16;  // that share what is turned
  static constexpr std::int64_t kScoreBytes = kStrips * kTileBytes, kWeightBytes = kTile / kStep * kTileBytes;

  static std::int64_t smaller(std::int64_t a, std::int64_t b) noexcept { return a < b ? a : b; }
  static std::int64_t larger(std::int64_t a, std::int64_t b) noexcept { return a > b ? a : b; }
  static std::int64_t near_bytes(std::int64_t steps) noexcept { return kStrips * steps * kTileBytes; }
  static std::int64_t q_bytes(std::int64_t steps) noexcept { return steps * kTileBytes; }
  static std::int64_t sums_bytes(std::int64_t steps) noexcept { return 2 * steps * kTileBytes; }

  // As Table::attention_scratch.
  static std::int64_t scratch(std::int64_t head_dim) noexcept {
    const std::int64_t steps = CacheTiles::steps_of(head_dim);
    return (kLine + 2 * (kScoreBytes + kWeightBytes) + kTileBytes + 3 * near_bytes(steps) + sums_bytes(steps) +
            kBlocks * (q_bytes(steps) + sums_bytes(steps))) /
           4;
  }
  // Where it all is. Of scores and weights there are two: tiles are not loaded from stores that are still under way.
  struct Memory {
    char* scores[2];   // f32 [strip][row][16]
    char* weights[2];  // bf16 [step of positions][row][32]
    float* lines;      // [row][16]
    char* near[3];     // turned
    char* spare;       // as sums
    char* blocks;      // q and sums of each

    explicit Memory(const AttentionArgs& args) noexcept {
      const std::int64_t steps = CacheTiles::steps_of(args.head_dim);
      char* at = reinterpret_cast<char*>(args.scratch);
      at += (kLine - reinterpret_cast<std::uintptr_t>(at) % kLine) % kLine;
      const auto take = [&](std::int64_t bytes) {
        char* taken = at;
        at += bytes;
        return taken;
      };
      for (char*& to : scores) to = take(kScoreBytes);
      for (char*& to : weights) to = take(kWeightBytes);
      lines = reinterpret_cast<float*>(take(kTileBytes));
      // Rows that no query has are weighed as well.
      for (char* line = scores[0]; line < at; line += kLine) _mm512_store_si512(line, _mm512_setzero_si512());
      for (char*& to : near) to = take(near_bytes(steps));
      spare = take(sums_bytes(steps));
      blocks = at;
    }
  };

  // `parts` cached heads of one token with `each` queries, or one part of kRows.
  struct Block {
    Weigh::State state;
    float* out[kRows];  // [head_dim]
    char* q;            // bf16 [part][step][row][32]
    char* sums;         // f32 [part][16 columns][row][16]
    std::int64_t parts, each, steps;

    char* part_q(std::int64_t part) const noexcept { return q + part * steps * each * kLine; }
    char* part_sums(std::int64_t part) const noexcept { return sums + part * 2 * steps * each * kLine; }
    char* row_sums(std::int64_t row) const noexcept { return part_sums(row / each) + row % each * kLine; }
  };
  static void start_block(const AttentionArgs& args, const Memory& memory, std::int64_t index, std::int64_t each,
                          Block& block) noexcept {
    block.steps = CacheTiles::steps_of(args.head_dim);
    block.q = memory.blocks + index * (q_bytes(block.steps) + sums_bytes(block.steps));
    block.sums = block.q + q_bytes(block.steps);
    for (char* line = block.q; line < block.sums + sums_bytes(block.steps); line += kLine)
      _mm512_store_si512(line, _mm512_setzero_si512());
    block.each = each;
    block.state.rows = 0;
    Weigh::start(block.state);
  }
  // Rows of q and of the result lie far apart.
  static void prefetch(const float* row, std::int64_t head_dim) noexcept {
    for (std::int64_t d = 0; d < head_dim; d += 16) __builtin_prefetch(row + d);
  }
  // A scale below zero is q's sign.
  static void add_query(const AttentionArgs& args, std::int64_t token, std::int64_t head, Block& block) noexcept {
    const std::int64_t row = block.state.rows++;
    const float* q = args.q + token * args.q_stride + head * args.head_dim;
    const __m512 sign = Vec::sign(Vec::all(args.scale));
    char* line = block.part_q(row / block.each) + row % block.each * kLine;
    for (std::int64_t d = 0; d < args.head_dim; d += kStep, line += block.each * kLine) {
      const std::int64_t left = args.head_dim - d;
      const __m512 first = Vec::flip(Vec::load_first(q + d, left), sign);
      const __m512 second = Vec::flip(Vec::load_first(q + d + 16, left - 16), sign);
      _mm512_store_si512(line, (__m512i)_mm512_cvtne2ps_pbh(second, first));
    }
    block.out[row] = args.out + token * args.out_stride + head * args.head_dim;
    const std::int64_t seen = args.position[token] + 1;
    Weigh::State& state = block.state;
    for (std::int64_t r = row; r < kRows; ++r) state.seen[r] = seen;  // rows that no query has are as the last
    state.first_seen = row == 0 ? seen : smaller(state.first_seen, seen);
    state.last_seen = row == 0 ? seen : larger(state.last_seen, seen);
    block.parts = row / block.each + 1;
  }

  // scores = q . k of one part, for `strips` strips.
  template <int strips>
  __attribute__((noinline)) static void score(const char* q, const char* keys, std::int64_t steps, std::int64_t each,
                                              char* scores, const Ahead* ahead) noexcept {
    asm volatile("" ::: "memory");
    const std::int64_t strip = steps * kTileBytes;
    _tile_zero(0);
    if constexpr (strips > 1) _tile_zero(1);
    if constexpr (strips > 2) _tile_zero(2);
    if constexpr (strips > 3) _tile_zero(3);
    for (std::int64_t step = 0; step < steps; ++step, q += each * kLine, keys += kTileBytes) {
      _tile_loadd(4, q, kLine);
      _tile_loadd(6, keys, kLine);
      _tile_dpbf16ps(0, 4, 6);
      if (ahead != nullptr) CacheTiles::fetch_second(*ahead, step * 16, 8);
      if constexpr (strips > 1) {
        _tile_loadd(7, keys + strip, kLine);
        _tile_dpbf16ps(1, 4, 7);
      }
      if (ahead != nullptr) CacheTiles::fetch_second(*ahead, step * 16 + 8, 8);
      if constexpr (strips > 2) {
        _tile_loadd(6, keys + 2 * strip, kLine);
        _tile_dpbf16ps(2, 4, 6);
      }
      if constexpr (strips > 3) {
        _tile_loadd(7, keys + 3 * strip, kLine);
        _tile_dpbf16ps(3, 4, 7);
      }
    }
    _tile_stored(0, scores, kLine);
    if constexpr (strips > 1) _tile_stored(1, scores + kTileBytes, kLine);
    if constexpr (strips > 2) _tile_stored(2, scores + 2 * kTileBytes, kLine);
    if constexpr (strips > 3) _tile_stored(3, scores + 3 * kTileBytes, kLine);
  }
  template <int strips = kStrips>
  static void score_part(const Block& block, std::int64_t part, std::int64_t needed, const char* keys, char* scores,
                         const Ahead* ahead) noexcept {
    if constexpr (strips > 1) {
      if (needed < strips) return score_part<strips - 1>(block, part, needed, keys, scores, ahead);
    }
    score<strips>(block.part_q(part), keys, block.steps, block.each, scores + part * block.each * kLine, ahead);
  }

  // sums += weights . v of one part, over 32 or 64 positions; 2 * steps tiles of sums.
  __attribute__((noinline)) static void add(const char* weights, const char* values, bool two, std::int64_t steps,
                                            std::int64_t each, char* sums, const Ahead* ahead) noexcept {
    asm volatile("" ::: "memory");
    const std::int64_t size = each * kLine, half = 2 * steps * kTileBytes;
    for (std::int64_t step = 0; step < steps; step += 2, sums += 4 * size, values += 4 * kTileBytes) {
      const bool four = step + 1 < steps;
      _tile_loadd(0, sums, kLine);
      _tile_loadd(1, sums + size, kLine);
      _tile_loadd(4, weights, kLine);
      if (two) _tile_loadd(5, weights + kTileBytes, kLine);
      _tile_loadd(6, values, kLine);
      _tile_dpbf16ps(0, 4, 6);
      if (ahead != nullptr) CacheTiles::fetch_second(*ahead, step * 16, 8);
      _tile_loadd(7, values + kTileBytes, kLine);
      _tile_dpbf16ps(1, 4, 7);
      if (ahead != nullptr) CacheTiles::fetch_second(*ahead, step * 16 + 8, 8);
      if (four) {
        _tile_loadd(2, sums + 2 * size, kLine);
        _tile_loadd(6, values + 2 * kTileBytes, kLine);
        _tile_dpbf16ps(2, 4, 6);
        if (ahead != nullptr) CacheTiles::fetch_second(*ahead, step * 16 + 16, 8);
        _tile_loadd(3, sums + 3 * size, kLine);
        _tile_loadd(7, values + 3 * kTileBytes, kLine);
        _tile_dpbf16ps(3, 4, 7);
        if (ahead != nullptr) CacheTiles::fetch_second(*ahead, step * 16 + 24, 8);
      }
      if (two) {
        _tile_loadd(6, values + half, kLine);
        _tile_dpbf16ps(0, 5, 6);
        _tile_loadd(7, values + half + kTileBytes, kLine);
        _tile_dpbf16ps(1, 5, 7);
        if (four) {
          _tile_loadd(6, values + half + 2 * kTileBytes, kLine);
          _tile_dpbf16ps(2, 5, 6);
          _tile_loadd(7, values + half + 3 * kTileBytes, kLine);
          _tile_dpbf16ps(3, 5, 7);
        }
      }
      _tile_stored(0, sums, kLine);
      _tile_stored(1, sums + size, kLine);
      if (four) {
        _tile_stored(2, sums + 2 * size, kLine);
        _tile_stored(3, sums + 3 * size, kLine);
      }
    }
  }
  static void weigh(Block& block, const AttentionArgs& args, const Memory& memory, std::int64_t begin,
                    int turn) noexcept {
    const float scale = (args.scale < 0 ? -args.scale : args.scale) * 1.44269504f;  // exp(x) = 2^(x / ln 2)
    alignas(kLine) float shrink[kRows];
    const auto run = block.state.first_seen < begin + kTile ? Weigh::run<true> : Weigh::run<false>;
    unsigned moved = run(block.state, memory.scores[turn], memory.weights[turn], begin, scale, memory.lines, shrink);
    if (begin == 0) return;  // the sums are zero
    for (moved &= (1u << block.state.rows) - 1u; moved != 0; moved &= moved - 1) {
      const int row = __builtin_ctz(moved);
      const __m512 by = Vec::all_of(shrink + row);
      char* line = block.row_sums(row);
      for (std::int64_t i = 0; i < 2 * block.steps; ++i, line += block.each * kLine)
        _mm512_store_ps(line, Vec::mul(_mm512_load_ps(line), by));
    }
  }

  // Positions [begin, begin + kTile) before `end` of K or V, turned; of V, whether all is finite.
  static void turn_keys(const Walk& walk, std::int64_t begin, std::int64_t end, char* to) noexcept {
    for (std::int64_t at = begin; at < begin + kTile && at < end;
         at += kStep, to += CacheTiles::bytes(walk.args.head_dim))
      CacheTiles::turn_keys(walk, at, end, to, CacheTiles::values_ahead(walk, at, end));
  }
  static bool turn_values(const Walk& walk, std::int64_t begin, std::int64_t end, char* to) noexcept {
    bool finite = true;
    for (std::int64_t at = begin; at < begin + kTile && at < end;
         at += kStep, to += CacheTiles::bytes(walk.args.head_dim)) {
      const std::int64_t next = at + kTile < end ? at + kTile : at;
      if (!CacheTiles::turn_values(walk, at, end, to, CacheTiles::keys_ahead(walk, next, end))) finite = false;
    }
    return finite;
  }

  // The values of a tile for a block of which some queries do not see all, when some values are not finite: each query
  // by itself.
  static void add_apart(const Block& block, const Walk& walk, std::int64_t begin, const Memory& memory,
                        int turn) noexcept {
    for (std::int64_t r = 0; r < block.state.rows; ++r) {
      const std::int64_t seen = block.state.seen[r];
      if (seen <= begin) continue;
      turn_values(walk, begin, seen, memory.near[2]);
      __builtin_memcpy(memory.spare, block.sums, static_cast<std::size_t>(sums_bytes(block.steps)));
      add(memory.weights[turn], memory.near[2], seen > begin + kStep, block.steps, kRows, memory.spare, nullptr);
      for (std::int64_t i = 0; i < 2 * block.steps; ++i) {
        const std::int64_t at = i * kTileBytes + r * kLine;
        _mm512_store_si512(block.sums + at, _mm512_load_si512(memory.spare + at));
      }
    }
  }

  static void finish(const AttentionArgs& args, const Block& block) noexcept {
    for (std::int64_t r = 0; r < block.state.rows; ++r) {
      const __m512 total = Vec::all_of(block.state.totals + r);
      const char* line = block.row_sums(r);
      for (std::int64_t d = 0; d < args.head_dim; d += kStep, line += 2 * block.each * kLine) {
        const std::int64_t left = args.head_dim - d;
        __m512 first = _mm512_load_ps(line), second = _mm512_load_ps(line + block.each * kLine);
        CacheTiles::in_order(first, second);
        // Whether a zero is negative may depend on values that weigh nothing.
        first = Vec::add(Vec::div(first, total), Vec::zero());
        second = Vec::add(Vec::div(second, total), Vec::zero());
        Vec::store_first(block.out[r] + d, first, left);
        if (left > 16) Vec::store_first(block.out[r] + d + 16, second, left - 16);
      }
    }
  }

  // Blocks of one part that read one cached head: every tile is turned once for all. While a block is weighed, tiles
  // score the next and add up the one before.
  static void attend_blocks(const Walk& walk, Block* blocks, std::int64_t count, const Memory& memory) noexcept {
    std::int64_t end = 0;
    for (std::int64_t b = 0; b < count; ++b) end = larger(end, blocks[b].state.last_seen);
    for (std::int64_t begin = 0; begin < end; begin += kTile) {
      turn_keys(walk, begin, end, memory.near[0]);
      const bool finite = turn_values(walk, begin, end, memory.near[1]);
      Block* seeing[kBlocks];
      std::int64_t there = 0;
      for (std::int64_t b = 0; b < count; ++b) {
        if (blocks[b].state.last_seen > begin) seeing[there++] = blocks + b;
      }
      for (std::int64_t b = 0; b < there + 2; ++b) {
        const int turn = b % 2;
        if (b >= 2) {
          const Block& block = *seeing[b - 2];
          if (finite || block.state.first_seen >= begin + kTile) {
            add(memory.weights[turn], memory.near[1], block.state.last_seen > begin + kStep, block.steps, kRows,
                block.sums, nullptr);
          } else {
            add_apart(block, walk, begin, memory, turn);
          }
        }
        if (b < there) {
          if (seeing[b]->state.last_seen <= begin + kTile) {
            for (std::int64_t r = 0; r < seeing[b]->state.rows; ++r) prefetch(seeing[b]->out[r], walk.args.head_dim);
          }
          const std::int64_t strips = (seeing[b]->state.last_seen - begin + kStrip - 1) / kStrip;
          score_part(*seeing[b], 0, strips, memory.near[0], memory.scores[turn], nullptr);
        }
        if (b >= 1 && b <= there) weigh(*seeing[b - 1], walk.args, memory, begin, 1 - turn);
      }
      for (std::int64_t b = 0; b < there; ++b) {
        if (seeing[b]->state.last_seen <= begin + kTile) finish(walk.args, *seeing[b]);
      }
    }
  }

  // A block of several cached heads of one token, from walk's on. They take turns at every 32 positions, since they lie
  // side by side in a block of the cache: K and V are read in pieces as long as can be. What one head has of them is
  // turned before the products with what the last one had.
  static void attend_parts(const Walk& walk, Block& block, const Memory& memory) noexcept {
    const std::int64_t end = block.state.last_seen, parts = block.parts, each = block.each * kLine;
    for (std::int64_t begin = 0; begin < end; begin += kTile) {
      const std::int64_t turns = (end - begin > kStep ? 2 : 1) * parts;
      const auto part = [&](std::int64_t turn) { return turn < parts ? turn : turn - parts; };
      const auto head = [&](std::int64_t turn) { return Walk{walk.args, walk.blocks, walk.kv_head + part(turn)}; };
      const auto at = [&](std::int64_t turn) { return turn < parts ? begin : begin + kStep; };
      Ahead ahead;
      for (std::int64_t turn = 0; turn <= turns; ++turn) {
        if (turn < turns) {
          ahead = turn + 1 < turns ? CacheTiles::keys_ahead(head(turn + 1), at(turn + 1), end)
                                   : CacheTiles::values_ahead(head(0), begin, end);
          CacheTiles::turn_keys(head(turn), at(turn), end, memory.near[turn % 2], ahead);
        }
        if (turn > 0) {
          const std::int64_t last = turn - 1, strips = end - at(last) > kStrip ? 2 : 1;
          score_part(block, part(last), strips, memory.near[last % 2],
                     memory.scores[0] + (at(last) - begin) / kStrip * kTileBytes, &ahead);
        }
      }
      weigh(block, walk.args, memory, begin, 0);
      const std::int64_t next = begin + kTile < end ? begin + kTile : begin;
      for (std::int64_t turn = 0; turn <= turns; ++turn) {
        if (turn < turns) {
          ahead = turn + 1 < turns ? CacheTiles::values_ahead(head(turn + 1), at(turn + 1), end)
                                   : CacheTiles::keys_ahead(head(0), next, end);
          CacheTiles::turn_values(head(turn), at(turn), end, memory.near[turn % 2], ahead);
        }
        if (turn > 0) {
          const std::int64_t last = turn - 1;
          add(memory.weights[0] + (at(last) - begin) / kStep * kTileBytes + part(last) * each, memory.near[last % 2],
              false, block.steps, block.each, block.part_sums(part(last)), &ahead);
        }
      }
    }
    finish(walk.args, block);
  }

  // One token: whole groups of heads, as many as a block holds; parts of a group where the call begins or ends in one.
  static void attend_token(const AttentionArgs& args, std::int64_t token, std::int64_t group,
                           const Memory& memory) noexcept {
    const std::int32_t* blocks = args.block_table + args.sequence[token] * args.max_blocks;
    Block block;
    for (std::int64_t head = args.head_begin; head < args.head_end;) {
      const std::int64_t kv_head = head / group;
      const std::int64_t each = smaller((kv_head + 1) * group, args.head_end) - head;
      std::int64_t count = each;
      if (each == group) {
        while (count + group <= kRows && head + count + group <= args.head_end) count += group;
      }
      const TileConfig config(each);
      start_block(args, memory, 0, each, block);
      for (std::int64_t i = 0; i < count; ++i) add_query(args, token, head + i, block);
      attend_parts({args, blocks, kv_head}, block, memory);
      head += count;
    }
  }

  // Tokens [begin, end) of one sequence.
  static void attend_tokens(const AttentionArgs& args, std::int64_t begin, std::int64_t end, std::int64_t group,
                            const Memory& memory) noexcept {
    const std::int32_t* table = args.block_table + args.sequence[begin] * args.max_blocks;
    const TileConfig config(kRows);
    Block blocks[kBlocks];
    for (std::int64_t kv_head = args.head_begin / group; kv_head * group < args.head_end; ++kv_head) {
      const std::int64_t first = larger(kv_head * group, args.head_begin);
      const std::int64_t last = smaller((kv_head + 1) * group, args.head_end);
      std::int64_t count = 0;
      for (std::int64_t token = begin; token < end; ++token) {
        if (token + kRows < end)
          prefetch(args.q + (token + kRows) * args.q_stride + first * args.head_dim, (last - first) * args.head_dim);
        for (std::int64_t head = first; head < last; ++head) {
          if (count == 0 || blocks[count - 1].state.rows == kRows) {
            if (count == kBlocks) {
              attend_blocks({args, table, kv_head}, blocks, count, memory);
              count = 0;
            }
            start_block(args, memory, count, kRows, blocks[count]);
            ++count;
          }
          add_query(args, token, head, blocks[count - 1]);
        }
      }
      attend_blocks({args, table, kv_head}, blocks, count, memory);
    }
  }

  static void run(const AttentionArgs& args) noexcept {
    const Memory memory(args);
    const std::int64_t group = args.heads / args.kv_heads;
    for (std::int64_t begin = args.token_begin; begin < args.token_end;) {
      std::int64_t end = begin + 1;
      while (end < args.token_end && args.sequence[end] == args.sequence[begin]) ++end;
      if (end - begin == 1 && group <= kRows) {
        attend_token(args, begin, group, memory);
      } else {
        attend_tokens(args, begin, end, group, memory);
      }
      begin = end;
    }
  }
};

}  // namespace
}  // namespace ganglion::kernels
