#include "hub/file_choice.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ganglion::hub {
namespace {

using Names = std::vector<std::string>;

TEST(FileChoice, TakesSafetensorsAndNotTheSameWeightsInOtherForms) {
  const FileChoice choice =
      choose_files({".gitattributes", "README.md", "config.json", "flax_model.msgpack", "generation_config.json",
                    "merges.txt", "model.safetensors", "onnx/model.onnx", "onnx/config.json", "pytorch_model.bin",
                    "rust_model.ot", "special_tokens_map.json", "tf_model.h5", "tokenizer.json",
                    "tokenizer_config.json", "vocab.json", "modeling.py", "tokenizer.model"},
                   "test");
  EXPECT_EQ(choice.files, (Names{"config.json", "generation_config.json", "merges.txt", "model.safetensors",
                                 "special_tokens_map.json", "tokenizer.json", "tokenizer.model",
                                 "tokenizer_config.json", "vocab.json"}));
  EXPECT_EQ(choice.index, "");
}

TEST(FileChoice, WithoutSafetensorsPytorchsAreTaken) {
  EXPECT_EQ(choose_files({"config.json", "pytorch_model.bin", "tf_model.h5"}, "test").files,
            (Names{"config.json", "pytorch_model.bin"}));
}

TEST(FileChoice, AnIndexIsPreferredByItsFormAndNamesTheShards) {
  const FileChoice choice =
      choose_files({"config.json", "model-00001-of-00002.safetensors", "model.safetensors.index.json",
                    "pytorch_model.bin", "pytorch_model.bin.index.json"},
                   "test");
  EXPECT_EQ(choice.files, (Names{"config.json", "model.safetensors.index.json"}));
  EXPECT_EQ(choice.index, "model.safetensors.index.json");
  EXPECT_EQ(shards_of_index(R"({"metadata":{},"weight_map":{"a":"s2","b":"s1","c":"s2"}})", "index"),
            (Names{"s1", "s2"}));
}

TEST(FileChoice, ASplitFolderIsTakenWhole) {
  EXPECT_EQ(
      choose_files({"config.json", "pytorch_model.bin/key_to_filename.json", "pytorch_model.bin/p0.w"}, "test").files,
      (Names{"config.json", "pytorch_model.bin/key_to_filename.json", "pytorch_model.bin/p0.w"}));
}

TEST(FileChoice, SaysWhatIsThereWhenNothingCanBeRead) {
  try {
    choose_files({"config.json", "tf_model.h5", "README.md"}, "hub: a/b");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kNotFound);
    EXPECT_NE(std::string(error.what()).find("there is tf_model.h5"), std::string::npos) << error.what();
  }
  EXPECT_THROW(choose_files({"model.safetensors"}, "test"), Error);
}

TEST(FileChoice, NamesThatLeadElsewhereAreRefused) {
  for (const std::string name : {"", "/etc/passwd", "..", "../x", "a/../b", "a//b", "./a", "a/", "a\\b", "a\nb",
                                 "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q"}) {
    EXPECT_THROW(check_file_name(name, "test"), Error) << name;
  }
  EXPECT_THROW(check_file_name(std::string("a\0b", 3), "test"), Error);
  EXPECT_THROW(check_file_name(std::string(300, 'a'), "test"), Error);
  check_file_name("onnx/model.onnx", "test");
  check_file_name("..a/b..", "test");
}

TEST(FileChoice, AnIndexThatLiesIsRefused) {
  for (const char* text : {"", "[]", "{}", R"({"weight_map":[]})", R"({"weight_map":{}})", R"({"weight_map":{"a":1}})",
                           R"({"weight_map":{"a":"../../x"}})", R"({"weight_map":{"a":"/x"}})"}) {
    EXPECT_THROW(shards_of_index(text, "index"), Error) << text;
  }
}

}  // namespace
}  // namespace ganglion::hub
