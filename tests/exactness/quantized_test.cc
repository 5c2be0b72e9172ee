// Weights in s8 and s4: the same numbers whether they were quantized to a file before or while the checkpoint is
// loaded, whatever the batch, the threads and the ranks.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/thread_pool.h"
#include "checkpoint/scratch_folder.h"
#include "checkpoint/store.h"
#include "engine/engine.h"
#include "models/quantize_checkpoint.h"
#include "models/registry.h"
#include "tests/exactness/runner.h"

namespace ganglion::exactness {
namespace {

namespace fs = std::filesystem;

const fs::path kModel = fs::path(GANGLION_SOURCE_DIR) / "share" / "opt-demo";

std::vector<engine::Request> some_requests() {
  std::vector<engine::Request> requests;
  for (const std::vector<std::int32_t>& prompt :
       {std::vector<std::int32_t>{2, 100, 200, 300}, {2, 7}, {2, 900, 901, 902, 903, 904, 905, 906}}) {
    engine::Request request;
    request.prompt = prompt;
    request.max_new_tokens = 16;
    request.want_logits = true;
    requests.push_back(request);
  }
  return requests;
}

std::vector<Generated> generate(const fs::path& folder, const models::Types& types, int tp = 1, int threads = 2,
                                bool alone = false) {
  ThreadPool pool(threads);
  engine::EngineOptions options;
  options.types = types;
  options.tp = tp;
  options.n_positions = 64;
  options.pool = &pool;
  const models::Config config = models::read_config(folder);
  const checkpoint::Store store = checkpoint::Store::open(folder);
  const models::Family& family = models::find_family(config.model_type);
  engine::Engine engine(config, models::checkpoint_weights(store, family.optional_prefixes), options);
  std::vector<engine::Request> requests = some_requests();
  for (engine::Request& request : requests) {
    for (std::int32_t& id : request.prompt) id %= static_cast<std::int32_t>(config.vocab);
  }
  return alone ? run_alone(engine, requests, config.vocab) : run_together(engine, requests, config.vocab);
}

void expect_bit_equal(const std::vector<Generated>& a, const std::vector<Generated>& b, const std::string& what) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].ids, b[i].ids) << what;
    EXPECT_EQ(a[i].logits, b[i].logits) << what;
  }
}

std::string thrown_by(const std::function<void()>& work, Code code) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

TEST(Quantized, AFileAndALoadGiveTheSameBits) {
  for (const models::Types& types : {models::Types{.storage = DType::kS8}, models::Types{.storage = DType::kS4},
                                     models::Types{.storage = DType::kS4, .group = 128}}) {
    const checkpoint::ScratchFolder folder;
    models::quantize_checkpoint(kModel, folder / "quantized", {.to = types.storage, .group = types.group});
    for (const int tp : {1, 2}) {
      const auto loaded = generate(kModel, types, tp);
      const std::string name(dtype_name(types.storage));
      expect_bit_equal(generate(folder / "quantized", types, tp), loaded, name);
      expect_bit_equal(generate(folder / "quantized", {}, tp), loaded, name + " asked for as f32");
    }
  }
}

// Matrices that are kept transposed, several in one tensor, with fewer cached heads than ranks.
TEST(Quantized, AFileAndALoadGiveTheSameBitsInEveryFamily) {
  for (const char* name :
       {"gpt2-variant", "gptj", "llama3-grouped-tied", "gpt-bigcode-heads", "gpt-bigcode-multi-query"}) {
    const fs::path model = fs::path(GANGLION_SOURCE_DIR) / "tests" / "goldens" / "families" / name;
    for (const DType storage : {DType::kS8, DType::kS4}) {
      const checkpoint::ScratchFolder folder;
      models::quantize_checkpoint(model, folder / "quantized", {.to = storage});
      const models::Types types = {.storage = storage, .kv = DType::kS8};
      for (const int tp : {1, storage == DType::kS8 ? 2 : 1}) {
        expect_bit_equal(generate(folder / "quantized", types, tp), generate(model, types, tp), name);
      }
    }
  }
}

TEST(Quantized, TokensDoNotDependOnTheBatchOrTheThreads) {
  for (const models::Types& types : {models::Types{.storage = DType::kS8, .kv = DType::kS8},
                                     models::Types{.storage = DType::kS4, .kv = DType::kS8}}) {
    const auto together = generate(kModel, types);
    expect_bit_equal(generate(kModel, types, 1, 1, true), together, "alone, one thread");
    expect_bit_equal(generate(kModel, types, 1, 3), together, "three threads");
  }
}

