#include <algorithm>
#include <array>

#include "kernels/plain.h"

namespace ganglion::kernels {
namespace {

using plain::kInfinity;
using plain::kNan;
using plain::kStorages;
using plain::kWeightStorages;

std::int64_t group_of(Storage storage, std::int64_t k) {
  if (storage != Storage::kS4) return 0;
  return k % 32 == 0 ? 32 : k % 10 == 0 ? 10 : k == 0 ? 1 : k;
}

// A weight packed for one table, its inputs, and room for outputs with canaries around every row.
struct Problem {
  static constexpr float kCanary = 12345.0f;
  static constexpr std::int64_t kMargin = 5;  // floats after each row of x and out, and in front of the first of out

  Problem(const Table& table, Storage storage, std::int64_t rows, std::int64_t k, std::int64_t n,
          float deviation = 1.0f, std::int64_t group_wanted = 0)
      : table(table),
        storage(storage),
        rows(rows),
        k(k),
        n(n),
        x_stride(k + kMargin),
        out_stride(n + kMargin),
        group(group_wanted != 0 ? group_wanted : group_of(storage, k)),
        weight(plain::matrix(storage, n, k, group)),
        x(plain::normal(static_cast<std::size_t>(rows * x_stride), 2, deviation)),
        bias(plain::normal(static_cast<std::size_t>(n), 3)),
        residual(plain::normal(static_cast<std::size_t>(rows * out_stride), 4)),
        panels(table.packed_bytes(storage, n, k) / 64 + 2),
        scales(weight.scale_bytes) {
    table.pack(storage, weight.data(), storage, packed(), 0, n, n, k);
    if (storage == Storage::kS4) {
      scales.resize(static_cast<std::size_t>(table.packed_scale_bytes(n, k / group)));
      table.pack_scales(Storage::kBF16, weight.scale_bytes.data(), scales.data(), 0, n, n, k / group);
    }
  }

  void* packed() {
    auto at = reinterpret_cast<std::uintptr_t>(panels.data());
    return reinterpret_cast<void*>((at + 63) / 64 * 64);
  }
  std::vector<float> fresh_out() const {
    return std::vector<float>(static_cast<std::size_t>(kMargin + rows * out_stride), kCanary);
  }
  MatmulArgs args(std::vector<float>& out) {
    scratch.resize(static_cast<std::size_t>(table.matmul_scratch(storage, rows, k)) / 64 + 1);
    return {.x = x.data(),
            .panels = packed(),
            .scales = scales.empty() ? nullptr : scales.data(),
            .bias = nullptr,
            .residual = nullptr,
            .out = out.data() + kMargin,
            .rows = rows,
            .k = k,
            .n = n,
            .n_begin = 0,
            .n_end = n,
            .x_stride = x_stride,
            .out_stride = out_stride,
            .group = group,
            .scratch = scratch.data(),
            .activation = Activation::kNone};
  }
  void run(MatmulArgs args) {
    if (const std::int64_t bytes = table.prepared_bytes(storage, args.rows, args.k, args.group); bytes > 0) {
      prepared.assign(static_cast<std::size_t>(bytes) / 64 + 1, Line{});
      args.prepared = prepared.data();
      // In two calls, as two threads would.
      const std::int64_t half = args.rows / 2 / kPreparedTogether * kPreparedTogether;
      for (const auto& [begin, end] : {std::array{half, args.rows}, {std::int64_t{0}, half}}) {
        table.prepare_rows(storage, {.x = args.x,
                                     .out = prepared.data(),
                                     .rows = args.rows,
                                     .k = args.k,
                                     .x_stride = args.x_stride,
                                     .group = args.group,
                                     .row_begin = begin,
                                     .row_end = end});
      }
    }
    table.matmul[static_cast<int>(storage)](args);
  }
  std::vector<float> result() {
    std::vector<float> out = fresh_out();
    run(args(out));
    return out;
  }
  int product_bits() const { return table.product_bits[static_cast<int>(storage)]; }
  float multiplied(float value) const { return product_bits() == 8 ? plain::from_bf16(plain::to_bf16(value)) : value; }
  // The sum in double precision, and what a kernel's may be off by.
  double exact(std::int64_t row, std::int64_t column, double* tolerance) const {
    double sum = 0.0, magnitude = 0.0, weights = 0.0, most = 0.0;
    for (std::int64_t i = 0; i < k; ++i) {
      const double value = multiplied(x[row * x_stride + i]), number = weight.values[column * k + i];
      sum += value * number;
      magnitude += std::fabs(value * number);
      weights += std::fabs(number);
      most = std::max(most, std::fabs(value));
    }
    // A chain is off by at most (k + 1) * 2^-24 of the sum of magnitudes (two roundings a step in scalar, one
    // elsewhere; the products' roundings are the + 1); the scale of s8 rounds once more. Sums by halves round three
    // times.
    const double chain = static_cast<double>(product_bits() < 24 ? 4 * k + 6 : k + 2) * 0x1p-24;
    *tolerance = (product_bits() == 16 ? chain + 0x1p-15 : chain) * magnitude + 1e-30;
    if (product_bits() == kWholeProductBits) *tolerance += weights * most * (0.5 / (127 * 128) + 0x1p-23);
    return sum;
  }
  // All rows in one call, with the bias, against each in its own.
  void expect_the_same_alone(Activation activation) {
    std::vector<float> all = fresh_out(), alone = fresh_out();
    MatmulArgs call = args(all);
    call.bias = bias.data();
    call.activation = activation;
    run(call);
    call.out = alone.data() + kMargin;
    call.rows = 1;
    for (std::int64_t row = 0; row < rows; ++row, call.x += x_stride, call.out += out_stride) run(call);
    ASSERT_TRUE(plain::same_bits(all.data(), alone.data(), all.size())) << "storage " << static_cast<int>(storage);
  }
  void expect_canaries(const std::vector<float>& out) const {
    for (std::int64_t i = 0; i < kMargin; ++i) ASSERT_EQ(out[i], kCanary) << "before the first row";
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t i = n; i < out_stride; ++i) {
        ASSERT_EQ(out[kMargin + row * out_stride + i], kCanary) << "after row " << row;
      }
    }
  }

