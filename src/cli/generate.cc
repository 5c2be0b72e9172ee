// `ganglion generate`: prompts in, text out, through the same engine that serves.
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <limits>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/cores.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/thread_pool.h"
#include "cli/load_progress.h"
#include "cli/model_options.h"
#include "cli/model_source.h"
#include "cli/verb.h"
#include "engine/model.h"
#include "tensor/npy.h"

namespace ganglion::cli {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;

struct Options {
  ModelSource model;
  std::vector<std::string> texts;
  std::vector<std::string> id_lists;
  std::string prompts_file;
  std::string logits_file;
  std::int64_t max_new_tokens = 64;
  std::int64_t batch = 32;
  double temperature = 1.0;
  std::int64_t top_k = 0;
  double top_p = 1.0;
  std::uint64_t seed = 0;
  bool sample = false;
  bool seeded = false;
  bool ignore_eos = false;
  bool json = false;
  ModelOptions engine;
};

// One prompt and what came of it. Written on the engine thread, read after it ended.
struct Generation {
  std::vector<std::int32_t> prompt;
  std::vector<std::int32_t> new_ids;
  std::vector<float> logits;  // [new tokens, vocab] when asked for
  Clock::time_point submitted, first, last;
  std::exception_ptr error;
};

std::vector<std::int32_t> parse_ids(const std::string& text) {
  std::vector<std::int32_t> ids;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    char* stop = nullptr;
    const long long id = std::strtoll(part.c_str(), &stop, 10);
    if (part.empty() || *stop != '\0' || id < 0 || id > std::numeric_limits<std::int32_t>::max()) {
      fail(Code::kInvalidArgument, "[generate] --prompt-ids '{}': wanted token ids separated by commas, as in 5,17,9",
           text);
    }
    ids.push_back(static_cast<std::int32_t>(id));
    begin = end + 1;
  }
  return ids;
}

// A JSON list whose items are texts or lists of token ids.
void read_prompts(const std::string& file, const engine::Model& model, std::vector<Generation>& out) {
  const Json document = read_json(file);
  if (!document.is_array())
    fail(Code::kInvalidArgument, "[generate] {}: wanted a JSON list of texts or of token id lists", file);
  for (const Json& item : document) {
    Generation generation;
    if (item.is_string()) {
      if (model.tokenizer == nullptr) tokenizer::Tokenizer::load(model.folder);  // which says what is missing
      generation.prompt = model.tokenizer->encode(item.get<std::string>());
    } else if (item.is_array()) {
      for (const Json& id : item) {
        if (!id.is_number_integer() || id < 0 || id > std::numeric_limits<std::int32_t>::max()) {
          fail(Code::kInvalidArgument, "[generate] {}: {} is not a token id", file, id.dump());
        }
        generation.prompt.push_back(id.get<std::int32_t>());
      }
    } else {
      fail(Code::kInvalidArgument, "[generate] {}: {} is neither a text nor a list of token ids", file, item.dump());
    }
    out.push_back(std::move(generation));
  }
}

// Submits every prompt at once and waits for all.
void generate_all(engine::Engine& engine, const Options& options, const std::vector<std::int32_t>& stop_ids,
                  std::int64_t vocab, std::vector<Generation>& generations) {
  std::mutex mutex;
  std::condition_variable ended;
  std::size_t left = generations.size();
  std::vector<engine::Engine::RequestId> ids;
  try {
    for (Generation& generation : generations) {
      engine::Request request;
      request.prompt = generation.prompt;
      request.max_new_tokens = options.max_new_tokens;
      request.sampling.greedy = !options.sample;
      request.sampling.temperature = options.temperature;
      request.sampling.top_k = options.top_k;
      request.sampling.top_p = options.top_p;
      if (options.seeded) request.sampling.seed = options.seed;
      if (!options.ignore_eos) request.stop_ids = stop_ids;
      request.want_logits = !options.logits_file.empty();
      request.on_token = [&, target = &generation](const engine::TokenEvent& event) {
        if (event.id >= 0) {
          target->last = Clock::now();
          if (target->new_ids.empty()) target->first = target->last;
          target->new_ids.push_back(event.id);
          if (event.logits != nullptr) target->logits.insert(target->logits.end(), event.logits, event.logits + vocab);
        }
        if (event.finish == engine::FinishReason::kNone) return;
        target->error = event.error;
        const std::lock_guard<std::mutex> lock(mutex);
        --left;
        ended.notify_one();
      };
      generation.submitted = Clock::now();
      ids.push_back(engine.submit(std::move(request)));
    }
  } catch (...) {
    for (const auto id : ids) engine.cancel(id);
    std::unique_lock<std::mutex> lock(mutex);
    ended.wait(lock, [&] { return left == generations.size() - ids.size(); });
    throw;
  }
  std::unique_lock<std::mutex> lock(mutex);
  ended.wait(lock, [&] { return left == 0; });
  for (const Generation& generation : generations) {
    if (generation.error) std::rethrow_exception(generation.error);
  }
}

