// agreement MODEL [TEXT]: teacher-forced agreement of f16 and bf16 storage with f32, over 2,000 tokens that the model
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
    std::printf("%zu positions\n%-5s agreement  perplexity\n%-5s %8.2f %%  %.4f\n", f32.best.size(), "", "f32", 100.0,
                std::exp(f32.nats));
    for (const DType dtype : {DType::kF16, DType::kBF16}) {
      const auto half =
          agreement::predict(argv[1], {.storage = dtype, .activation = DType::kF32, .kv = dtype}, windows);
      std::printf("%-5s %8.2f %%  %.4f\n", std::string(dtype_name(dtype)).c_str(),
                  100 * agreement::agreement(half, f32), std::exp(half.nats));
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "agreement: %s\n", error.what());
    return 1;
  }
  return 0;
}