  const Table& table;
  Storage storage;
  std::int64_t rows, k, n, x_stride, out_stride, group;
  plain::Matrix weight;
  std::vector<float> x, bias, residual;
  struct alignas(64) Line {
    std::uint8_t bytes[64];
  };
  std::vector<Line> panels, scratch, prepared;
  std::vector<std::uint8_t> scales;  // as the kernel wants them
};

using Matmul = plain::EveryTable;

TEST_P(Matmul, AgreesWithDoublePrecision) {
  for (const Storage storage : kWeightStorages) {
    for (const auto& [rows, k, n] : {std::array<std::int64_t, 3>{1, 1, 1},
                                     {1, 7, 5},
                                     {1, 64, 160},
                                     {1, 300, 257},
                                     {2, 129, 100},
                                     {3, 33, 48},
                                     {5, 65, 17},
                                     {7, 511, 33},
                                     {13, 513, 130},
                                     {16, 2000, 31},
                                     {33, 300, 65},
                                     {130, 270, 300},
                                     {14, 256, 64},
                                     {250, 40, 20}}) {
      Problem problem(table(), storage, rows, k, n);
      const std::vector<float> out = problem.result();
      problem.expect_canaries(out);
      for (std::int64_t row = 0; row < rows; ++row) {
        for (std::int64_t column = 0; column < n; ++column) {
          double tolerance = 0.0;
          const double exact = problem.exact(row, column, &tolerance);
          ASSERT_NEAR(out[Problem::kMargin + row * problem.out_stride + column], exact, tolerance)
              << "storage " << static_cast<int>(storage) << " [" << rows << ", " << k << "] x " << n << " at " << row
              << ", " << column;
        }
      }
    }
  }
}

TEST_P(Matmul, OfFourBitsAgreesWithDoublePrecisionInGroupsOfAnySize) {
  for (const auto& [group, k] : {std::array<std::int64_t, 2>{32, 32},
                                 {32, 1120},
                                 {64, 64},
                                 {64, 704},
                                 {96, 192},
                                 {128, 640},
                                 {256, 768},
                                 {20, 60},
                                 {1024, 1024}}) {
    for (const std::int64_t rows : {3, 6, 16, 21, 50}) {
      Problem problem(table(), Storage::kS4, rows, k, 70, 1.0f, group);
      const std::vector<float> out = problem.result();
      problem.expect_canaries(out);
      for (std::int64_t row = 0; row < rows; ++row) {
        for (std::int64_t column = 0; column < problem.n; ++column) {
          double tolerance = 0.0;
          const double exact = problem.exact(row, column, &tolerance);
          ASSERT_NEAR(out[Problem::kMargin + row * problem.out_stride + column], exact, tolerance)
              << "groups of " << group << ", k " << k << ", " << rows << " rows, at " << row << ", " << column;
        }
      }
    }
  }
}

