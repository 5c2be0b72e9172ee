#include "tests/exactness/golden.h"

#include <memory>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "checkpoint/store.h"
#include "models/registry.h"
#include "tensor/npy.h"

namespace ganglion::exactness {

const std::vector<std::string>& golden_names() {
  static const std::vector<std::string> names = {"pre-norm-relu-tied",
                                                 "pre-norm-gelu-untied",
                                                 "post-norm-projections",
                                                 "sharded",
                                                 "demo",
                                                 "gpt2",
                                                 "gpt2-variant",
                                                 "gpt-bigcode-multi-query",
                                                 "gpt-bigcode-heads",
                                                 "gptj",
                                                 "gptj-tied",
                                                 "llama",
                                                 "llama3-grouped-tied",
                                                 "llama-linear",
                                                 "llama-dynamic",
                                                 "llama-biases"};
  return names;
}

Golden load_golden(const std::string& name) {
  const std::filesystem::path source = GANGLION_SOURCE_DIR;
  std::filesystem::path folder = source / "tests/goldens/opt" / name;
  if (!std::filesystem::exists(folder)) folder = source / "tests/goldens/families" / name;
  const auto json = nlohmann::json::parse(read_text(folder / "goldens.json"));
  Golden golden;
  golden.model = name == "demo" ? source / "share/opt-demo" : folder;
  golden.logit_steps = json.at("logit_steps").get<std::vector<std::int64_t>>();
  for (const auto& prompt : json.at("prompts")) {
    golden.prompts.push_back({prompt.at("ids").get<std::vector<std::int32_t>>(),
                              prompt.at("new_ids").get<std::vector<std::int32_t>>(),
                              prompt.at("gaps").get<std::vector<double>>()});
  }
  golden.logits = read_npy(folder / "logits.npy");
  return golden;
}

Checkpoint open_checkpoint(const std::filesystem::path& folder) {
  const models::Config config = models::read_config(folder);
  // The finder must find the store alive for as long as it is called.
  const auto store = std::make_shared<const checkpoint::Store>(checkpoint::Store::open(folder));
  const auto find = models::checkpoint_weights(*store, models::find_family(config.model_type).optional_prefixes);
  return {config, [store, find](const std::string& name, const Dims& dims) { return find(name, dims); }};
}

}  // namespace ganglion::exactness
