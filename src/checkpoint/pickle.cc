#include "checkpoint/pickle.h"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "checkpoint/quoted.h"

namespace ganglion::checkpoint::pickle {
namespace {

struct KnownName {
  std::string_view module;
  std::string_view name;
  Name is;
};
constexpr std::array<KnownName, 6> kKnownNames = {{
    {"collections", "OrderedDict", Name::kOrderedDict},
    {"torch", "Size", Name::kSize},
    {"torch._utils", "_rebuild_tensor", Name::kRebuildTensor},
    {"torch._utils", "_rebuild_tensor_v2", Name::kRebuildTensorV2},
    {"torch._utils", "_rebuild_parameter", Name::kRebuildParameter},
    {"torch._utils", "_rebuild_parameter_with_state", Name::kRebuildParameterWithState},
}};
constexpr std::array<std::string_view, 10> kStorages = {
    "DoubleStorage", "FloatStorage", "HalfStorage", "BFloat16Storage", "LongStorage",
    "IntStorage",    "ShortStorage", "CharStorage", "ByteStorage",     "BoolStorage"};

std::optional<Name> known_name(std::string_view module, std::string_view name) {
  for (const KnownName& known : kKnownNames) {
    if (known.module == module && known.name == name) return known.is;
  }
  if (module == "torch" && std::find(kStorages.begin(), kStorages.end(), name) != kStorages.end()) {
    return Name::kStorage;
  }
  return std::nullopt;
}

// What messages call the opcodes that are not read.
std::string opcode_text(unsigned char opcode) {
  struct Row {
    unsigned char opcode;
    const char* name;
  };
  constexpr Row kRows[] = {{'0', "POP"},
                           {'1', "POP_MARK"},
                           {'2', "DUP"},
                           {'F', "FLOAT"},
                           {'I', "INT"},
                           {'L', "LONG"},
                           {'S', "STRING"},
                           {'V', "UNICODE"},
                           {'B', "BINBYTES"},
                           {'C', "SHORT_BINBYTES"},
                           {'P', "PERSID"},
                           {'d', "DICT"},
                           {'l', "LIST"},
                           {'g', "GET"},
                           {'p', "PUT"},
                           {'i', "INST"},
                           {'o', "OBJ"},
                           {0x81, "NEWOBJ"},
                           {0x82, "EXT1"},
                           {0x83, "EXT2"},
                           {0x84, "EXT4"},
                           {0x8b, "LONG4"},
                           {0x8c, "SHORT_BINUNICODE"},
                           {0x8d, "BINUNICODE8"},
                           {0x8e, "BINBYTES8"},
                           {0x8f, "EMPTY_SET"},
                           {0x90, "ADDITEMS"},
                           {0x91, "FROZENSET"},
                           {0x92, "NEWOBJ_EX"},
                           {0x93, "STACK_GLOBAL"},
                           {0x94, "MEMOIZE"},
                           {0x95, "FRAME"},
                           {0x96, "BYTEARRAY8"},
                           {0x97, "NEXT_BUFFER"},
                           {0x98, "READONLY_BUFFER"}};
  for (const Row& row : kRows) {
    if (row.opcode == opcode) return row.name;
  }
  return fmt::format("{:#04x}", opcode);
}

class Machine {
 public:
  Machine(std::span<const std::byte> bytes, std::string_view place) : bytes_(bytes), place_(place) {}

  Pickle run() {
    if (next() != 0x80) corrupt("does not begin with PROTO");
    const unsigned protocol = next();
    if (protocol != 2) unsupported("is of protocol {}; 2 is read, which is what torch.save writes", protocol);
    while (step()) {
    }
    if (stack_.size() != 1 || !marks_.empty()) corrupt("ends with {} values on its stack; 1 wanted", stack_.size());
    out_.root = stack_[0];
    out_.bytes = at_;
    return std::move(out_);
  }

 private:
  template <typename... Args>
  [[noreturn]] void corrupt(fmt::format_string<Args...> format, Args&&... args) const {
    fail(Code::kDataCorrupt, "[pickle] {}: the pickle {} (byte {})", place_,
         fmt::format(format, std::forward<Args>(args)...), at_);
  }
  template <typename... Args>
  [[noreturn]] void unsupported(fmt::format_string<Args...> format, Args&&... args) const {
    fail(Code::kUnsupported, "[pickle] {}: the pickle {} (byte {})", place_,
         fmt::format(format, std::forward<Args>(args)...), at_);
  }

