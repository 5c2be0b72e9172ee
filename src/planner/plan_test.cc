#include "planner/plan.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <limits>
#include <string>

#include "base/error.h"
#include "planner/memory.h"
#include "planner/weight_kind.h"

namespace ganglion::planner {
namespace {

constexpr std::int64_t kMiB = std::int64_t{1} << 20;

Plan four_gib() {
  Plan plan;
  plan.block_size = 32;
  plan.bytes_per_position = kMiB / 32;
  plan.positions = 2048;
  plan.blocks = 1022;
  plan.all.weights_of[static_cast<std::size_t>(WeightKind::kMlp)] = 2048 * kMiB;
  plan.all.weights_of[static_cast<std::size_t>(WeightKind::kHead)] = 1024 * kMiB;
  plan.all.kv_cache = 1022 * kMiB;
  plan.all.activations = kMiB;
  plan.all.program = kMiB;
  return plan;
}

std::string message_of(const std::function<void()>& work, Code code) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

TEST(Plan, RefusesWithTheSumSpeltOut) {
  EXPECT_NO_THROW(check_fits(four_gib(), 4096 * kMiB, "opt"));
  const std::string text = message_of([] { check_fits(four_gib(), 4096 * kMiB - 1, "opt"); }, Code::kResourceExhausted);
  for (const char* part : {"[opt]", "weights 3.00 GiB", "KV cache", "activations 1.0 MiB", "4.00 GiB"}) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }
}

TEST(Plan, LeavesTheCacheWhatTheRestDoesNotTake) {
  EXPECT_EQ(blocks_that_fit(four_gib(), 5000, 4096 * kMiB), 1022);
  EXPECT_EQ(blocks_that_fit(four_gib(), 10, 4096 * kMiB), 10);
  EXPECT_EQ(blocks_that_fit(four_gib(), 10, 1024 * kMiB), 0);
}

TEST(Plan, AdmitsARequestThatFillsASequenceAndRefusesOneMore) {
  EXPECT_NO_THROW(check_request(four_gib(), 2000, 48));
  const std::string text = message_of([] { check_request(four_gib(), 2000, 49); }, Code::kInvalidArgument);
  EXPECT_NE(text.find("n_positions=2048"), std::string::npos) << text;
  EXPECT_THROW(check_request(four_gib(), 1, std::numeric_limits<std::int64_t>::max()), Error);
}

TEST(Plan, RefusesARequestThatWantsMoreCacheThanThereIsWithBothSizes) {
  Plan plan = four_gib();
  plan.blocks = 4;
  EXPECT_NO_THROW(check_request(plan, 100, 29));  // 128 cached: the last token is not
  const std::string text = message_of([&] { check_request(plan, 100, 30); }, Code::kInvalidArgument);
  for (const char* part : {"5 cache blocks", "5.0 MiB", "has 4", "4.0 MiB"}) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }
}

TEST(WeightKind, IsFoundInTheNamesOfEveryDecoder) {
  struct Row {
    const char* name;
    WeightKind kind;
  };
  for (const Row& row :
       {Row{"model.decoder.embed_tokens.weight", WeightKind::kEmbedding},
        Row{"transformer.wpe.weight", WeightKind::kEmbedding},
        Row{"model.decoder.layers.3.self_attn.q_proj.bias", WeightKind::kAttention},
        Row{"transformer.h.0.attn.c_attn.weight", WeightKind::kAttention},
        Row{"model.decoder.layers.3.self_attn_layer_norm.weight", WeightKind::kNorm},
        Row{"model.layers.0.post_attention_layernorm.weight", WeightKind::kNorm},
        Row{"transformer.ln_f.bias", WeightKind::kNorm}, Row{"model.decoder.layers.3.fc2.weight", WeightKind::kMlp},
        Row{"model.layers.0.mlp.gate_proj.weight", WeightKind::kMlp}, Row{"lm_head.weight", WeightKind::kHead},
        Row{"model.layers.0.self_attn.rotary_emb.inv_freq", WeightKind::kOther},
        Row{"model.decoder.project_in.weight", WeightKind::kOther}, Row{"", WeightKind::kOther}}) {
    EXPECT_EQ(weight_kind(row.name), row.kind) << row.name;
  }
}

class FakeRoot : public testing::Test {
 protected:
  FakeRoot() {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    root_ = std::filesystem::temp_directory_path() / (std::string("ganglion_memory_") + info->name());
    std::filesystem::remove_all(root_);
  }
  ~FakeRoot() override { std::filesystem::remove_all(root_); }
  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  std::filesystem::path root_;
};

TEST_F(FakeRoot, TakesWhatTheKernelSaysIsAvailable) {
  write("proc/meminfo", "MemTotal: 2000 kB\nMemAvailable:    1000 kB\n");
  EXPECT_EQ(available_memory(root_), 1000 * 1024);
}

TEST_F(FakeRoot, TakesWhatTheControlGroupLeavesWhenThatIsLess) {
  write("proc/meminfo", "MemAvailable: 1000000 kB\n");
  write("proc/self/cgroup", "0::/service\n");
  write("sys/fs/cgroup/memory.max", "max\n");
  write("sys/fs/cgroup/service/memory.max", "500000\n");
  write("sys/fs/cgroup/service/memory.current", "300000\n");
  write("sys/fs/cgroup/service/memory.stat", "anon 200000\ninactive_file 100000\n");
  EXPECT_EQ(available_memory(root_), 300000);
}

TEST_F(FakeRoot, KnowsNoLimitWhereNothingCanBeRead) {
  EXPECT_EQ(available_memory(root_), std::numeric_limits<std::int64_t>::max());
}

}  // namespace
}  // namespace ganglion::planner
