#include <algorithm>
#include <numeric>

#include "kernels/plain.h"

namespace ganglion::kernels {
namespace {

using plain::kCacheStorages;
using plain::kNan;

struct Shape {
  std::int64_t heads, kv_heads, head_dim, block_size;
};

constexpr Shape kShapes[] = {{4, 4, 64, 16}, {4, 2, 80, 16},  {8, 2, 32, 32},  {2, 1, 128, 16}, {6, 2, 20, 32},
                             {3, 3, 17, 48}, {1, 1, 256, 16}, {32, 2, 48, 16}, {20, 1, 48, 32}, {40, 20, 8, 64}};

// Sequences of given lengths in shuffled blocks of a cache whose unused places are NaN, and one query per position.
struct Scene {
  static constexpr float kCanary = 12345.0f;

  // Keys of position p are 1 + p * growth as large.
  Scene(const Table& table, Storage storage, const Shape& shape, std::vector<int> lengths, float growth = 0.0f)
      : table(table), storage(storage), shape(shape), lengths(std::move(lengths)) {
    const auto [heads, kv_heads, dim, size] = shape;
    std::int64_t blocks = 0;
    for (const int length : this->lengths) {
      max_blocks = std::max<std::int64_t>(max_blocks, (length + size - 1) / size);
      blocks += (length + size - 1) / size;
    }
    std::vector<std::int32_t> free(static_cast<std::size_t>(blocks));
    std::iota(free.begin(), free.end(), 0);
    std::shuffle(free.begin(), free.end(), std::mt19937(5));
    block_table.assign(this->lengths.size() * max_blocks, -1000000);  // an unused entry must not be followed

    const auto cached = static_cast<std::size_t>(blocks * kv_heads * dim * size);
    std::vector<float> k_values(cached, kNan), v_values(cached, kNan);
    const bool scaled = storage == Storage::kS8;
    k_scale.assign(static_cast<std::size_t>(blocks * kv_heads * size), kNan);
    v_scale = k_scale;
    std::vector<std::uint8_t> k_numbers(scaled ? cached : 0, 77), v_numbers = k_numbers;
    unsigned seed = 10;
    for (std::size_t s = 0; s < this->lengths.size(); ++s) {
      for (int p = 0; p < this->lengths[s]; ++p) {
        std::int32_t& block = block_table[s * max_blocks + p / size];
        if (p % size == 0) {
          block = free.back();
          free.pop_back();
        }
        std::vector<float> row = plain::normal(static_cast<std::size_t>(2 * kv_heads * dim), seed++);
        for (std::int64_t i = 0; i < kv_heads * dim; ++i) row[i] *= 1 + static_cast<float>(p) * growth;
        for (std::int64_t h = 0; h < kv_heads; ++h) {
          const plain::WholeRow key = plain::whole(&row[h * dim], dim);
          const plain::WholeRow value = plain::whole(&row[(kv_heads + h) * dim], dim);
          k_scale[(block * kv_heads + h) * size + p % size] = key.scale;
          v_scale[(block * kv_heads + h) * size + p % size] = value.scale;
          for (std::int64_t d = 0; d < dim; ++d) {
            const std::int64_t place = (block * kv_heads + h) * dim * size;
            const std::int64_t k_at = place + d * size + p % size, v_at = place + p % size * dim + d;
            k_values[k_at] = scaled ? key.numbers[d] * key.scale : row[h * dim + d];
            v_values[v_at] = scaled ? value.numbers[d] * value.scale : row[(kv_heads + h) * dim + d];
            if (scaled) k_numbers[k_at] = static_cast<std::uint8_t>(key.numbers[d]);
            if (scaled) v_numbers[v_at] = static_cast<std::uint8_t>(value.numbers[d]);
          }
        }
        sequence.push_back(static_cast<std::int32_t>(s));
        position.push_back(p);
      }
    }
    k = scaled ? plain::Stored{k_numbers, k_values} : plain::store(storage, k_values);
    v = scaled ? plain::Stored{v_numbers, v_values} : plain::store(storage, v_values);
    q = plain::normal(sequence.size() * stride(), 9);
  }

  std::int64_t stride() const { return shape.heads * shape.head_dim + 3; }
  std::int64_t tokens() const { return static_cast<std::int64_t>(sequence.size()); }

