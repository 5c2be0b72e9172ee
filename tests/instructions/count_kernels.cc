// Runs each hot kernel of one table once on fixed sizes, and the sampler, with callgrind counting just that call and
// writing the count under the kernel's name. usage: valgrind --tool=callgrind --collect-atstart=no count_kernels ISA
// Without valgrind it only runs; --compiler prints what it was built by.
#include <valgrind/callgrind.h>

#include <cstdio>
#include <string>
#include <vector>

#include "cli/kernel_cases.h"
#include "engine/sampler.h"

namespace ganglion {
namespace {

constexpr cli::KernelSizes kSizes = {.n = 256,
                                     .k = 512,
                                     .rows = 64,
                                     .weight_bytes = 0,
                                     .heads = 4,
                                     .kv_heads = 4,
                                     .head_dim = 64,
                                     .sequences = 1,
                                     .context = 512,
                                     .prompt = 64,
                                     .norm_rows = 4,
                                     .cols = 1024};

// The first call is not counted: in it symbols are bound and memory is touched.
template <typename Call>
void count(const std::string& name, const Call& call) {
  call();
  CALLGRIND_TOGGLE_COLLECT;
  call();
  CALLGRIND_TOGGLE_COLLECT;
  CALLGRIND_DUMP_STATS_AT(name.c_str());
}

void count_sampler() {
  constexpr std::size_t kVocab = 32000;
  std::vector<float> logits(kVocab);
  for (std::size_t i = 0; i < kVocab; ++i) logits[i] = static_cast<float>(i * 7919 % 10007) / 1000.0f - 5;
  engine::Sampler sampler;
  count("sampler, greedy", [&] { sampler.pick(logits, {}, -1, 1, 1); });
  const engine::Sampling random{.greedy = false, .top_k = 50, .top_p = 0.9};
  count("sampler, top-k and top-p", [&] { sampler.pick(logits, random, -1, 1, 1); });
}

int main_of_program(const std::string& isa) {
  if (isa == "--compiler") {
    std::printf("%s\n", __VERSION__);
    return 0;
  }
  const kernels::Table* table = kernels::find_table(isa);
  if (table == nullptr) {
    std::fprintf(stderr, "no table %s, or it does not run here\n", isa.c_str());
    return 3;
  }
  for (const cli::KernelCaseMaker& maker : cli::kernel_cases(*table, kSizes)) {
    const cli::KernelCase kernel = maker.make(1);
    count(maker.name, [&] { kernel.call(0); });
  }
  if (isa == "scalar") count_sampler();  // of which there is one for all tables
  return 0;
}

}  // namespace
}  // namespace ganglion

int main(int argc, char** argv) { return argc == 2 ? ganglion::main_of_program(argv[1]) : 2; }
