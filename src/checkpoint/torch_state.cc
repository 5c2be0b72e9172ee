#include "checkpoint/torch_state.h"

#include <array>
#include <optional>
#include <utility>

#include "base/error.h"
#include "checkpoint/header.h"
#include "checkpoint/quoted.h"

namespace ganglion::checkpoint {
namespace {

using pickle::Kind;
using pickle::Name;
using pickle::Pickle;
using pickle::Ref;
using pickle::Value;

struct StorageName {
  std::string_view name;
  Stored stored;
};
constexpr std::array<StorageName, 10> kStorageNames = {{{"DoubleStorage", Stored::kF64},
                                                        {"FloatStorage", Stored::kF32},
                                                        {"HalfStorage", Stored::kF16},
                                                        {"BFloat16Storage", Stored::kBF16},
                                                        {"LongStorage", Stored::kS64},
                                                        {"IntStorage", Stored::kS32},
                                                        {"ShortStorage", Stored::kS16},
                                                        {"CharStorage", Stored::kS8},
                                                        {"ByteStorage", Stored::kU8},
                                                        {"BoolStorage", Stored::kPred}}};

class StateReader {
 public:
  StateReader(const Pickle& pickle, std::uint64_t longest, std::string_view place)
      : pickle_(pickle), longest_(longest), place_(place) {}

  TorchState read() {
    // Storages of tensors that are passed over count too: in the older file form they lie between the others.
    for (const Value& value : pickle_.values) {
      if (value.kind == Kind::kStorage) read_storage(value);
    }
    const Value& root = pickle_[pickle_.root];
    if (root.kind == Kind::kCall) {
      out_.tensors.emplace("", read_tensor(root, "", false));
      return std::move(out_);
    }
    if (root.kind != Kind::kDict) unsupported("holds neither a state dict nor a tensor");
    for (std::size_t i = 0; i < root.items.size(); i += 2)
      read_entry(pickle_[root.items[i]], pickle_[root.items[i + 1]]);
    return std::move(out_);
  }

