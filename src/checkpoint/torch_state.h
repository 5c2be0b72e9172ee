// What the pickle of a torch file says about tensors: which storages there are, and how tensors lie in them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/file_source.h"
#include "checkpoint/pickle.h"

namespace ganglion::checkpoint {

struct TorchStorage {
  Stored stored = Stored::kF32;
  std::uint64_t elements = 0;
  std::uint64_t bytes() const { return elements * stored_size(stored); }
};

// A view of a storage. Every element is within it, and there are no more elements than it has.
struct TorchTensor {
  std::string storage;       // its key
  std::uint64_t offset = 0;  // of the element at index 0, in elements
  Dims dims;
  std::vector<std::uint64_t> strides;
};

struct TorchState {
  std::map<std::string, TorchStorage> storages;             // by key
  std::map<std::string, TorchTensor, std::less<>> tensors;  // by name; "" when the file holds one tensor without a name
};

// The state dict, or the one tensor, that is the pickle's value. Entries that are no tensors (None, numbers, texts,
// lists) are passed over, as loading a state dict in Python does. `longest` bounds a storage's bytes: the file's size.
// Errors: {kUnsupported} for a dictionary within the dictionary, a value of another kind, more than kMostDims
// dimensions, a tensor with more elements than its storage (expanded), or one on the meta device; {kDataCorrupt} for
// descriptions that torch never writes.
TorchState read_state(const pickle::Pickle& pickle, std::uint64_t longest, std::string_view place);

}  // namespace ganglion::checkpoint