// Tables with the same packing have one definition of these products: what a request says does not depend on whether
// the CPU has tiles.
TEST(MatmulOfWholeNumbers, GivesTheSameBitsOnTilesAndOnVectors) {
  std::vector<const Table*> tables;
  for (const Table* table : plain::runnable_tables()) {
    if (table->packing.ends_with("by fours")) tables.push_back(table);
  }
  if (tables.size() < 2) GTEST_SKIP() << "this CPU has not both";
  for (const auto& [group, k] : {std::array<std::int64_t, 2>{0, 77},
                                 {0, 1100},
                                 {32, 32},
                                 {32, 1120},
                                 {64, 64},
                                 {64, 704},
                                 {96, 192},
                                 {128, 128},
                                 {128, 1152},
                                 {256, 768},
                                 {20, 60}}) {
    const Storage storage = group == 0 ? Storage::kS8 : Storage::kS4;
    for (const std::int64_t rows : {1, 5, 15, 16, 17, 70, 401}) {
      Problem tiles(*tables[0], storage, rows, k, 70, 1.0f, group),
          vectors(*tables[1], storage, rows, k, 70, 1.0f, group);
      // Rows of the largest whole numbers there are, of either sign.
      for (std::int64_t i = 0; i < k; ++i) {
        tiles.x[i] = i % 3 == 0 ? -1.0f : 1.0f;
        tiles.x[(rows - 1) * tiles.x_stride + i] = -1.0f;
      }
      vectors.x = tiles.x;
      const std::vector<float> a = tiles.result(), b = vectors.result();
      ASSERT_TRUE(plain::same_bits(a.data(), b.data(), a.size()))
          << "groups of " << group << ", k " << k << ", " << rows;
    }
  }
}

TEST_P(Matmul, GivesARowTheSameBitsWhateverTheNumberOfRows) {
  for (const Storage storage : kWeightStorages) {
    for (const auto& [k, n] : {std::array<std::int64_t, 2>{1, 37}, {77, 131}, {160, 65}, {530, 70}}) {
      Problem most(table(), storage, 64, k, n);
      std::vector<float> alone = most.fresh_out();
      for (std::int64_t row = 0; row < 64; ++row) {
        MatmulArgs args = most.args(alone);
        args.x += row * most.x_stride;
        args.out += row * most.out_stride;
        args.rows = 1;
        most.run(args);
      }
      for (std::int64_t rows = 1; rows <= 64; ++rows) {
        std::vector<float> out = most.fresh_out();
        MatmulArgs args = most.args(out);
        args.rows = rows;
        most.run(args);
        for (std::int64_t row = 0; row < rows; ++row) {
          const std::int64_t at = Problem::kMargin + row * most.out_stride;
          ASSERT_TRUE(plain::same_bits(out.data() + at, alone.data() + at, static_cast<std::size_t>(n)))
              << "storage " << static_cast<int>(storage) << " k " << k << " rows " << rows << " row " << row;
        }
      }
    }
  }
}

TEST_P(Matmul, GivesARowTheSameBitsAmongHundredsOfRows) {
  for (const Storage storage : kWeightStorages) {
    Problem problem(table(), storage, 301, 700, 290);
    const std::vector<float> all = problem.result();
    std::vector<float> alone = problem.fresh_out();
    for (std::int64_t row = 0; row < problem.rows; ++row) {
      MatmulArgs args = problem.args(alone);
      args.x += row * problem.x_stride;
      args.out += row * problem.out_stride;
      args.rows = 1;
      problem.run(args);
    }
    ASSERT_TRUE(plain::same_bits(all.data(), alone.data(), all.size())) << "storage " << static_cast<int>(storage);
  }
}

TEST_P(Matmul, GivesTheSameBitsForEverySplitOfTheColumns) {
  for (const Storage storage : kWeightStorages) {
    for (const std::int64_t rows : {1, 2, 3, 4, 9, 40}) {
      Problem problem(table(), storage, rows, 90, 9 * table().panel_width + 3);
      const std::vector<float> whole = problem.result();
      for (const std::int64_t panels : {1, 2, 3, 5, 7}) {
        std::vector<float> out = problem.fresh_out();
        const std::int64_t width = panels * table().panel_width;
        for (std::int64_t begin = 0; begin < problem.n; begin += width) {
          MatmulArgs args = problem.args(out);
          args.n_begin = begin;
          args.n_end = std::min(begin + width, problem.n);
          problem.run(args);
        }
        ASSERT_TRUE(plain::same_bits(out.data(), whole.data(), out.size())) << rows << " rows, " << panels << " panels";
      }
    }
  }
}