TEST(Quantized, AnyNumberOfRanksWritesTheSameTokens) {
  for (const DType storage : {DType::kS8, DType::kS4}) {
    const auto one = generate(kModel, {.storage = storage, .kv = DType::kS8});
    for (const int tp : {2, 4}) {
      const auto more = generate(kModel, {.storage = storage, .kv = DType::kS8}, tp);
      for (std::size_t i = 0; i < one.size(); ++i) EXPECT_EQ(more[i].ids, one[i].ids) << tp << " ranks";
    }
  }
}

TEST(Quantized, AFolderSaysWhatItHolds) {
  const checkpoint::ScratchFolder folder;
  const auto report = models::quantize_checkpoint(kModel, folder / "q", {.to = DType::kS4, .group = 32});
  EXPECT_EQ(report.in_s4, 36);  // six matrices in six layers
  EXPECT_EQ(report.in_s8, 1);   // the vocabulary's
  EXPECT_GT(report.largest_error, 0.01);
  EXPECT_LT(report.largest_error, 0.15);
  EXPECT_LT(report.bytes_after, report.bytes_before * 4 / 10);
  EXPECT_EQ(fs::file_size(folder / "q/tokenizer.json"), fs::file_size(kModel / "tokenizer.json"));

  const auto config = nlohmann::json::parse(read_text(folder / "q/config.json"))["quantization_config"];
  EXPECT_EQ(config["quant_method"], "ganglion");
  EXPECT_EQ(config["bits"], 4);
  EXPECT_EQ(config["group_size"], 32);
  EXPECT_EQ(config["modules_in_8_bits"].size(), 1u);
  EXPECT_EQ(config["modules_not_converted"].size(), 1u);  // positions

  const checkpoint::Store store = checkpoint::Store::open(folder / "q");
  std::string fc1;
  for (const std::string& name : store.names()) {
    if (name.ends_with("layers.0.fc1.weight")) fc1 = name;
  }
  EXPECT_EQ(store.source(fc1)->dtype(), DType::kU8);
  EXPECT_EQ(store.source(fc1)->dims(), (Dims{1024, 128}));
  EXPECT_EQ(store.source(fc1 + "_scale")->dtype(), DType::kBF16);
  EXPECT_EQ(store.source(fc1 + "_scale")->dims(), (Dims{1024, 8}));
}

TEST(Quantized, NonsenseIsRefusedAndNothingIsLeftBehind) {
  const checkpoint::ScratchFolder folder;
  models::quantize_checkpoint(kModel, folder / "q", {.to = DType::kS8});
  thrown_by([&] { models::quantize_checkpoint(folder / "q", folder / "again", {}); }, Code::kInvalidArgument);
  thrown_by([&] { models::quantize_checkpoint(kModel, folder / "q", {}); }, Code::kInvalidArgument);
  thrown_by([&] { models::quantize_checkpoint(folder / "none", folder / "again", {}); }, Code::kNotFound);
  const std::string message =
      thrown_by([&] { generate(folder / "q", {.storage = DType::kS4}); }, Code::kInvalidArgument);
  EXPECT_NE(message.find("already"), std::string::npos) << message;
  std::vector<std::string> left;
  for (const auto& entry : fs::directory_iterator(folder.path())) left.push_back(entry.path().filename());
  EXPECT_EQ(left, (std::vector<std::string>{"q"}));
}

// What was changed by hand: scales that are missing or of another shape, a group size that does not suit.
TEST(Quantized, FoldersThatContradictThemselvesAreRefused) {
  const checkpoint::ScratchFolder folder;
  models::quantize_checkpoint(kModel, folder / "q", {.to = DType::kS4, .group = 32});
  auto config = nlohmann::json::parse(read_text(folder / "q/config.json"));
  const auto rewrite = [&](const char* key, const nlohmann::json& value) {
    auto changed = config;
    changed["quantization_config"][key] = value;
    std::ofstream(folder / "q/config.json") << changed;
  };
  rewrite("group_size", 64);
  thrown_by([&] { generate(folder / "q", {}); }, Code::kDataCorrupt);
  rewrite("group_size", 48);
  thrown_by([&] { generate(folder / "q", {}); }, Code::kUnsupported);
  rewrite("bits", 2);
  thrown_by([&] { generate(folder / "q", {}); }, Code::kUnsupported);
  rewrite("quant_method", "gptq");
  const std::string message = thrown_by([&] { generate(folder / "q", {}); }, Code::kUnsupported);
  EXPECT_NE(message.find("gptq"), std::string::npos) << message;
}

}  // namespace
}  // namespace ganglion::exactness