 private:
  template <typename... Args>
  [[noreturn]] void corrupt(fmt::format_string<Args...> format, Args&&... args) const {
    fail(Code::kDataCorrupt, "[torch] {}: {}", place_, fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  [[noreturn]] void unsupported(fmt::format_string<Args...> format, Args&&... args) const {
    fail(Code::kUnsupported, "[torch] {}: {}", place_, fmt::format(format, std::forward<Args>(args)...));
  }

  std::uint64_t size(Ref ref, std::string_view what) const {
    const Value& value = pickle_[ref];
    if (value.kind != Kind::kInteger || value.integer < 0) corrupt("{} is no number of 0 or more", what);
    return static_cast<std::uint64_t>(value.integer);
  }
  const std::string& text(Ref ref, std::string_view what) const {
    if (pickle_[ref].kind != Kind::kText) corrupt("{} is no text", what);
    return pickle_[ref].text;
  }

  // ("storage", type, key, device, elements), in the older form with None for a view after them.
  void read_storage(const Value& value) {
    const std::vector<Ref>& items = pickle_[value.items[0]].items;
    if (items.size() != 5 && items.size() != 6) corrupt("a storage is described by {} values; 5 wanted", items.size());
    if (text(items[0], "the first value of a storage") != "storage")
      corrupt("a storage is described as something else");
    const Value& type = pickle_[items[1]];
    if (type.kind != Kind::kName || type.name != Name::kStorage) corrupt("a storage has no type");
    const std::string& key = text(items[2], "a storage's key");
    if (text(items[3], "a storage's device") == "meta")
      unsupported("a storage is on the device meta: it has no numbers");
    if (items.size() == 6 && pickle_[items[5]].kind != Kind::kNone) {
      unsupported("has views of storages, as PyTorch before 0.4 wrote them; save it again");
    }
    TorchStorage storage;
    for (const StorageName& row : kStorageNames) {
      if (row.name == type.text) storage.stored = row.stored;
    }
    storage.elements = size(items[4], "a storage's number of elements");
    if (storage.elements > longest_ / stored_size(storage.stored)) {
      corrupt("the storage {} has {} elements, more than the file's {} bytes hold", in_quotes(key), storage.elements,
              longest_);
    }
    const auto [known, is_new] = out_.storages.emplace(key, storage);
    if (!is_new && (known->second.stored != storage.stored || known->second.elements != storage.elements)) {
      corrupt("the storage {} is described in two ways", in_quotes(key));
    }
  }

  void read_entry(const Value& key, const Value& value) {
    if (key.kind == Kind::kText && !is_utf8(key.text)) corrupt("the name {} is not UTF-8", in_quotes(key.text));
    if (value.kind == Kind::kDict) {
      unsupported(
          "{} is a dictionary within the dictionary; only the state dict itself is read: save that of the model alone",
          key.kind == Kind::kText ? in_quotes(key.text) : "an entry");
    }
    if (value.kind != Kind::kCall) return;
    if (key.kind != Kind::kText || key.text.empty()) corrupt("a tensor's name is no text");
    if (out_.tensors.contains(key.text)) corrupt("{} is there twice", in_quotes(key.text));
    out_.tensors.emplace(key.text, read_tensor(value, key.text, false));
  }

  TorchTensor read_tensor(const Value& call, const std::string& name, bool within_parameter) const {
    const std::vector<Ref>& arguments = pickle_[call.items[0]].items;
    const std::string quoted = name.empty() ? "the tensor" : in_quotes(name);
    if (call.name == Name::kRebuildParameter || call.name == Name::kRebuildParameterWithState) {
      if (within_parameter || arguments.empty() || pickle_[arguments[0]].kind != Kind::kCall) {
        corrupt("{} is a parameter of something else than a tensor", quoted);
      }
      return read_tensor(pickle_[arguments[0]], name, true);
    }
    if (arguments.size() < 4 || arguments.size() > 7) corrupt("{} is made of {} values", quoted, arguments.size());
    const Value& storage = pickle_[arguments[0]];
    if (storage.kind != Kind::kStorage) corrupt("{} is not made of a storage", quoted);
    TorchTensor tensor;
    tensor.storage = pickle_[pickle_[storage.items[0]].items[2]].text;
    tensor.offset = size(arguments[1], "a tensor's offset");
    for (const std::uint64_t dim : sizes(arguments[2], quoted)) tensor.dims.push_back(static_cast<std::int64_t>(dim));
    tensor.strides = sizes(arguments[3], quoted);
    check_within(tensor, quoted);
    return tensor;
  }

  std::vector<std::uint64_t> sizes(Ref ref, const std::string& quoted) const {
    const Value& tuple = pickle_[ref];
    if (tuple.kind != Kind::kTuple) corrupt("{} has a shape or strides that are no tuple", quoted);
    if (tuple.items.size() > kMostDims) unsupported("{} has more than {} dimensions", quoted, kMostDims);
    std::vector<std::uint64_t> out;
    for (const Ref item : tuple.items) out.push_back(size(item, "a size or stride"));
    return out;
  }

  void check_within(const TorchTensor& tensor, const std::string& quoted) const {
    const std::uint64_t room = out_.storages.at(tensor.storage).elements;
    if (tensor.dims.size() != tensor.strides.size()) {
      corrupt("{} has {} dimensions and {} strides", quoted, tensor.dims.size(), tensor.strides.size());
    }
    std::uint64_t count = 1, nonzero = 1;  // the second: no part of the shape may pass 2^62, even if the whole is 0
    for (const std::int64_t dim : tensor.dims) {
      count *= static_cast<std::uint64_t>(dim);
      if (dim != 0 && (__builtin_mul_overflow(nonzero, static_cast<std::uint64_t>(dim), &nonzero) ||
                       nonzero > std::uint64_t{1} << 62)) {
        corrupt("{} has a shape of more than 2^62 elements", quoted);
      }
    }
    if (count == 0) return;
    std::uint64_t last = tensor.offset;
    for (std::size_t i = 0; i < tensor.dims.size(); ++i) {
      std::uint64_t span = 0;
      if (__builtin_mul_overflow(static_cast<std::uint64_t>(tensor.dims[i]) - 1, tensor.strides[i], &span) ||
          __builtin_add_overflow(last, span, &last)) {
        corrupt("{} has strides of 2^64", quoted);
      }
    }
    if (last >= room) corrupt("{} has an element at {} in a storage of {}", quoted, last, room);
    if (count > room) {
      unsupported("{} has {} elements in a storage of {}: it was expanded; save it with .contiguous()", quoted, count,
                  room);
    }
  }

  const Pickle& pickle_;
  const std::uint64_t longest_;
  const std::string_view place_;
  TorchState out_;
};

}  // namespace

TorchState read_state(const Pickle& pickle, std::uint64_t longest, std::string_view place) {
  return StateReader(pickle, longest, place).read();
}

}  // namespace ganglion::checkpoint