  std::string_view take(std::uint64_t count) {
    if (count > bytes_.size() - at_)
      corrupt("is cut short: {} more bytes wanted, {} are there", count, bytes_.size() - at_);
    const auto* begin = reinterpret_cast<const char*>(bytes_.data()) + at_;
    at_ += count;
    return {begin, count};
  }
  unsigned char next() { return static_cast<unsigned char>(take(1)[0]); }
  std::uint32_t number(std::size_t width) {
    std::uint32_t value = 0;
    const std::string_view text = take(width);
    for (std::size_t i = width; i-- > 0;) value = value << 8 | static_cast<unsigned char>(text[i]);
    return value;
  }
  std::string line() {
    constexpr std::size_t kLongest = 256;
    std::string out;
    for (char c = take(1)[0]; c != '\n'; c = take(1)[0]) {
      out += c;
      if (out.size() > kLongest) corrupt("asks for a name of more than {} letters", kLongest);
    }
    return out;
  }

  void push(Value value) {
    if (out_.values.size() == kMostValues) unsupported("makes more than {} values", kMostValues);
    stack_.push_back(static_cast<Ref>(out_.values.size()));
    out_.values.push_back(std::move(value));
  }
  void push_integer(std::int64_t value) { push({.kind = Kind::kInteger, .integer = value}); }
  // What lies on the stack above the last mark.
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  Ref pop() {
    if (stack_.size() <= floor()) corrupt("takes from an empty stack");
    const Ref ref = stack_.back();
    stack_.pop_back();
    return ref;
  }
  Value& top() {
    if (stack_.size() <= floor()) corrupt("takes from an empty stack");
    return out_.values[stack_.back()];
  }
  std::vector<Ref> pop_to_mark() {
    if (marks_.empty()) corrupt("takes up to a mark that is not there");
    std::vector<Ref> out(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return out;
  }
  std::vector<Ref> pop_many(std::size_t count) {
    std::vector<Ref> out(count);
    for (std::size_t i = count; i-- > 0;) out[i] = pop();
    return out;
  }
  void put(std::uint32_t index) {
    top();
    memo_[index] = stack_.back();
  }
  void get(std::uint32_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) corrupt("gets {} from its memo, where nothing was put", index);
    if (stack_.size() == kMostValues) unsupported("has more than {} values on its stack", kMostValues);
    stack_.push_back(found->second);
  }
  void append(const std::vector<Ref>& items, Kind kind) {
    Value& target = top();
    if (target.kind != kind) corrupt("adds items to what is not a {}", kind == Kind::kDict ? "dictionary" : "list");
    if (kind == Kind::kDict && items.size() % 2 != 0) corrupt("adds a key without a value");
    target.items.insert(target.items.end(), items.begin(), items.end());
  }

  void text(std::uint64_t count) { push({.kind = Kind::kText, .text = std::string(take(count))}); }

  void long_integer(std::size_t count) {
    const std::string_view digits = take(count);
    if (count > 8) return push({.kind = Kind::kLong, .text = std::string(digits)});
    std::uint64_t value = count > 0 && (digits.back() & 0x80) != 0 ? ~std::uint64_t{0} : 0;
    for (std::size_t i = count; i-- > 0;) value = value << 8 | static_cast<unsigned char>(digits[i]);
    push_integer(std::bit_cast<std::int64_t>(value));
  }

  void global() {
    const std::string module = line();
    const std::string name = line();
    const auto known = known_name(module, name);
    if (!known) {
      unsupported(
          "asks for {}: only tensors are read; a file that asks for more can run a program where it is loaded "
          "by Python. Save model.state_dict() alone, or as safetensors",
          in_quotes(module + "." + name));
    }
    push({.kind = Kind::kName, .name = *known, .text = name});
  }

  void persistent() {
    const Ref id = pop();
    if (out_[id].kind != Kind::kTuple) corrupt("has a storage that is not described by a tuple");
    push({.kind = Kind::kStorage, .items = {id}});
  }

  void reduce() {
    const Ref arguments = pop();
    const Ref function = pop();
    if (out_[function].kind != Kind::kName || out_[function].name == Name::kStorage)
      corrupt("calls what is no function");
    if (out_[arguments].kind != Kind::kTuple) corrupt("calls a function without a tuple of arguments");
    const Name name = out_[function].name;
    const std::vector<Ref>& items = out_[arguments].items;
    if (name == Name::kOrderedDict) {
      std::vector<Ref> pairs = ordered_items(items);
      push({.kind = Kind::kDict, .ordered = true, .items = std::move(pairs)});
    } else if (name == Name::kSize) {
      if (items.size() != 1 || out_[items[0]].kind != Kind::kTuple)
        corrupt("makes a torch.Size of something else than a tuple");
      stack_.push_back(items[0]);
    } else {
      push({.kind = Kind::kCall, .name = name, .items = {arguments}});
    }
  }

