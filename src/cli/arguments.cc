#include "cli/arguments.h"

#include <fmt/format.h>

#include "base/error.h"
#include "tensor/npy.h"

namespace ganglion::cli {
namespace {

// NumPy has no s4: a file holds its numbers as s8.
Tensor as_s4(const Tensor& numbers, const std::filesystem::path& file) {
  Tensor out(DType::kS4, numbers.dims());
  const auto from = numbers.as<std::int8_t>();
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (from[i] < -8 || from[i] > 7)
      fail(Code::kInvalidArgument, "[run] {} holds {}: s4 is wanted, -8 to 7", file.string(), int{from[i]});
    out.as<std::int8_t>()[i] = from[i];
  }
  return out;
}

Tensor read_one(const std::filesystem::path& file, const hlo::Instruction& parameter) {
  Tensor tensor = read_npy(file);
  const hlo::Shape& shape = parameter.shape;
  if (shape.dtype == DType::kS4 && tensor.dtype() == DType::kS8) tensor = as_s4(tensor, file);
  bool fits = tensor.dtype() == shape.dtype && tensor.dims().size() == shape.dims.size();
  for (std::size_t i = 0; fits && i < shape.dims.size(); ++i) {
    const bool bounded = i == 0 && shape.bounded;
    fits = bounded ? tensor.dims()[i] <= shape.dims[i] : tensor.dims()[i] == shape.dims[i];
  }
  if (!fits) {
    fail(Code::kInvalidArgument, "[run] {} holds {}: parameter {} ({}) wants {}", file.string(),
         shape_text(tensor.dtype(), tensor.dims()), parameter.parameter_number, parameter.name, shape.text());
  }
  return tensor;
}

}  // namespace

std::vector<std::vector<Tensor>> read_arguments(const hlo::Module& module, const std::vector<std::string>& files,
                                                const std::filesystem::path& folder, int ranks) {
  const auto parameters = module.entry->parameters();
  if (!files.empty() && files.size() != parameters.size()) {
    fail(Code::kInvalidArgument, "[run] {} files given with --input: the module has {} parameters", files.size(),
         parameters.size());
  }
  std::vector<std::vector<Tensor>> out(static_cast<std::size_t>(ranks));
  for (int rank = 0; rank < ranks; ++rank) {
    for (const hlo::Instruction* parameter : parameters) {
      const auto number = parameter->parameter_number;
      auto& mine = out[static_cast<std::size_t>(rank)];
      if (!files.empty()) {
        mine.push_back(read_one(files[static_cast<std::size_t>(number)], *parameter));
        continue;
      }
      const auto own = folder / fmt::format("{}.rank{}.npy", number, rank);
      const auto common = folder / fmt::format("{}.npy", number);
      if (std::filesystem::exists(own)) {
        mine.push_back(read_one(own, *parameter));
      } else if (std::filesystem::exists(common) || parameter->role != hlo::ParameterRole::kState) {
        mine.push_back(read_one(common, *parameter));
      } else {
        mine.emplace_back(parameter->shape.dtype, parameter->shape.dims);
      }
    }
  }
  return out;
}

void write_argument(const std::filesystem::path& folder, std::int64_t number, const TensorView& value) {
  write_npy(folder / fmt::format("{}.npy", number), value);
}

void write_argument(const std::filesystem::path& folder, std::int64_t number, int rank, const TensorView& value) {
  write_npy(folder / fmt::format("{}.rank{}.npy", number, rank), value);
}

}  // namespace ganglion::cli