TEST_P(Matmul, WritesOnlyTheColumnsItIsGiven) {
  for (const std::int64_t rows : {1, 4, 17, 100}) {
    Problem problem(table(), Storage::kF16, rows, 50, 5 * table().panel_width);
    std::vector<float> out = problem.fresh_out();
    MatmulArgs args = problem.args(out);
    args.n_begin = table().panel_width;
    args.n_end = 3 * table().panel_width;
    problem.run(args);
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t column = 0; column < problem.n; ++column) {
        const bool inside = column >= args.n_begin && column < args.n_end;
        const float value = out[Problem::kMargin + row * problem.out_stride + column];
        ASSERT_EQ(value != Problem::kCanary, inside) << row << ", " << column;
      }
    }
  }
}

TEST_P(Matmul, AddsBiasThenActivatesThenAddsTheResidualEvenInPlace) {
  for (const Storage storage : kWeightStorages) {
    for (const std::int64_t rows : {1, 6, 30, 140}) {
      for (const Activation activation :
           {Activation::kNone, Activation::kRelu, Activation::kGeluErf, Activation::kGeluTanh, Activation::kSilu}) {
        Problem problem(table(), storage, rows, 300, 83);
        std::vector<float> apart = problem.fresh_out();
        MatmulArgs args = problem.args(apart);
        args.bias = problem.bias.data();
        args.residual = problem.residual.data();
        args.activation = activation;
        problem.run(args);
        problem.expect_canaries(apart);

        std::vector<float> in_place(apart.size(), Problem::kCanary);
        std::copy(problem.residual.begin(), problem.residual.end(), in_place.begin() + Problem::kMargin);
        args.out = in_place.data() + Problem::kMargin;
        args.residual = args.out;
        problem.run(args);
        for (std::int64_t row = 0; row < rows; ++row) {
          for (std::int64_t column = 0; column < problem.n; ++column) {
            const std::int64_t at = row * problem.out_stride + column;
            double chain = 0.0;
            const double sum = problem.exact(row, column, &chain) + double{problem.bias[column]};
            const double exact = plain::activate(activation, sum) + double{problem.residual[at]};
            // The chain's error (slope of every activation <= 1.13), then four roundings at the size of the operands.
            const double tolerance = 1.13 * chain + 1e-6 * (1 + std::fabs(sum) + std::fabs(exact));
            ASSERT_NEAR(apart[Problem::kMargin + at], exact, tolerance) << row << ", " << column;
            ASSERT_EQ(apart[Problem::kMargin + at], in_place[Problem::kMargin + at]) << row << ", " << column;
          }
        }
      }
    }
  }
}

TEST_P(Matmul, KeepsNanAndInfinityInTheirOwnRow) {
  for (const Storage storage : kWeightStorages) {
    for (const std::int64_t rows : {2, 5, 13, 37, 150}) {
      Problem problem(table(), storage, rows, 130, 77);
      const std::vector<float> clean = problem.result();
      const std::int64_t bad = rows / 2;
      problem.x[bad * problem.x_stride + 3] = kNan;
      problem.x[bad * problem.x_stride + 90] = kInfinity;
      const std::vector<float> dirty = problem.result();
      for (std::int64_t row = 0; row < rows; ++row) {
        const std::int64_t at = Problem::kMargin + row * problem.out_stride;
        if (row != bad) {
          ASSERT_TRUE(plain::same_bits(dirty.data() + at, clean.data() + at, static_cast<std::size_t>(problem.n)));
        } else {
          for (std::int64_t column = 0; column < problem.n; ++column) ASSERT_TRUE(std::isnan(dirty[at + column]));
        }
      }
    }
  }
}

