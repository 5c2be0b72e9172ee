#include "agreement/outliers.h"

#include "checkpoint/store.h"
#include "checkpoint/write.h"

namespace ganglion::agreement {
namespace {

bool reads_a_norm(const std::string& name) {
  for (const char* matrix : {"q_proj.weight", "k_proj.weight", "v_proj.weight", "fc1.weight"}) {
    if (name.ends_with(matrix)) return true;
  }
  return false;
}

}  // namespace

void write_with_outliers(const std::filesystem::path& model, const std::filesystem::path& folder,
                         const Outliers& outliers) {
  const checkpoint::Store store = checkpoint::Store::open(model);
  std::vector<checkpoint::NamedTensor> tensors;
  for (const std::string& name : store.names()) {
    const Tensor stored = read_all(*store.source(name));
    Tensor tensor(DType::kF32, stored.dims());
    for (std::int64_t i = 0; i < stored.elements(); ++i) {
      set_element_from_double(tensor.mutable_view(), i, element_as_double(stored.view(), i));
    }
    const bool norm = name.find("layers.") != std::string::npos && name.find("layer_norm.") != std::string::npos;
    const auto values = tensor.as<float>();
    for (const std::int64_t channel : outliers.channels) {
      if (norm) values[static_cast<std::size_t>(channel)] *= outliers.factor;
      if (!reads_a_norm(name)) continue;
      for (std::int64_t row = 0; row < tensor.dims()[0]; ++row) {
        values[static_cast<std::size_t>(row * tensor.dims()[1] + channel)] /= outliers.factor;
      }
    }
    tensors.push_back({name, tensor_source(std::move(tensor))});
  }
  checkpoint::write_safetensors(folder / "model.safetensors", tensors);
  std::filesystem::copy_file(model / "config.json", folder / "config.json");
}

}  // namespace ganglion::agreement
