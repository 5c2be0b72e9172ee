// Configuration: config.properties, the command line, the model store, serving.properties.
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "base/error.h"
#include "server/config.h"
#include "server/json_text.h"
#include "server/model_settings.h"

#include <nlohmann/json.hpp>

namespace ganglion::server {
namespace {

namespace fs = std::filesystem;

class ConfigurationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::canonical(::testing::TempDir()) / ("configuration_test_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
    return (folder_ / name).string();
  }
  ServerConfig config(const std::string& text, CommandLine flags = {}) {
    flags.config_file = write("config.properties", text);
    return make_config(flags, Settings::from_map({{"MODEL_SERVER_HOME", folder_.string()}}));
  }
  ModelSettings settings(const std::string& text, const ServerConfig& server = {}) {
    write("m/serving.properties", text);
    return read_model_settings({.name = "m", .version = "", .engine = "", .devices = "", .folder = folder_ / "m"},
                               server);
  }
  static std::string refusal(const std::function<void()>& work) {
    try {
      work();
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }

  fs::path folder_;
};

TEST_F(ConfigurationTest, ReadsTheKeysAndNamesTheOthers) {
  const ServerConfig read = config(
      "inference_address=http://"
      "0.0.0.0:9000\nload_models=NONE\nmax_request_size=100\njob_queue_size=7\nwait_model_loading=false\nio_ratio="
      "50\nfoo=1\n");
  EXPECT_EQ(read.host, "0.0.0.0");
  EXPECT_EQ(read.port, 9000);
  EXPECT_EQ(read.max_request_size, 100u);
  EXPECT_EQ(read.job_queue_size, 7);
  EXPECT_FALSE(read.wait_model_loading);
  EXPECT_EQ(read.unused_keys, (std::vector<std::string>{"io_ratio", "foo"}));
}

TEST_F(ConfigurationTest, TheCommandLineComesOverTheFile) {
  CommandLine flags;
  flags.address = "127.0.0.1:1";
  EXPECT_EQ(config("inference_address=http://0.0.0.0:9000\nload_models=NONE\n", flags).port, 1);
}

TEST_F(ConfigurationTest, BadValuesAreNamedWithTheirKey) {
  EXPECT_EQ(refusal([&] { config("load_models=NONE\njob_queue_size=0\n"); }),
            "[config.properties] job_queue_size=0: wanted a whole number from 1 to 1000000");
  EXPECT_NE(refusal([&] { config("inference_address=https://0.0.0.0:1\n"); }).find("only http:// addresses"),
            std::string::npos);
  for (const char* address :
       {"", "http://", "http://a", "http://:1", "http://a:70000", "http://a:1x", "http://::1:80"}) {
    EXPECT_NE(
        refusal([&] { config(std::string("inference_address=") + address + "\n"); }).find("wanted http://HOST:PORT"),
        std::string::npos)
        << address;
  }
  EXPECT_EQ(config("inference_address=http://[::1]:80/\nload_models=NONE\n").host, "::1");
  EXPECT_NE(refusal([&] { config("model_store=nowhere\n"); }).find("is not a folder"), std::string::npos);
}

TEST_F(ConfigurationTest, AStoreHasOneFolderPerModel) {
  write("store/b-model.v1/serving.properties", "");
  write("store/a/config.json", "{}");
  write("store/.hidden/config.json", "{}");
  write("store/empty/readme.txt", "");
  write("store/stray.txt", "");
  const ServerConfig read = config("model_store=store\n");  // relative to MODEL_SERVER_HOME
  ASSERT_EQ(read.models.size(), 2u);
  EXPECT_EQ(read.models[0].name, "a");
  EXPECT_EQ(read.models[1].name, "b_model_v1");
}

TEST_F(ConfigurationTest, AStoreThatIsItselfAModelIsOneModel) {
  write("model/serving.properties", "");
  write("model/sub/config.json", "{}");
  const ServerConfig read = config("model_store=model\n");
  ASSERT_EQ(read.models.size(), 1u);
  EXPECT_EQ(read.models[0].name, "model");
}

TEST_F(ConfigurationTest, ModelEntriesHaveDjlsSyntax) {
  write("x/config.json", "{}");
  const std::string path = (folder_ / "x").string();
  const ModelEntry plain = parse_model_entry(path, folder_);
  EXPECT_EQ(plain.name, "x");
  const ModelEntry full = parse_model_entry("test:v1:Python:nc0;nc4=file://" + path, folder_);
  EXPECT_EQ(full.name, "test");
  EXPECT_EQ(full.version, "v1");
  EXPECT_EQ(full.engine, "Python");
  EXPECT_EQ(full.devices, "nc0;nc4");
  EXPECT_EQ(parse_model_entry("[test::Python]=x", folder_).folder, folder_ / "x");
  EXPECT_EQ(parse_model_entry("test::Python=file:" + path, folder_).version, "");
  write("dir/a=b/config.json", "{}");
  EXPECT_EQ(parse_model_entry("dir/a=b", folder_).folder, folder_ / "dir/a=b");
  EXPECT_NE(refusal([&] { parse_model_entry("a:b:c:d:e=x", folder_); }).find("wanted [name"), std::string::npos);
}

TEST_F(ConfigurationTest, AModelEntryNamesWhatComesFromElsewhereToo) {
  struct Row {
    const char *text, *name;
    hub::SourceKind kind;
  };
  for (const Row& row :
       {Row{"facebook/opt-1.3b", "opt_1_3b", hub::SourceKind::kHuggingFace},
        Row{"s3://bucket/models/opt-13b/", "opt_13b", hub::SourceKind::kS3},
        Row{"https://host/a/opt-13b.tar.gz?Signature=a/b.zip", "opt_13b", hub::SourceKind::kWebArchive}}) {
    const ModelEntry entry = parse_model_entry(row.text, folder_);
    EXPECT_EQ(entry.name, row.name);
    EXPECT_EQ(entry.source.kind, row.kind) << row.text;
    EXPECT_EQ(entry.source.text, row.text);
    EXPECT_TRUE(entry.folder.empty());
    EXPECT_EQ(parse_model_entry("m:v1=" + std::string(row.text), folder_).name, "m");
    EXPECT_EQ(hub::shown(entry.source).find("Signature"), std::string::npos);
  }
  EXPECT_NE(refusal([&] { parse_model_entry("m=djl://x/y", folder_); }).find("[models: m] djl://x/y"),
            std::string::npos);
  EXPECT_NE(refusal([&] { parse_model_entry("m=./two", folder_); }).find("no such folder"), std::string::npos);
}

TEST_F(ConfigurationTest, ARepositoryOfTheHubDoesNotSetUpTheServer) {
  write("x/config.json", "{}");
  write("x/model.py", "");
  write("x/serving.properties", "option.n_positions=64\n");
  ModelEntry entry = parse_model_entry("org/x", "/");
  entry.folder = folder_ / "x";
  EXPECT_EQ(read_model_settings(entry, ServerConfig{}).n_positions, ModelSettings{}.n_positions);
  entry.source = {};
  EXPECT_NE(refusal([&] { read_model_settings(entry, ServerConfig{}); }).find("model.py"), std::string::npos);
}

TEST_F(ConfigurationTest, LoadModelsIsAListOfPaths) {
  write("x/config.json", "{}");
  write("y/config.json", "{}");
  EXPECT_EQ(config("load_models=x, yy=y\n").models.at(1).name, "yy");
}

TEST_F(ConfigurationTest, ReadsTheModelFolderOfTheExample) {
  const ModelEntry entry = parse_model_entry("examples/models/opt13b", GANGLION_SOURCE_DIR);
  const ModelSettings read = read_model_settings(entry, ServerConfig{});
  EXPECT_EQ(read.model_folder, fs::canonical(fs::path(GANGLION_SOURCE_DIR) / "share/opt-demo"));
  EXPECT_EQ(read.batch_size, 2);
  EXPECT_EQ(read.tensor_parallel_degree, 2);
  EXPECT_EQ(read.n_positions, 256);
  EXPECT_EQ(read.dtype, "fp16");
  EXPECT_EQ(read.model_loading_timeout.count(), 600);
  EXPECT_TRUE(read.unused_options.empty());
}

TEST_F(ConfigurationTest, AModelMaySayWhereItsPackedWeightsAreKept) {
  EXPECT_EQ(settings("").weight_cache, "");
  const ModelSettings said = settings("option.weight_cache=/data/packed\n");
  EXPECT_EQ(said.weight_cache, "/data/packed");
  EXPECT_TRUE(said.unused_options.empty());
}

TEST_F(ConfigurationTest, WeightsOfEightBitsAreAskedForInDjlsTwoWays) {
  EXPECT_EQ(settings("option.load_in_8bit=true\n").quantize, "static_int8");
  EXPECT_EQ(settings("option.load_in_8bit=True\noption.quantize=static_int8\n").quantize, "static_int8");
  EXPECT_EQ(settings("option.load_in_8bit=false\n").quantize, "");
  const ModelSettings four = settings("option.quantize=s4\noption.group_size=64\noption.kv_cache_dtype=s8\n");
  EXPECT_EQ(four.quantize, "s4");
  EXPECT_EQ(four.group_size, 64);
  EXPECT_EQ(four.kv_cache_dtype, "s8");
  EXPECT_TRUE(four.unused_options.empty());
}

TEST_F(ConfigurationTest, QuantizationsThatContradictEachOtherAreRefused) {
  EXPECT_THROW(settings("option.load_in_8bit=true\noption.quantize=s4\n"), Error);
  EXPECT_THROW(settings("option.load_in_8bit=maybe\n"), Error);
  EXPECT_THROW(settings("option.group_size=48\n"), Error);
}

TEST_F(ConfigurationTest, TheTokensOfAStepAndThePrefixCacheAreOptions) {
  EXPECT_EQ(settings("").max_rolling_batch_prefill_tokens, 512);
  EXPECT_TRUE(settings("").enable_prefix_caching);
  const ModelSettings own =
      settings("option.max_rolling_batch_prefill_tokens=128\noption.enable_prefix_caching=false\n");
  EXPECT_EQ(own.max_rolling_batch_prefill_tokens, 128);
  EXPECT_FALSE(own.enable_prefix_caching);
  EXPECT_TRUE(own.unused_options.empty());
  EXPECT_THROW(settings("option.max_rolling_batch_prefill_tokens=0\n"), Error);
}

TEST_F(ConfigurationTest, ModelsHaveTheServersDefaults) {
  ServerConfig server;
  server.job_queue_size = 5;
  server.tensor_parallel_degree = "max";
  const ModelSettings read = settings("", server);
  EXPECT_EQ(read.model_folder, folder_ / "m");
  EXPECT_EQ(read.n_positions, 128);
  EXPECT_EQ(read.job_queue_size, 5);
  EXPECT_FALSE(read.tensor_parallel_degree.has_value());
}

TEST_F(ConfigurationTest, UnknownOptionsAreListedNotFatal) {
  EXPECT_EQ(settings("option.unroll=1\noption.batch_size=2\nminWorkers=1\noption.x=\n").unused_options,
            (std::vector<std::string>{"option.unroll", "option.x"}));
}

TEST_F(ConfigurationTest, AModelFromElsewhereIsNamedAndNotFetched) {
  ModelSettings read = settings("option.model_id=facebook/opt-13b\noption.revision=refs/pr/1\n");
  EXPECT_EQ(read.source.kind, hub::SourceKind::kHuggingFace);
  EXPECT_EQ(read.source.text, "facebook/opt-13b");
  EXPECT_EQ(read.revision, "refs/pr/1");
  EXPECT_TRUE(read.model_folder.empty());
  EXPECT_TRUE(read.unused_options.empty());
  read = settings("option.s3url=s3://bucket/models/opt/\noption.revision=x\n");
  EXPECT_EQ(read.source.kind, hub::SourceKind::kS3);
  EXPECT_EQ(read.unused_options, std::vector<std::string>{"option.revision"});
  write("m/facebook/opt-13b/config.json", "{}");  // a folder wins over an id
  EXPECT_EQ(settings("option.model_id=facebook/opt-13b\n").model_folder, folder_ / "m/facebook/opt-13b");
}

TEST_F(ConfigurationTest, WrongSettingsAreRefusedWithTheirPlace) {
  EXPECT_EQ(refusal([&] { settings("option.batch_size=0\n"); }),
            "[serving.properties] option.batch_size=0: wanted a whole number from 1 to 65536");
  EXPECT_EQ(refusal([&] { settings("option.tensor_parallel_degree=two\n"); }),
            "[serving.properties] option.tensor_parallel_degree=two: wanted a whole number from 1 to 1024, or max");
  EXPECT_NE(refusal([&] { settings("engine=PyTorch\n"); }).find("[serving.properties] engine=PyTorch:"),
            std::string::npos);
  EXPECT_NE(refusal([&] { settings("option.entryPoint=mine.py\n"); }).find("option.entryPoint=mine.py"),
            std::string::npos);
  EXPECT_NE(refusal([&] { settings("option.model_id=./nowhere\n"); }).find("'./nowhere': there is no such folder"),
            std::string::npos);
  EXPECT_NE(refusal([&] { settings("option.model_id=djl://ai.djl/x\n"); }).find("DJL's model zoo"), std::string::npos);
  EXPECT_NE(refusal([&] { settings("option.s3url=bucket/x\n"); }).find("wanted s3://BUCKET/KEY"), std::string::npos);
  EXPECT_NE(refusal([&] { settings("option.model_id=a/b\noption.s3url=s3://bucket/x\n"); }).find("wanted one of them"),
            std::string::npos);
  write("m/model.py", "");
  EXPECT_NE(refusal([&] { settings(""); }).find("model.py"), std::string::npos);
}

TEST(JsonText, WritesAsGsonAndAsPythonDo) {
  const nlohmann::ordered_json value = {
      {"a", "<'&=>\n\x01\xE2\x80\xA8\xC3\xA9"}, {"b", nlohmann::ordered_json::array()}, {"c", {1, 2.5}}};
  EXPECT_EQ(gson_text(value),
            "{\n  \"a\": \"\\u003c\\u0027\\u0026\\u003d\\u003e\\n\\u0001\\u2028\xC3\xA9\",\n  \"b\": [],\n  \"c\": [\n "
            "   1,\n    2.5\n  ]\n}\n");
  EXPECT_EQ(python_text({{"a", "<é>"}, {"b", {1}}}), "{\n  \"a\":\"<é>\",\n  \"b\":[\n    1\n  ]\n}");
  EXPECT_EQ(python_line({{"a", {1, 2}}, {"b", "x"}}), "{\"a\": [1, 2], \"b\": \"x\"}");
}

}  // namespace
}  // namespace ganglion::server