// What an activation makes of a large negative sum may be too small for a normal number.
TEST_P(Matmul, GivesARowTheSameBitsWhereTheResultIsSubnormal) {
  for (const Storage storage : kWeightStorages) {
    for (const Activation activation : {Activation::kGeluErf, Activation::kGeluTanh, Activation::kSilu}) {
      Problem problem(table(), storage, 40, 64, 70, 1e-3f);
      for (std::size_t i = 0; i < problem.bias.size(); ++i) problem.bias[i] = -86.0f - 0.25f * static_cast<float>(i);
      problem.expect_the_same_alone(activation);
    }
    // And without one: sums of subnormal and of hardly normal numbers.
    Problem problem(table(), storage, 40, 64, 70, 1e-39f);
    for (float& bias : problem.bias) bias *= 1e-38f;
    problem.expect_the_same_alone(Activation::kNone);
  }
}

TEST_P(Matmul, SumsNothingToZero) {
  for (const Storage storage : kWeightStorages) {
    Problem problem(table(), storage, 3, 0, 20);
    std::vector<float> out = problem.fresh_out();
    MatmulArgs args = problem.args(out);
    args.bias = problem.bias.data();
    problem.run(args);
    EXPECT_EQ(out[Problem::kMargin + 2 * problem.out_stride + 19], problem.bias[19]);
  }
}

TEST_P(Matmul, WantsNoMoreScratchForFewerRows) {
  for (const Storage storage : kWeightStorages) {
    for (const std::int64_t k : {64, 2048, 20480, 65536}) {
      for (std::int64_t rows = 2; rows <= 600; ++rows) {
        ASSERT_GE(table().matmul_scratch(storage, rows, k), table().matmul_scratch(storage, rows - 1, k))
            << "storage " << static_cast<int>(storage) << " k " << k << " rows " << rows;
      }
    }
  }
}

GANGLION_FOR_EVERY_TABLE(Matmul);

using Pack = plain::EveryTable;

TEST_P(Pack, PutsEveryElementInItsPlaceAndZeroesTheRest) {
  const std::int64_t width = table().panel_width;
  const std::int64_t n = 2 * width + 3, k = 77;
  const std::vector<float> dense = plain::normal(static_cast<std::size_t>(n * k), 7);
  for (const Storage from : kStorages) {
    for (const Storage to : kStorages) {
      const plain::Stored rows = plain::store(from, dense);
      const plain::Stored wanted = plain::store(to, rows.values);
      std::vector<std::uint8_t> panels(table().packed_bytes(to, n, k), 0xee);
      const bool pairs = to == Storage::kBF16 && table().packing.find("bf16 by pairs") != std::string_view::npos;
      const std::int64_t steps = pairs ? (k + 31) / 32 * 32 : k;
      ASSERT_EQ(panels.size(), 3 * width * steps * storage_size(to));
      // In two calls, as two threads would.
      table().pack(from, rows.data(), to, panels.data(), 0, width, n, k);
      table().pack(from, rows.bytes.data() + width * k * storage_size(from), to, panels.data(), width, n, n, k);
      const std::size_t size = storage_size(to);
      for (std::int64_t column = 0; column < 3 * width; ++column) {
        for (std::int64_t i = 0; i < steps; ++i) {
          const std::int64_t j = column % width;
          const std::int64_t in_panel = pairs ? i / 2 * 2 * width + j * 2 + i % 2 : i * width + j;
          const std::uint8_t* place =
              panels.data() + (column / width * width * steps + in_panel) * static_cast<std::int64_t>(size);
          const std::uint8_t zero[4] = {};
          ASSERT_EQ(
              std::memcmp(place, column < n && i < k ? wanted.bytes.data() + (column * k + i) * size : zero, size), 0)
              << "from " << static_cast<int>(from) << " to " << static_cast<int>(to) << " at " << column << ", " << i;
        }
      }
    }
  }
}

// Where the number of a column and a step is in panels, and what is added to it there.
struct Place {
  std::int64_t byte;
  bool high;  // four bits
  int zero;
};
Place place_of(const Table& table, Storage storage, std::int64_t k, std::int64_t column, std::int64_t i) {
  const std::int64_t width = table.panel_width, panel = column / width, j = column % width;
  if (table.packing.ends_with("by fours")) {
    const std::int64_t steps = (k + 63) / 64 * 64;
    if (storage == Storage::kS8) return {panel * steps * width + i / 4 * 128 + j * 4 + i % 4, false, 128};
    return {panel * steps * width / 2 + i / 8 * 128 + j * 4 + i % 4, i % 8 >= 4, 8};
  }
  if (storage == Storage::kS8) return {(panel * k + i) * width + j, false, 0};
  return {(panel * k + i) * width / 2 + j % (width / 2), j >= width / 2, 0};
}