void write_logits(const std::string& file, const std::vector<Generation>& generations, std::int64_t vocab) {
  std::vector<float> all;
  for (const Generation& generation : generations)
    all.insert(all.end(), generation.logits.begin(), generation.logits.end());
  const std::int64_t rows = static_cast<std::int64_t>(all.size()) / vocab;
  write_npy(file, Tensor::from<float>(DType::kF32, {rows, vocab}, all).view());
}

int generate(const Options& options, const Settings& settings) {
  const std::filesystem::path folder = bring_model(options.model, settings, "generate");
  ThreadPool pool(options.engine.threads, [] { return available_cores(); });
  engine::EngineOptions engine_options = engine_options_of(options.engine, pool);
  engine_options.max_sequences = options.batch;
  engine_options.needs_tokenizer = !options.texts.empty();
  engine_options.on_progress = print_load_progress(stderr);
  const engine::Model model = engine::load_model(folder, engine_options);
  std::fprintf(stderr, "[loaded: %s]\n", model.report.text().c_str());

  std::vector<Generation> generations;
  for (const std::string& text : options.texts) {
    generations.emplace_back().prompt = model.tokenizer->encode(text);
  }
  for (const std::string& ids : options.id_lists) generations.emplace_back().prompt = parse_ids(ids);
  if (!options.prompts_file.empty()) read_prompts(options.prompts_file, model, generations);
  if (generations.empty())
    fail(Code::kInvalidArgument, "[generate] no prompt: give -p TEXT, --prompt-ids 5,17 or --prompts FILE.json");

  generate_all(*model.engine, options, model.config.eos_ids(), model.config.vocab, generations);
  if (!options.logits_file.empty()) write_logits(options.logits_file, generations, model.config.vocab);

  const auto seconds = [](Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration<double>(to - from).count();
  };
  if (options.json) {
    Json list = Json::array();
    for (const Generation& generation : generations) {
      list.push_back({{"prompt_ids", generation.prompt},
                      {"new_ids", generation.new_ids},
                      {"text", model.tokenizer ? Json(model.tokenizer->decode(generation.new_ids)) : Json()},
                      {"prefill_s", seconds(generation.submitted, generation.first)},
                      {"decode_s", seconds(generation.first, generation.last)}});
    }
    std::printf("%s\n", list.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
    return 0;
  }
  for (const Generation& generation : generations) {
    if (model.tokenizer) {
      std::printf("%s%s\n", model.tokenizer->decode(generation.prompt).c_str(),
                  model.tokenizer->decode(generation.new_ids).c_str());
    } else {
      std::vector<std::int32_t> ids = generation.prompt;
      ids.insert(ids.end(), generation.new_ids.begin(), generation.new_ids.end());
      std::printf("%s\n", fmt::format("{}", fmt::join(ids, ",")).c_str());
    }
    const double decode = seconds(generation.first, generation.last);
    const std::size_t count = generation.new_ids.size();
    std::fprintf(stderr, "[%zu prompt tokens in %.3f s, %zu new tokens, %.1f tokens/s]\n", generation.prompt.size(),
                 seconds(generation.submitted, generation.first), count,
                 count > 1 && decode > 0 ? static_cast<double>(count - 1) / decode : 0.0);
  }
  return 0;
}

}  // namespace

Action add_generate(CLI::App& verb, const Settings& settings) {
  auto options = std::make_shared<Options>();
  verb.add_option("MODEL", options->model.text, kModelHelp)->required();
  add_revision(verb, options->model);
  verb.add_option("-p,--prompt", options->texts, "a prompt; may be given several times");
  verb.add_option("--prompt-ids", options->id_lists, "a prompt as token ids: 5,17,9; may be given several times");
  verb.add_option("--prompts", options->prompts_file, "a JSON list of prompts: texts or lists of token ids");
  verb.add_option("--max-new-tokens", options->max_new_tokens, "tokens to generate")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  verb.add_option("--batch", options->batch, "prompts that run at once; the others wait")
      ->capture_default_str()
      ->check(CLI::Range(1, 65'536));
  verb.add_flag("--ignore-eos", options->ignore_eos, "do not stop at end-of-text");
  CLI::Option* temperature = verb.add_option("--temperature", options->temperature, "sample, with this temperature");
  CLI::Option* top_k = verb.add_option("--top-k", options->top_k, "sample among the K best");
  CLI::Option* top_p = verb.add_option("--top-p", options->top_p, "sample among the best that hold this probability");
  CLI::Option* seed = verb.add_option("--seed", options->seed, "sample, with this seed");
  verb.add_option("--logits", options->logits_file,
                  "write the logits of every generated position to this .npy, [positions, vocab]");
  verb.add_flag("--json", options->json, "print a JSON list, one object per prompt");
  add_model_options(verb, settings, options->engine);
  verb.footer("example: ganglion generate share/opt-demo -p 'Hello, I am' --max-new-tokens 32 --json");
  return [=, &settings] {
    options->sample = temperature->count() + top_k->count() + top_p->count() + seed->count() > 0;
    options->seeded = seed->count() > 0;
    return generate(*options, settings);
  };
}

}  // namespace ganglion::cli