  // Attention of the tokens of `order` (indices into the scene's), in that order, in calls of at most `chunk` tokens.
  // Row i of the result belongs to token order[i].
  std::vector<float> run(const std::vector<std::int64_t>& order, std::int64_t chunk, std::int64_t heads_a_call) const {
    std::vector<float> queries(order.size() * stride()), out(order.size() * stride(), kCanary);
    std::vector<std::int32_t> sequences, positions;
    for (std::size_t i = 0; i < order.size(); ++i) {
      std::copy_n(q.begin() + order[i] * stride(), stride(), queries.begin() + i * stride());
      sequences.push_back(sequence[order[i]]);
      positions.push_back(position[order[i]]);
    }
    const std::int64_t floats = table.attention_scratch(shape.head_dim, shape.block_size);
    std::vector<float> scratch(static_cast<std::size_t>(floats) + 8, kCanary);
    for (std::int64_t begin = 0; begin < static_cast<std::int64_t>(order.size()); begin += chunk) {
      for (std::int64_t head = 0; head < shape.heads; head += heads_a_call) {
        table.attention[static_cast<int>(storage)](
            {.q = queries.data(),
             .out = out.data(),
             .k_cache = k.data(),
             .v_cache = v.data(),
             .k_scale = k_scale.data(),
             .v_scale = v_scale.data(),
             .block_table = block_table.data(),
             .sequence = sequences.data(),
             .position = positions.data(),
             .scratch = scratch.data(),
             .token_begin = begin,
             .token_end = std::min(begin + chunk, static_cast<std::int64_t>(order.size())),
             .head_begin = head,
             .head_end = std::min(head + heads_a_call, shape.heads),
             .heads = shape.heads,
             .kv_heads = shape.kv_heads,
             .head_dim = shape.head_dim,
             .block_size = shape.block_size,
             .max_blocks = max_blocks,
             .q_stride = stride(),
             .out_stride = stride(),
             .scale = scale});
      }
    }
    for (std::size_t i = static_cast<std::size_t>(floats); i < scratch.size(); ++i) EXPECT_EQ(scratch[i], kCanary);
    return out;
  }
  std::vector<std::int64_t> in_order() const {
    std::vector<std::int64_t> order(sequence.size());
    std::iota(order.begin(), order.end(), 0);
    return order;
  }

  // Stores a number as one element of a cache of floats.
  void put(plain::Stored* cache, std::int64_t place, float value) const {
    const plain::Stored one = plain::store(storage, {value});
    std::copy(one.bytes.begin(), one.bytes.end(), cache->bytes.begin() + place * storage_size(storage));
    cache->values[place] = value;
  }
  // Of a cached head at a position of the first sequence.
  std::int64_t place(std::int64_t kv_head, std::int64_t p) const {
    return (block_table[p / shape.block_size] * shape.kv_heads + kv_head) * shape.head_dim * shape.block_size;
  }
  std::int64_t value_at(std::int64_t kv_head, std::int64_t p, std::int64_t d) const {
    return place(kv_head, p) + p % shape.block_size * shape.head_dim + d;
  }
  std::int64_t key_at(std::int64_t kv_head, std::int64_t p, std::int64_t d) const {
    return place(kv_head, p) + d * shape.block_size + p % shape.block_size;
  }

  bool rounds() const { return table.attention_bits[static_cast<int>(storage)] == 8; }
  float multiplied(float value) const { return rounds() ? plain::from_bf16(plain::to_bf16(value)) : value; }

