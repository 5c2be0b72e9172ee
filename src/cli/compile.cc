// `ganglion compile`: the step module of a model, for people (HLO text) or for other compilers (HloModuleProto).
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "checkpoint/store.h"
#include "cli/arguments.h"
#include "cli/model_source.h"
#include "cli/verb.h"
#include "engine/model.h"
#include "hlo/proto_writer.h"
#include "hlo/text_printer.h"
#include "models/registry.h"
#include "tokenizer/tokenizer.h"

namespace ganglion::cli {
namespace {

struct Options {
  ModelSource model;
  std::string out = ".";
  std::string format = "hlo";
  std::string dtype = "f32";
  std::string prompt;
  std::vector<std::int32_t> prompt_ids;
  int tp = 1;
  std::int64_t tokens = 8;
  bool bounded = false;
};

// The arguments of one prefill of `ids` as sequence 0, and the weights, as files that `ganglion run` reads.
void write_prompt_arguments(const std::filesystem::path& folder, const models::Step& step,
                            const std::vector<std::int32_t>& ids, const models::StepSize& size) {
  std::filesystem::create_directories(folder);
  const auto count = static_cast<std::int64_t>(ids.size());
  std::vector<std::int32_t> ascending(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) ascending[i] = static_cast<std::int32_t>(i);
  std::vector<std::int32_t> blocks(static_cast<std::size_t>(size.max_blocks));
  for (std::size_t i = 0; i < blocks.size(); ++i) blocks[i] = static_cast<std::int32_t>(i);
  const std::vector<std::int32_t> zeros(ids.size(), 0);
  const std::vector<std::int32_t> last = {static_cast<std::int32_t>(count - 1)};
  const auto s32 = [](Dims dims, const std::vector<std::int32_t>& values) {
    return Tensor::from<std::int32_t>(DType::kS32, std::move(dims), values);
  };
  std::int64_t next = 0;
  if (size.bounded) {
    write_argument(folder, next++, s32({}, {static_cast<std::int32_t>(count)}).view());
    write_argument(folder, next++, s32({}, {1}).view());
  }
  write_argument(folder, next++, s32({count}, ids).view());
  write_argument(folder, next++, s32({count}, ascending).view());
  write_argument(folder, next++, s32({count}, zeros).view());
  write_argument(folder, next++, s32({count}, ascending).view());
  write_argument(folder, next++, s32({1, size.max_blocks}, blocks).view());
  write_argument(folder, next++, s32({1}, last).view());
  if (step.wants_lengths) {
    write_argument(folder, next++, s32({count}, std::vector<std::int32_t>(ids.size(), last[0] + 1)).view());
  }
  const auto parameters = step.module->entry->parameters();
  for (const models::WeightBinding& weight : step.weights) {
    for (std::size_t rank = 0; rank < weight.per_rank.size(); ++rank) {
      const Tensor source = read_all(*weight.per_rank[rank]);
      Tensor value(parameters[static_cast<std::size_t>(weight.parameter)]->shape.dtype, source.dims());
      for (std::int64_t i = 0; i < source.elements(); ++i)
        set_element_from_double(value.mutable_view(), i, element_as_double(source.view(), i));
      if (weight.per_rank.size() == 1) {
        write_argument(folder, weight.parameter, value.view());
      } else {
        write_argument(folder, weight.parameter, static_cast<int>(rank), value.view());
      }
    }
  }
}

int compile(const Options& options, const Settings& settings) {
  const std::filesystem::path checkpoint_folder = bring_model(options.model, settings, "compile");
  const models::Config config = models::read_config(checkpoint_folder);
  const models::Family& family = models::find_family(config.model_type);
  models::check_tp(config, options.tp);
  const checkpoint::Store store = checkpoint::Store::open(checkpoint_folder);

  std::vector<std::int32_t> ids = options.prompt_ids;
  models::StepOptions step_options{.types = engine::parse_types(options.dtype), .size = {}, .tp = options.tp};
  step_options.size.tokens = options.tokens;
  if (!options.prompt.empty()) ids = tokenizer::Tokenizer::load(checkpoint_folder)->encode(options.prompt);
  if (!ids.empty()) step_options.size.tokens = static_cast<std::int64_t>(ids.size());
  if (step_options.size.tokens > config.max_positions) {
    fail(Code::kInvalidArgument, "[compile] {} tokens: the model has {} positions", step_options.size.tokens,
         config.max_positions);
  }
  step_options.size.bounded = options.bounded;
  step_options.size.max_blocks =
      (step_options.size.tokens + step_options.size.block_size - 1) / step_options.size.block_size;
  step_options.size.blocks = step_options.size.max_blocks;
  step_options.size.query_length = options.bounded ? 0 : step_options.size.tokens;
  const models::Step step =
      family.build(config, step_options, models::checkpoint_weights(store, family.optional_prefixes));

  const std::filesystem::path folder = options.out;
  std::filesystem::create_directories(folder);
  const std::filesystem::path file = folder / ("step." + options.format);
  std::ofstream stream(file, std::ios::binary);
  stream << (options.format == "hlo" ? hlo::print_text(*step.module) : hlo::write_proto(*step.module));
  stream.close();
  if (!stream)
    fail(Code::kInvalidArgument, "[compile] {} cannot be written; choose another folder with --out", file.string());
  if (!ids.empty()) write_prompt_arguments(folder / "arguments", step, ids, step_options.size);
  std::printf("%s\n", file.c_str());
  return 0;
}

}  // namespace

Action add_compile(CLI::App& verb, const Settings& settings) {
  auto options = std::make_shared<Options>();
  verb.add_option("MODEL", options->model.text, kModelHelp)->required();
  add_revision(verb, options->model);
  verb.add_option("--out", options->out, "folder to write step.FORMAT to")->capture_default_str();
  verb.add_option("--format", options->format, "hlo (text) or hlo.pb (HloModuleProto)")
      ->capture_default_str()
      ->check(CLI::IsMember({"hlo", "hlo.pb"}));
  verb.add_option("--dtype", options->dtype, "storage of weights and cache: f32, f16, bf16, s8 or s4")
      ->capture_default_str();
  verb.add_option("--tp", options->tp, "tensor parallel degree; the module is one rank's")
      ->capture_default_str()
      ->check(CLI::Range(1, 128));
  verb.add_option("--tokens", options->tokens, "tokens of the step")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  verb.add_flag("--bounded", options->bounded, "any number of tokens up to --tokens, as the engine builds it");
  CLI::Option* prompt =
      verb.add_option("-p,--prompt", options->prompt,
                      "a step of just this prompt; its arguments and the weights go to OUT/arguments for `run`");
  verb.add_option("--prompt-ids", options->prompt_ids, "the same, as token ids: 5,17,9")
      ->delimiter(',')
      ->check(CLI::NonNegativeNumber)
      ->excludes(prompt);
  verb.footer("example: ganglion compile share/opt-demo --out /tmp/step --format hlo.pb -p 'Hello'");
  return [=, &settings] { return compile(*options, settings); };
}

}  // namespace ganglion::cli