  // OrderedDict() or, by Python 2, OrderedDict([[key, value], ...]).
  std::vector<Ref> ordered_items(const std::vector<Ref>& arguments) {
    if (arguments.empty()) return {};
    std::vector<Ref> out;
    const Value& pairs = out_[arguments[0]];
    if (arguments.size() != 1 || pairs.kind != Kind::kList)
      corrupt("makes an OrderedDict of something else than pairs");
    copied_ += pairs.items.size();  // the one place where a few bytes make as many values as they like
    if (copied_ > kMostValues) unsupported("makes more than {} values", kMostValues);
    for (const Ref ref : pairs.items) {
      const Value& pair = out_[ref];
      if ((pair.kind != Kind::kList && pair.kind != Kind::kTuple) || pair.items.size() != 2) {
        corrupt("makes an OrderedDict of something else than pairs");
      }
      out.insert(out.end(), pair.items.begin(), pair.items.end());
    }
    return out;
  }

  // An OrderedDict's attributes (torch's `_metadata`: versions of modules) change no weight and are dropped.
  void build() {
    const Ref state = pop();
    const Value& target = top();
    if (target.kind != Kind::kDict || !target.ordered || out_[state].kind != Kind::kDict) {
      unsupported("sets the state of what is not an OrderedDict: only tensors are read");
    }
  }

  // Whether there is more to do.
  bool step() {
    const unsigned char opcode = next();
    switch (opcode) {
      case '.':
        return false;
      case '(':
        if (marks_.size() == kMostNesting) unsupported("is nested deeper than {}", kMostNesting);
        marks_.push_back(stack_.size());
        break;
      case 'N':
        push({});
        break;
      case 0x88:
      case 0x89:
        push({.kind = Kind::kBool, .integer = opcode == 0x88});
        break;
      case 'J':
        push_integer(static_cast<std::int32_t>(number(4)));
        break;
      case 'K':
        push_integer(number(1));
        break;
      case 'M':
        push_integer(number(2));
        break;
      case 0x8a:
        long_integer(next());
        break;
      case 'G':
        take(8);
        push({.kind = Kind::kFloat});
        break;
      case 'U':
        text(number(1));
        break;
      case 'T':
      case 'X':
        text(number(4));
        break;
      case ')':
        push({.kind = Kind::kTuple});
        break;
      case 't': {
        std::vector<Ref> items = pop_to_mark();
        push({.kind = Kind::kTuple, .items = std::move(items)});
        break;
      }
      case 0x85:
      case 0x86:
      case 0x87: {
        std::vector<Ref> items = pop_many(opcode - 0x84u);
        push({.kind = Kind::kTuple, .items = std::move(items)});
        break;
      }
      case ']':
        push({.kind = Kind::kList});
        break;
      case 'a': {
        const Ref item = pop();
        append({item}, Kind::kList);
        break;
      }
      case 'e': {
        const std::vector<Ref> items = pop_to_mark();
        append(items, Kind::kList);
        break;
      }
      case '}':
        push({.kind = Kind::kDict});
        break;
      case 's': {
        const std::vector<Ref> items = pop_many(2);
        append(items, Kind::kDict);
        break;
      }
      case 'u': {
        const std::vector<Ref> items = pop_to_mark();
        append(items, Kind::kDict);
        break;
      }
      case 'q':
        put(number(1));
        break;
      case 'r':
        put(number(4));
        break;
      case 'h':
        get(number(1));
        break;
      case 'j':
        get(number(4));
        break;
      case 'c':
        global();
        break;
      case 'Q':
        persistent();
        break;
      case 'R':
        reduce();
        break;
      case 'b':
        build();
        break;
      default:
        unsupported("has the opcode {}: only those of tensors are read", opcode_text(opcode));
    }
    return true;
  }

  const std::span<const std::byte> bytes_;
  const std::string_view place_;
  std::size_t at_ = 0;
  Pickle out_;
  std::vector<Ref> stack_;
  std::vector<std::size_t> marks_;  // sizes of the stack when each was set
  std::unordered_map<std::uint32_t, Ref> memo_;
  std::size_t copied_ = 0;
};

}  // namespace

Pickle read(std::span<const std::byte> bytes, std::string_view place) { return Machine(bytes, place).run(); }

}  // namespace ganglion::checkpoint::pickle
