// agreement MODEL [TEXT]: teacher-forced agreement of every storage type with f32, over 2,000 tokens that the model
// wrote itself or over a text file.
#include <cmath>
#include <cstdio>
#include <exception>

#include "agreement/teacher_forcing.h"

int main(int argc, char** argv) {
  using namespace ganglion;
  if (argc < 2 || argc > 3) {
    std::fprintf(stderr, "usage: agreement MODEL [TEXT]\n");
    return 2;
  }
  try {
    const auto windows =
        argc == 3 ? agreement::windows_of_text(argv[1], argv[2]) : agreement::self_written(argv[1], 2000);
    const agreement::Predictions f32 = agreement::predict(argv[1], {}, windows);
    std::printf("%zu positions\n%-18s agreement  perplexity\n%-18s %8.2f %%  %.4f\n", f32.best.size(), "", "f32", 100.0,
                std::exp(f32.nats));
    const auto print = [&](const char* name, const models::Types& types) {
      const auto other = agreement::predict(argv[1], types, windows);
      std::printf("%-18s %8.2f %%  %.4f\n", name, 100 * agreement::agreement(other, f32), std::exp(other.nats));
    };
    print("f16, cache f16", {.storage = DType::kF16, .kv = DType::kF16});
    print("bf16, cache bf16", {.storage = DType::kBF16, .kv = DType::kBF16});
    print("cache s8", {.kv = DType::kS8});
    print("s8", {.storage = DType::kS8});
    print("s4 in 32, head s8", {.storage = DType::kS4, .group = 32});
    print("s4 in 64, head s8", {.storage = DType::kS4, .group = 64});
    print("s4 in 128, head s8", {.storage = DType::kS4, .group = 128});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "agreement: %s\n", error.what());
    return 1;
  }
  return 0;
}