  // `tolerance`: a score of |q . k| up to about 60 in head_dim steps is off by some 256 * 2^-24 * 60 * 0.3 = 3e-4 at
  // the very worst and 1e-5 in practice; weights are off by as much, relatively, and the result is their mean. Weights
  // in bf16 are off by 2^-8 of themselves each, which moves a mean of x by 2^-8 of the mean of |x - mean| at most.
  double exact(std::int64_t token, std::int64_t head, std::int64_t d, double* tolerance) const {
    const std::int64_t h = head / (shape.heads / shape.kv_heads);
    double total = 0.0, sum = 0.0, magnitudes = 0.0, largest = 0.0, top = 0.0;
    std::vector<double> scores;
    for (std::int64_t p = 0; p <= position[token]; ++p) {
      const std::int64_t block = block_table[sequence[token] * max_blocks + p / shape.block_size];
      const std::int64_t place = (block * shape.kv_heads + h) * shape.head_dim * shape.block_size;
      double score = 0.0;
      for (std::int64_t i = 0; i < shape.head_dim; ++i) {
        score += double{multiplied(q[token * stride() + head * shape.head_dim + i])} *
                 k.values[place + i * shape.block_size + p % shape.block_size];
      }
      scores.push_back(double{scale} * score);
      top = p == 0 ? scores[0] : std::max(top, scores.back());
    }
    for (std::int64_t p = 0; p <= position[token]; ++p) {
      const std::int64_t block = block_table[sequence[token] * max_blocks + p / shape.block_size];
      const std::int64_t place = (block * shape.kv_heads + h) * shape.head_dim * shape.block_size;
      const double weight = std::exp(scores[p] - top);
      const double value = v.values[place + p % shape.block_size * shape.head_dim + d];
      total += weight;
      sum += weight * value;
      magnitudes += weight * std::fabs(value);
      largest = std::max(largest, std::fabs(value));
    }
    *tolerance = 2e-5 * (1 + largest) * std::max(1.0, std::fabs(top) / 20);
    if (rounds()) *tolerance += 0x1p-8 * (magnitudes + std::fabs(sum)) / total;
    return sum / total;
  }

