// Reads any bytes as the pickle of a torch file, without the archive around it whose checksums would stop most of them,
// and checks what pickle.h and torch_state.h promise about the result.
#include <cstdint>
#include <cstdlib>
#include <span>

#include "base/error.h"
#include "checkpoint/pickle.h"
#include "checkpoint/torch_state.h"

using namespace ganglion;
using namespace ganglion::checkpoint;

namespace {

constexpr std::uint64_t kFileSize = 1 << 20;

void check(const TorchState& state) {
  for (const auto& [key, storage] : state.storages) {
    if (storage.bytes() > kFileSize) std::abort();
  }
  for (const auto& [name, tensor] : state.tensors) {
    const TorchStorage& storage = state.storages.at(tensor.storage);
    const std::int64_t elements = element_count(tensor.dims);
    if (tensor.strides.size() != tensor.dims.size()) std::abort();
    if (static_cast<std::uint64_t>(elements) > storage.elements) std::abort();
    if (elements == 0) continue;
    unsigned __int128 last = tensor.offset;
    for (std::size_t i = 0; i < tensor.dims.size(); ++i) {
      last += static_cast<unsigned __int128>(tensor.dims[i] - 1) * tensor.strides[i];
    }
    if (last >= storage.elements) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const pickle::Pickle pickle = pickle::read(std::as_bytes(std::span(data, size)), "fuzz");
    if (pickle.bytes > size || pickle.root >= pickle.values.size()) std::abort();
    for (const pickle::Value& value : pickle.values) {
      for (const pickle::Ref ref : value.items) {
        if (ref >= pickle.values.size()) std::abort();
      }
    }
    check(read_state(pickle, kFileSize, "fuzz"));
  } catch (const Error& error) {
    if (error.code() != Code::kDataCorrupt && error.code() != Code::kUnsupported) std::abort();
  }
  return 0;
}
