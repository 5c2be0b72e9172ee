// A pickle machine that makes nothing but plain values: the opcodes of protocol 2 that torch.save uses, and the
// handful of names that tensors need. A pickle is a program that can call anything; this one's reader has nothing to
// call: a name that is not in its list, or an opcode that is not in its table, ends the reading (see
// decisions/own-unpickler.md). The stack machine's definition is the text of CPython's Lib/pickletools.py.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ganglion::checkpoint::pickle {

// The only names that a pickle may ask for.
enum class Name {
  kOrderedDict,                // collections.OrderedDict
  kSize,                       // torch.Size
  kRebuildTensor,              // torch._utils._rebuild_tensor, of PyTorch before 0.4
  kRebuildTensorV2,            // torch._utils._rebuild_tensor_v2
  kRebuildParameter,           // torch._utils._rebuild_parameter
  kRebuildParameterWithState,  // torch._utils._rebuild_parameter_with_state
  kStorage,                    // torch.FloatStorage and its like: Value::text says which
};

using Ref = std::uint32_t;  // a value's index in Pickle::values

enum class Kind { kNone, kBool, kInteger, kLong, kFloat, kText, kTuple, kList, kDict, kName, kStorage, kCall };

struct Value {
  Kind kind = Kind::kNone;
  Name name = Name::kOrderedDict;  // kName; kCall: of one of the kRebuild functions
  bool ordered = false;            // kDict: a collections.OrderedDict
  std::int64_t integer = 0;        // kInteger; kBool: 0 or 1
  std::string text = {};           // kText; kName: the last part; kLong: little-endian bytes of more than 8
  // kTuple, kList; kDict: key, value, key, ...; kCall, kStorage: one tuple, of the arguments
  std::vector<Ref> items = {};
};

// Values refer to each other by index, may be shared, and may contain themselves: follow only what you know the form
// of.
struct Pickle {
  std::vector<Value> values;
  Ref root = 0;
  std::size_t bytes = 0;  // that it took
  const Value& operator[](Ref ref) const { return values[ref]; }
};

inline constexpr std::size_t kMostValues = 1 << 21;
inline constexpr std::size_t kMostNesting = 256;

// Reads one pickle from the beginning of `bytes`, which may go on after it. Time and memory are in proportion to the
// bytes read. `place` names the file in messages. Errors: {kUnsupported} for an opcode or a name that is not read,
// another protocol, or one of the limits above; {kDataCorrupt} for what no pickler writes.
Pickle read(std::span<const std::byte> bytes, std::string_view place);

}  // namespace ganglion::checkpoint::pickle
