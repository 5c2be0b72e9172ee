#include "checkpoint/store.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "checkpoint/scratch_folder.h"
#include "checkpoint/write.h"

namespace ganglion::checkpoint {
namespace {

namespace fs = std::filesystem;

std::shared_ptr<const TensorSource> filled(float value) {
  Tensor out(DType::kF32, {2});
  for (float& element : out.as<float>()) element = value;
  return tensor_source(std::move(out));
}

float first_of(const Store& store, const std::string& name) { return read_all(*store.source(name)).as<float>()[0]; }

void index(const fs::path& folder, const std::string& weight_map) {
  std::ofstream(folder / "model.safetensors.index.json")
      << R"({"metadata":{"total_size":16},"weight_map":)" << weight_map << "}";
}

// Opens the folder, expecting the error's code and `part` within its message.
void expect_refused(const fs::path& folder, Code code, const std::string& part) {
  try {
    Store::open(folder);
    FAIL() << "was opened; wanted: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(Store, ReadsASingleFile) {
  const ScratchFolder folder;
  write_safetensors(folder / "model.safetensors", {{"b", filled(2)}, {"a", filled(1)}});
  const Store store = Store::open(folder.path());
  EXPECT_EQ(store.names(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(store.bytes(), 16u);
  EXPECT_EQ(store.files().size(), 1u);
  EXPECT_TRUE(store.has("a"));
  EXPECT_FALSE(store.has("c"));
  EXPECT_EQ(store.find("a")->dims(), Dims{2});
  EXPECT_EQ(first_of(store, "b"), 2);
}

TEST(Store, ReadsShardsThroughTheirIndex) {
  const ScratchFolder folder;
  write_safetensors(folder / "model-00001-of-00002.safetensors", {{"a", filled(1)}, {"c", filled(3)}});
  write_safetensors(folder / "model-00002-of-00002.safetensors", {{"b", filled(2)}});
  index(folder.path(), R"({"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors",
                           "c":"model-00001-of-00002.safetensors"})");
  const Store store = Store::open(folder.path());
  EXPECT_EQ(store.names(), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(store.bytes(), 24u);
  EXPECT_EQ(first_of(store, "b"), 2);
  EXPECT_EQ(first_of(store, "c"), 3);
}

TEST(Store, ASourceOutlivesItsStore) {
  const ScratchFolder folder;
  write_safetensors(folder / "model.safetensors", {{"a", filled(1)}});
  const auto source = Store::open(folder.path()).source("a");
  EXPECT_EQ(read_all(*source).as<float>()[1], 1);
}

TEST(Store, AnUnknownWeightIsNotFoundByName) {
  const ScratchFolder folder;
  write_safetensors(folder / "model.safetensors", {{"a", filled(1)}});
  const Store store = Store::open(folder.path());
  try {
    store.source("lm_head.weight");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kNotFound);
    EXPECT_NE(std::string(error.what()).find("\"lm_head.weight\""), std::string::npos);
  }
}

TEST(Store, AFolderThatIsMissingOrHoldsNoWeightsIsNotFound) {
  const ScratchFolder folder;
  expect_refused(folder / "none", Code::kNotFound, "is not a folder");
  expect_refused(folder.path(), Code::kNotFound, "holds no weights: model.safetensors");
}

TEST(Store, AnEmptyCheckpointIsRefused) {
  const ScratchFolder folder;
  folder.file("model.safetensors", safetensors_bytes("{}", ""));
  expect_refused(folder.path(), Code::kDataCorrupt, "no weight");
}

TEST(Store, AnIndexThatNamesFilesOutsideTheFolderIsRefused) {
  const ScratchFolder outer;
  const fs::path folder = outer / "model";
  fs::create_directory(folder);
  write_safetensors(outer / "x.safetensors", {{"a", filled(1)}});
  index(folder, R"({"a":"../x.safetensors"})");
  expect_refused(folder, Code::kInvalidArgument, "lies outside the folder");
  index(folder, R"({"a":"sub/../../x.safetensors"})");
  expect_refused(folder, Code::kInvalidArgument, "lies outside the folder");
  index(folder, "{\"a\":\"" + (outer / "x.safetensors").string() + "\"}");
  expect_refused(folder, Code::kInvalidArgument, "lies outside the folder");
  index(folder, R"({"a":"x.safetensors\u0000"})");
  expect_refused(folder, Code::kInvalidArgument, "lies outside the folder");
  index(folder, R"({"a":""})");
  expect_refused(folder, Code::kInvalidArgument, "lies outside the folder");
}

TEST(Store, ALinkThatLeavesTheFolderIsRefused) {
  const ScratchFolder outer;
  const fs::path folder = outer / "model";
  fs::create_directory(folder);
  write_safetensors(outer / "x.safetensors", {{"a", filled(1)}});
  fs::create_symlink(outer / "x.safetensors", folder / "model.safetensors");
  expect_refused(folder, Code::kInvalidArgument, "outside the model's folder");

  fs::remove(folder / "model.safetensors");
  fs::create_symlink("../x.safetensors", folder / "s.safetensors");
  index(folder, R"({"a":"s.safetensors"})");
  expect_refused(folder, Code::kInvalidArgument, "outside the model's folder");
}

TEST(Store, LinksWithinTheFolderAndInTheHuggingFaceCacheAreFollowed) {
  const ScratchFolder outer;
  const fs::path linked = outer / "linked";
  fs::create_directories(linked);
  write_safetensors(linked / "weights", {{"a", filled(1)}});
  fs::create_symlink("weights", linked / "model.safetensors");
  EXPECT_EQ(first_of(Store::open(linked), "a"), 1);

  const fs::path snapshot = outer / "models--x/snapshots/0123abcd";
  fs::create_directories(snapshot);
  fs::create_directories(outer / "models--x/blobs");
  write_safetensors(outer / "models--x/blobs/4567", {{"a", filled(2)}});
  fs::create_symlink("../../blobs/4567", snapshot / "model.safetensors");
  EXPECT_EQ(first_of(Store::open(snapshot), "a"), 2);
}

TEST(Store, AMissingShardIsNotFoundByName) {
  const ScratchFolder folder;
  write_safetensors(folder / "1.safetensors", {{"a", filled(1)}});
  index(folder.path(), R"({"a":"1.safetensors","b":"2.safetensors"})");
  expect_refused(folder.path(), Code::kNotFound, "names 2.safetensors, which is not there");
}

TEST(Store, AWeightThatIsNotInItsShardIsRefused) {
  const ScratchFolder folder;
  write_safetensors(folder / "1.safetensors", {{"a", filled(1)}});
  index(folder.path(), R"({"a":"1.safetensors","b":"1.safetensors"})");
  expect_refused(folder.path(), Code::kDataCorrupt, "says that \"b\" is in 1.safetensors, but it is not");
}

TEST(Store, AShardWithWeightsThatTheIndexDoesNotKnowIsRefused) {
  const ScratchFolder folder;
  write_safetensors(folder / "1.safetensors", {{"a", filled(1)}, {"x", filled(9)}});
  index(folder.path(), R"({"a":"1.safetensors"})");
  expect_refused(folder.path(), Code::kDataCorrupt, "holds \"x\"");

  write_safetensors(folder / "1.safetensors", {{"a", filled(1)}, {"b", filled(1)}});
  write_safetensors(folder / "2.safetensors", {{"b", filled(2)}});
  index(folder.path(), R"({"a":"1.safetensors","b":"2.safetensors"})");
  expect_refused(folder.path(), Code::kDataCorrupt, "gives another file for");
}

TEST(Store, AnIndexThatIsNotAMapFromWeightsToFilesIsRefused) {
  const ScratchFolder folder;
  for (const char* text : {"", "[]", "{}", R"({"weight_map":[]})", R"({"weight_map":{}})"}) {
    folder.file("model.safetensors.index.json", text);
    expect_refused(folder.path(), Code::kDataCorrupt, "model.safetensors.index.json");
  }
  index(folder.path(), R"({"a":1})");
  expect_refused(folder.path(), Code::kDataCorrupt, "the file of \"a\" is number");
  index(folder.path(), R"({"a":"1.safetensors","a":"2.safetensors"})");
  expect_refused(folder.path(), Code::kDataCorrupt, "\"a\" twice");
}

TEST(Store, ADamagedShardIsRefusedByItsPath) {
  const ScratchFolder folder;
  folder.file("1.safetensors", "short");
  index(folder.path(), R"({"a":"1.safetensors"})");
  expect_refused(folder.path(), Code::kDataCorrupt, "1.safetensors: 5 bytes");
}

TEST(Store, OpensTheEmbeddedModel) {
  const Store store = Store::open(fs::path(GANGLION_SOURCE_DIR) / "share/opt-demo");
  ASSERT_TRUE(store.has("model.decoder.embed_tokens.weight"));
  EXPECT_EQ(store.find("model.decoder.embed_tokens.weight")->dims(), (Dims{2048, 256}));
}

TEST(Store, OpensTheGoldenCheckpointsOfEveryStorageType) {
  const fs::path goldens = fs::path(GANGLION_SOURCE_DIR) / "tests/goldens/opt";
  const Store f32 = Store::open(goldens / "pre-norm-gelu-untied");
  EXPECT_EQ(f32.find("lm_head.weight")->dtype(), DType::kF32);
  const Store bf16 = Store::open(goldens / "post-norm-projections");
  EXPECT_EQ(bf16.find("model.decoder.project_in.weight")->dims(), (Dims{64, 32}));
  EXPECT_EQ(bf16.find("model.decoder.project_in.weight")->dtype(), DType::kBF16);
  const Store sharded = Store::open(goldens / "sharded");
  EXPECT_EQ(sharded.files().size(), 2u);
  EXPECT_EQ(sharded.find("decoder.layers.2.fc1.weight")->dtype(), DType::kF16);
  EXPECT_EQ(sharded.names().size(), 52u);
}

}  // namespace
}  // namespace ganglion::checkpoint