  const Table& table;
  Storage storage;
  Shape shape;
  std::vector<int> lengths;
  std::int64_t max_blocks = 0;
  std::vector<std::int32_t> block_table, sequence, position;
  plain::Stored k, v;
  std::vector<float> q, k_scale, v_scale;
  float scale = 0.3f;
};

using Attention = plain::EveryTable;

TEST_P(Attention, AgreesWithDoublePrecision) {
  for (const Storage storage : kCacheStorages) {
    for (const Shape& shape : kShapes) {
      const Scene scene(table(), storage, shape, {1, 70, 33});
      const std::vector<float> out = scene.run(scene.in_order(), scene.tokens(), shape.heads);
      for (std::int64_t token = 0; token < scene.tokens(); token += token < 72 ? 1 : 7) {
        for (std::int64_t head = 0; head < shape.heads; ++head) {
          for (std::int64_t d = 0; d < shape.head_dim; d += 5) {
            double tolerance = 0.0;
            const double exact = scene.exact(token, head, d, &tolerance);
            ASSERT_NEAR(out[token * scene.stride() + head * shape.head_dim + d], exact, tolerance)
                << "storage " << static_cast<int>(storage) << " dim " << shape.head_dim << " token " << token;
          }
        }
        for (std::int64_t i = shape.heads * shape.head_dim; i < scene.stride(); ++i) {
          ASSERT_EQ(out[token * scene.stride() + i], Scene::kCanary) << "wrote after a row";
        }
      }
    }
  }
}

TEST_P(Attention, AgreesWhereWeightsAreFarApart) {
  for (const Shape& shape : kShapes) {
    Scene scene(table(), Storage::kF32, shape, {150});
    for (float& value : scene.q) value *= 8.0f;
    const std::vector<float> out = scene.run(scene.in_order(), scene.tokens(), shape.heads);
    for (std::int64_t token = 0; token < scene.tokens(); token += 7) {
      for (std::int64_t head = 0; head < shape.heads; ++head) {
        for (std::int64_t d = 0; d < shape.head_dim; d += 5) {
          double largest = 0.0;
          const double exact = scene.exact(token, head, d, &largest);
          // As above, scores being eight times as large: weights reach down to e^-200 and less.
          ASSERT_NEAR(out[token * scene.stride() + head * shape.head_dim + d], exact, 16e-5 * (1 + largest))
              << "dim " << shape.head_dim << " token " << token;
        }
      }
    }
  }
}

TEST_P(Attention, GivesTheSameBitsForEveryChunkingOfThePrompt) {
  for (const Storage storage : kCacheStorages) {
    for (const Shape& shape : kShapes) {
      const Scene scene(table(), storage, shape, {150});
      const std::vector<float> alone = scene.run(scene.in_order(), 1, shape.heads);
      for (const std::int64_t chunk : {2, 3, 5, 8, 16, 31, 64, 150}) {
        const std::vector<float> out = scene.run(scene.in_order(), chunk, shape.heads);
        ASSERT_TRUE(plain::same_bits(out.data(), alone.data(), out.size()))
            << "storage " << static_cast<int>(storage) << " dim " << shape.head_dim << " chunk " << chunk;
      }
    }
  }
}

TEST_P(Attention, GivesTheSameBitsInEveryBatchAndOrder) {
  for (const Storage storage : kCacheStorages) {
    for (const Shape& shape : kShapes) {
      const Scene scene(table(), storage, shape, {3, 90, 1, 40, 17});
      const std::vector<float> alone = scene.run(scene.in_order(), 1, shape.heads);
      std::mt19937 random(3);
      for (int round = 0; round < 4; ++round) {
        std::vector<std::int64_t> order = scene.in_order();
        if (round > 0) std::shuffle(order.begin(), order.end(), random);
        if (round == 3) order.resize(order.size() / 2);
        const std::vector<float> out = scene.run(order, 64, shape.heads);
        for (std::size_t i = 0; i < order.size(); ++i) {
          ASSERT_TRUE(plain::same_bits(out.data() + i * scene.stride(), alone.data() + order[i] * scene.stride(),
                                       static_cast<std::size_t>(scene.stride())))
              << "dim " << shape.head_dim << " round " << round << " token " << order[i];
        }
      }
    }
  }
}

TEST_P(Attention, GivesTheSameBitsForEverySplitOfTheHeads) {
  for (const Storage storage : {Storage::kF16, Storage::kBF16}) {
    for (const Shape& shape : kShapes) {
      const Scene scene(table(), storage, shape, {50, 1, 20, 1});
      const std::vector<float> whole = scene.run(scene.in_order(), scene.tokens(), shape.heads);
      for (std::int64_t heads = 1; heads < shape.heads; ++heads) {
        const std::vector<float> out = scene.run(scene.in_order(), scene.tokens(), heads);
        ASSERT_TRUE(plain::same_bits(out.data(), whole.data(), out.size())) << heads << " heads a call";
      }
    }
  }
}

TEST_P(Attention, FollowsScoresThatGrowAlongThePrompt) {
  for (const Storage storage : {Storage::kF32, Storage::kBF16}) {
    for (const Shape& shape : kShapes) {
      const Scene scene(table(), storage, shape, {330}, 0.02f);
      const std::vector<float> out = scene.run(scene.in_order(), scene.tokens(), shape.heads);
      for (std::int64_t token = 0; token < scene.tokens(); token += 13) {
        for (std::int64_t i = 0; i < shape.heads * shape.head_dim; i += 7) {
          double tolerance = 0.0;
          const double exact = scene.exact(token, i / shape.head_dim, i % shape.head_dim, &tolerance);
          ASSERT_NEAR(out[token * scene.stride() + i], exact, tolerance) << "dim " << shape.head_dim << " " << token;
        }
      }
      for (const std::int64_t chunk : {1, 9, 100}) {
        const std::vector<float> other = scene.run(scene.in_order(), chunk, shape.heads);
        ASSERT_TRUE(plain::same_bits(out.data(), other.data(), out.size())) << "dim " << shape.head_dim;
      }
    }
  }
}

TEST_P(Attention, NeverMultipliesWhatComesAfterAToken) {
  for (const Storage storage : plain::kStorages) {
    for (const Shape& shape : kShapes) {
      Scene scene(table(), storage, shape, {150});
      const std::vector<float> clean = scene.run(scene.in_order(), 1, shape.heads);
      // What is not finite in the values, then in the keys as well, of positions that the tokens before do not see.
      for (const std::int64_t kv_head : {std::int64_t{0}, shape.kv_heads - 1}) {
        scene.put(&scene.v, scene.value_at(kv_head, 37, shape.head_dim - 1), kNan);
        scene.put(&scene.v, scene.value_at(kv_head, 100, 0), -plain::kInfinity);
        scene.put(&scene.k, scene.key_at(kv_head, 130, 1), kNan);
      }
      const std::vector<float> alone = scene.run(scene.in_order(), 1, shape.heads);
      const std::int64_t group = shape.heads / shape.kv_heads;
      for (std::int64_t token = 0; token < scene.tokens(); ++token) {
        for (std::int64_t i = 0; i < shape.heads * shape.head_dim; ++i) {
          const std::int64_t kv_head = i / shape.head_dim / group, d = i % shape.head_dim;
          const bool here = kv_head == 0 || kv_head + 1 == shape.kv_heads;
          const float is = alone[token * scene.stride() + i], was = clean[token * scene.stride() + i];
          if (here && (token >= 130 || (token >= 37 && d == shape.head_dim - 1))) {
            ASSERT_TRUE(std::isnan(is)) << "what a token sees must show, token " << token << " d " << d;
          } else if (here && token >= 100 && d == 0) {
            ASSERT_FALSE(std::isfinite(is)) << "what a token sees must show, token " << token;
          } else {
            ASSERT_EQ(is, was) << "dim " << shape.head_dim << " token " << token << " d " << d;
          }
        }
      }
      for (const std::int64_t chunk : {2, 20, 64, 150}) {
        const std::vector<float> out = scene.run(scene.in_order(), chunk, shape.heads);
        for (std::size_t i = 0; i < out.size(); ++i) {
          if (std::isnan(alone[i])) {
            ASSERT_TRUE(std::isnan(out[i])) << "chunk " << chunk;
          } else {
            ASSERT_TRUE(plain::same_bits(&out[i], &alone[i], 1)) << "chunk " << chunk << " dim " << shape.head_dim;
          }
        }
      }
    }
  }
}

TEST_P(Attention, TakesANegativeScaleAsTheSignOfTheQuery) {
  for (const Storage storage : kCacheStorages) {
    Scene scene(table(), storage, kShapes[0], {70});
    const std::vector<float> out = scene.run(scene.in_order(), scene.tokens(), kShapes[0].heads);
    scene.scale = -scene.scale;
    for (float& x : scene.q) x = -x;
    const std::vector<float> other = scene.run(scene.in_order(), scene.tokens(), kShapes[0].heads);
    ASSERT_TRUE(plain::same_bits(out.data(), other.data(), out.size())) << "storage " << static_cast<int>(storage);
  }
}

TEST_P(Attention, KeepsNanInItsOwnRow) {
  for (const Storage storage : plain::kStorages) {
    for (const Shape& shape : kShapes) {
      Scene scene(table(), storage, shape, {40});
      const std::vector<float> clean = scene.run(scene.in_order(), 40, shape.heads);
      scene.q[21 * scene.stride() + 1] = kNan;
      const std::vector<float> dirty = scene.run(scene.in_order(), 40, shape.heads);
      for (std::int64_t token = 0; token < 40; ++token) {
        for (std::int64_t i = 0; i < shape.heads * shape.head_dim; ++i) {
          const std::int64_t at = token * scene.stride() + i;
          if (token == 21 && i < shape.head_dim) {
            ASSERT_TRUE(std::isnan(dirty[at])) << "a NaN query must show";
          } else {
            ASSERT_EQ(dirty[at], clean[at]) << token;
          }
        }
      }
    }
  }
}

GANGLION_FOR_EVERY_TABLE(Attention);

using KvWrite = plain::EveryTable;

TEST_P(KvWrite, StoresEachRowInItsSlotAndTouchesNothingElse) {
  for (const Storage storage : plain::kStorages) {
    for (const Shape& shape : kShapes) {
      for (const bool transposed : {false, true}) {
        const std::int64_t stride = shape.kv_heads * shape.head_dim + 2;
        const std::int64_t size = shape.block_size;
        // Runs of neighbouring slots, a run over a block's edge, lone slots, and two tokens that store nothing.
        std::vector<std::int32_t> slots;
        for (std::int64_t i = 0; i < size + 5; ++i) slots.push_back(static_cast<std::int32_t>(size + 3 + i));
        slots.insert(slots.end(), {-1, 0, static_cast<std::int32_t>(4 * size - 1), -1, 2});
        const auto tokens = static_cast<std::int64_t>(slots.size());
        const plain::Stored rows = plain::store(storage, plain::normal(static_cast<std::size_t>(tokens * stride), 8));
        const std::vector<float> given = plain::normal(static_cast<std::size_t>(tokens * stride), 8);
        const std::size_t element = storage_size(storage);
        std::vector<std::uint8_t> cache(4 * shape.kv_heads * shape.head_dim * size * element, 0xee), wanted = cache;
        for (std::int64_t token = 1; token < tokens; ++token) {
          if (slots[token] < 0) continue;
          for (std::int64_t i = 0; i < shape.kv_heads * shape.head_dim; ++i) {
            const std::int64_t block = slots[token] / size, offset = slots[token] % size;
            const std::int64_t head = i / shape.head_dim, d = i % shape.head_dim;
            const std::int64_t place = (block * shape.kv_heads + head) * shape.head_dim * size +
                                       (transposed ? d * size + offset : offset * shape.head_dim + d);
            std::memcpy(wanted.data() + place * element, rows.bytes.data() + (token * stride + i) * element, element);
          }
        }
        table().kv_write[static_cast<int>(storage)]({.rows = given.data(),
                                                     .cache = cache.data(),
                                                     .slot = slots.data(),
                                                     .token_begin = 1,
                                                     .token_end = tokens,
                                                     .kv_heads = shape.kv_heads,
                                                     .head_dim = shape.head_dim,
                                                     .block_size = size,
                                                     .row_stride = stride,
                                                     .transposed = transposed});
        ASSERT_EQ(cache, wanted) << "storage " << static_cast<int>(storage) << " dim " << shape.head_dim;
      }
    }
  }
}

TEST_P(KvWrite, StoresWholeNumbersAndTheScaleOfEveryHeadOfARow) {
  for (const Shape& shape : kShapes) {
    const std::int64_t stride = shape.kv_heads * shape.head_dim + 2, size = shape.block_size;
    std::vector<std::int32_t> slots;
    for (std::int64_t i = 0; i < size + 5; ++i) slots.push_back(static_cast<std::int32_t>(size + 3 + i));
    slots.insert(slots.end(), {-1, 0, static_cast<std::int32_t>(4 * size - 1), -1, 2});
    const auto tokens = static_cast<std::int64_t>(slots.size());
    std::vector<float> rows = plain::normal(static_cast<std::size_t>(tokens * stride), 8);
    std::fill_n(rows.begin() + 4 * stride, shape.head_dim, 0.0f);
    rows[5 * stride] = kNan;
    rows[6 * stride + shape.head_dim - 1] = plain::kInfinity;
    for (const bool transposed : {false, true}) {
      std::vector<std::int8_t> cache(4 * shape.kv_heads * shape.head_dim * size, 77), wanted = cache;
      std::vector<float> scales(4 * shape.kv_heads * size, 77.0f), wanted_scales = scales;
      for (std::int64_t token = 1; token < tokens; ++token) {
        if (slots[token] < 0) continue;
        for (std::int64_t h = 0; h < shape.kv_heads; ++h) {
          const std::int64_t offset = slots[token] % size, block = slots[token] / size * shape.kv_heads + h;
          const plain::WholeRow row = plain::whole(&rows[token * stride + h * shape.head_dim], shape.head_dim);
          wanted_scales[block * size + offset] = row.scale;
          for (std::int64_t d = 0; d < shape.head_dim; ++d) {
            wanted[block * shape.head_dim * size + (transposed ? d * size + offset : offset * shape.head_dim + d)] =
                row.numbers[d];
          }
        }
      }
      KvWriteArgs args{.rows = rows.data(),
                       .cache = cache.data(),
                       .slot = slots.data(),
                       .token_begin = 1,
                       .token_end = tokens,
                       .kv_heads = shape.kv_heads,
                       .head_dim = shape.head_dim,
                       .block_size = size,
                       .row_stride = stride,
                       .transposed = transposed};
      table().kv_write[static_cast<int>(Storage::kS8)](args);
      args.cache = scales.data();
      table().kv_scale(args);
      for (std::int64_t token : {5, 6}) {  // what is not finite shows in the scale, whatever the numbers are
        const std::int64_t offset = slots[token] % size, block = slots[token] / size * shape.kv_heads;
        ASSERT_TRUE(std::isnan(scales[block * size + offset]));
        scales[block * size + offset] = wanted_scales[block * size + offset];
        for (std::int64_t d = 0; d < shape.head_dim; ++d) {
          const std::int64_t at =
              block * shape.head_dim * size + (transposed ? d * size + offset : offset * shape.head_dim + d);
          cache[at] = wanted[at];
        }
      }
      ASSERT_EQ(cache, wanted) << "dim " << shape.head_dim;
      ASSERT_TRUE(plain::same_bits(scales.data(), wanted_scales.data(), scales.size())) << "dim " << shape.head_dim;
    }
  }
}

GANGLION_FOR_EVERY_TABLE(KvWrite);

}  // namespace
}  // namespace ganglion::kernels