TEST_P(Pack, PutsWholeNumbersInTheirPlacesTwoOfFourBitsInAByte) {
  const std::int64_t width = table().panel_width;
  const std::int64_t n = 2 * width + 3, k = 77;
  for (const Storage storage : {Storage::kS8, Storage::kS4}) {
    const plain::Matrix rows = plain::matrix(storage, n, k, storage == Storage::kS4 ? k : 0);
    std::vector<std::uint8_t> panels(table().packed_bytes(storage, n, k), 0xee);
    // In two calls, as two threads would.
    table().pack(storage, rows.data(), storage, panels.data(), 0, width, n, k);
    table().pack(storage, rows.bytes.data() + width * k, storage, panels.data(), width, n, n, k);
    for (std::int64_t column = 0; column < 3 * width; ++column) {
      for (std::int64_t i = 0; i < k; ++i) {
        const int wanted = column < n ? static_cast<std::int8_t>(rows.bytes[column * k + i]) : 0;
        const Place place = place_of(table(), storage, k, column, i);
        const unsigned byte = panels[static_cast<std::size_t>(place.byte)];
        const int bits = storage == Storage::kS8 ? 8 : 4;
        const unsigned kept = static_cast<unsigned>(wanted + place.zero) & (bits == 8 ? 0xffu : 0xfu);
        ASSERT_EQ(bits == 8    ? byte
                  : place.high ? byte >> 4
                               : byte & 15u,
                  kept)
            << bits << " bits at " << column << ", " << i;
      }
    }
  }
}

TEST_P(Pack, GivesTheSamePanelsFromTheTransposeInStripes) {
  for (const std::int64_t n : {table().panel_width, 2 * table().panel_width + 5, std::int64_t{3}}) {
    const std::int64_t k = 53;
    const std::vector<float> dense = plain::normal(static_cast<std::size_t>(n * k), 11);
    std::vector<float> turned(dense.size());
    for (std::int64_t j = 0; j < n; ++j) {
      for (std::int64_t i = 0; i < k; ++i) turned[i * n + j] = dense[j * k + i];
    }
    for (const Storage from : kStorages) {
      for (const Storage to : kStorages) {
        const plain::Stored rows = plain::store(from, dense), turned_rows = plain::store(from, turned);
        std::vector<std::uint8_t> wanted(table().packed_bytes(to, n, k), 0xee), panels(wanted);
        table().pack(from, rows.data(), to, wanted.data(), 0, n, n, k);
        for (const auto& [begin, end] : {std::array<std::int64_t, 2>{40, 53}, {0, 1}, {1, 40}}) {
          table().pack_turned(from, turned_rows.bytes.data() + begin * n * storage_size(from), to, panels.data(), begin,
                              end, n, k);
        }
        ASSERT_EQ(panels, wanted) << "from " << static_cast<int>(from) << " to " << static_cast<int>(to) << " n " << n;
      }
    }
  }
}

TEST_P(Pack, RowsOfAPackedMatrixAreGathered) {
  const std::int64_t rows = 2 * table().panel_width + 3, cols = 301;
  for (const Storage storage : {Storage::kF32, Storage::kF16, Storage::kBF16, Storage::kS8}) {
    const plain::Matrix matrix = plain::matrix(storage, rows, cols, 0);
    std::vector<std::uint8_t> panels(table().packed_bytes(storage, rows, cols));
    table().pack(storage, matrix.data(), storage, panels.data(), 0, rows, rows, cols);
    const std::vector<std::int32_t> ids = {0, 34, -5, 17, static_cast<std::int32_t>(rows) - 1, 1000000, 34};
    std::vector<float> out(ids.size() * cols + 1, 12345.0f);
    const auto* scales = storage == Storage::kS8 ? reinterpret_cast<const float*>(matrix.scale_bytes.data()) : nullptr;
    table().gather_packed_rows(storage, panels.data(), scales, ids.data(), out.data(),
                               static_cast<std::int64_t>(ids.size()), rows, cols);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const std::int64_t id = std::clamp<std::int64_t>(ids[i], 0, rows - 1);
      for (std::int64_t k = 0; k < cols; ++k) {
        ASSERT_FLOAT_EQ(out[i * cols + k], static_cast<float>(matrix.values[id * cols + k])) << id << ", " << k;
      }
    }
    EXPECT_EQ(out.back(), 12345.0f);
  }
}

GANGLION_FOR_EVERY_TABLE(Pack);

}  // namespace
}  // namespace ganglion::kernels
