// evaluate_module MODULE.hlo.pb OUT_FOLDER [ARGUMENT.npy ...]: evaluates a module on one rank and writes 0.npy, 1.npy,
// ... evaluate_module --random SEED OUT_FOLDER: writes a random module (module.hlo.pb), its arguments (argument0.npy,
// ...),
//   its results (0.npy, ...) and tolerances.txt, one line per result.
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "hlo/proto_reader.h"
#include "hlo/proto_writer.h"
#include "reference/evaluate.h"
#include "tensor/npy.h"
#include "tests/differential/random_module.h"

namespace ganglion::differential {
namespace {

void write_results(const hlo::Module& module, const std::vector<Tensor>& arguments,
                   const std::filesystem::path& folder) {
  std::vector<TensorView> views;
  for (const Tensor& argument : arguments) views.push_back(argument.view());
  const std::vector<Tensor> results = reference::evaluate(module, views);
  for (std::size_t i = 0; i < results.size(); ++i) write_npy(folder / (std::to_string(i) + ".npy"), results[i].view());
}

void evaluate_file(const std::vector<std::string>& words) {
  const std::string bytes = read_text(words.at(0), std::uint64_t{1} << 30);
  const auto module = hlo::read_proto(std::as_bytes(std::span(bytes.data(), bytes.size())));
  std::vector<Tensor> arguments;
  for (std::size_t i = 2; i < words.size(); ++i) arguments.push_back(read_npy(words[i]));
  write_results(*module, arguments, words.at(1));
}

void make_random(const std::vector<std::string>& words) {
  const std::filesystem::path folder = words.at(2);
  const RandomModule random = random_module(std::stoull(words.at(1)));
  std::ofstream(folder / "module.hlo.pb", std::ios::binary) << hlo::write_proto(*random.module);
  for (std::size_t i = 0; i < random.arguments.size(); ++i) {
    write_npy(folder / ("argument" + std::to_string(i) + ".npy"), random.arguments[i].view());
  }
  std::ofstream tolerances(folder / "tolerances.txt");
  for (const double tolerance : random.tolerances) tolerances << tolerance << "\n";
  write_results(*random.module, random.arguments, folder);
}

}  // namespace
}  // namespace ganglion::differential

int main(int count, char** values) {
  const std::vector<std::string> words(values + 1, values + count);
  if (words.size() < 2) {
    std::fputs("usage: evaluate_module MODULE.hlo.pb OUT_FOLDER [ARGUMENT.npy ...] | --random SEED OUT_FOLDER\n",
               stderr);
    return 2;
  }
  try {
    if (words[0] == "--random") {
      ganglion::differential::make_random(words);
    } else {
      ganglion::differential::evaluate_file(words);
    }
  } catch (const ganglion::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return ganglion::exit_code(error.code());
  }
  return 0;
}
