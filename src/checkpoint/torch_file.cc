#include "checkpoint/torch_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "checkpoint/file_source.h"
#include "checkpoint/pickle.h"
#include "checkpoint/quoted.h"
#include "checkpoint/torch_state.h"
#include "checkpoint/zip.h"

namespace ganglion::checkpoint {
namespace {

constexpr std::uint64_t kLongestPickle = 16 << 20;

using StorageOffsets = std::map<std::string, std::uint64_t>;  // of each storage's first byte in the file, by key

struct TorchFile {
  std::shared_ptr<const File> file;
  TorchState state;
  StorageOffsets offsets;
};

std::vector<std::byte> read_bytes(const File& file, std::uint64_t offset, std::uint64_t count) {
  std::vector<std::byte> out(count);
  file.read(offset, out.data(), out.size());
  return out;
}

template <typename... Args>
[[noreturn]] void refuse(Code code, const File& file, fmt::format_string<Args...> format, Args&&... args) {
  fail(code, "[torch] {}: {}", file.path().string(), fmt::format(format, std::forward<Args>(args)...));
}

// The records of an archive, all within one folder, whose name differs from file to file.
class Archive {
 public:
  explicit Archive(const File& file) : file_(file), records_(read_zip(file)) {
    if (records_.empty()) refuse(Code::kDataCorrupt, file_, "the archive is empty");
    folder_ = records_[0].name.substr(0, records_[0].name.find('/')) + "/";
    for (const ZipRecord& record : records_) {
      if (!record.name.starts_with(folder_)) {
        refuse(Code::kDataCorrupt, file_, "the record {} is not within the folder {}", in_quotes(record.name),
               in_quotes(folder_));
      }
      by_name_.emplace(record.name.substr(folder_.size()), &record);
    }
  }

  const ZipRecord* find(const std::string& name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
  }
  // A whole record, compared with its checksum.
  std::vector<std::byte> read(const std::string& name, std::uint64_t longest) const {
    const ZipRecord* record = find(name);
    if (record == nullptr) refuse(Code::kDataCorrupt, file_, "the archive has no record {}", in_quotes(name));
    if (record->bytes > longest) {
      refuse(Code::kUnsupported, file_, "the record {} has {} bytes; at most {} are read", in_quotes(name),
             record->bytes, longest);
    }
    std::vector<std::byte> out = read_bytes(file_, record->offset, record->bytes);
    if (zip_crc(0, out.data(), out.size()) != record->crc) {
      refuse(Code::kDataCorrupt, file_, "the record {} does not have the checksum it should; was it damaged?",
             in_quotes(name));
    }
    return out;
  }
  std::string read_word(const std::string& name) const {
    const std::vector<std::byte> bytes = read(name, 64);
    std::string out(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    while (!out.empty() && out.back() == '\n') out.pop_back();
    return out;
  }

 private:
  const File& file_;
  const std::vector<ZipRecord> records_;
  std::string folder_;
  std::map<std::string, const ZipRecord*, std::less<>> by_name_;
};

TorchFile open_archive(std::shared_ptr<const File> file) {
  const Archive archive(*file);
  if (archive.find("constants.pkl") != nullptr) {
    refuse(Code::kUnsupported, *file, "is a TorchScript program; save the state dict of the model instead");
  }
  if (archive.find("byteorder") != nullptr) {
    const std::string order = archive.read_word("byteorder");
    if (order == "big") refuse(Code::kUnsupported, *file, "was written on a big-endian machine; save it on another");
    if (order != "little") refuse(Code::kDataCorrupt, *file, "has the byte order {}", in_quotes(order));
  }
  if (archive.find("version") != nullptr) {  // up to 10 to this day; 3 is what torch.save writes
    const std::string version = archive.read_word("version");
    const bool known = version == "10" || (version.size() == 1 && version[0] >= '1' && version[0] <= '9');
    if (!known) refuse(Code::kUnsupported, *file, "is of the version {}; 1 to 10 are read", in_quotes(version));
  }
  const std::vector<std::byte> bytes = archive.read("data.pkl", kLongestPickle);
  const pickle::Pickle pickle = pickle::read(bytes, file->path().string());
  if (pickle.bytes != bytes.size()) {
    refuse(Code::kDataCorrupt, *file, "{} bytes follow the pickle in its record", bytes.size() - pickle.bytes);
  }
  TorchFile out{file, read_state(pickle, file->size(), file->path().string()), {}};
  for (const auto& [key, storage] : out.state.storages) {
    const ZipRecord* record = archive.find("data/" + key);
    if (record == nullptr) refuse(Code::kDataCorrupt, *file, "the storage {} is not in the archive", in_quotes(key));
    if (record->bytes != storage.bytes()) {
      refuse(Code::kDataCorrupt, *file, "the storage {} has {} bytes, but {} are in the archive", in_quotes(key),
             storage.bytes(), record->bytes);
    }
    out.offsets.emplace(key, record->offset);
  }
  return out;
}

// The older form: pickles of a magic number, a version, the machine, the value and the storages' keys, then each
// storage, in the order of the keys, after its number of elements.
class PickleRow {
 public:
  explicit PickleRow(const File& file)
      : file_(file), bytes_(read_bytes(file, 0, std::min(file.size(), kLongestPickle))) {}

  pickle::Pickle next() {
    try {
      pickle::Pickle pickle = pickle::read(std::span(bytes_).subspan(at_), file_.path().string());
      at_ += pickle.bytes;
      return pickle;
    } catch (const Error& error) {
      if (error.code() == Code::kDataCorrupt && bytes_.size() < file_.size()) {
        refuse(Code::kUnsupported, file_, "{}; of this older form the first {} bytes are searched for pickles",
               error.what(), kLongestPickle);
      }
      throw;
    }
  }
  std::uint64_t position() const { return at_; }

 private:
  const File& file_;
  const std::vector<std::byte> bytes_;
  std::size_t at_ = 0;
};

bool is_little_endian(const pickle::Pickle& machine) {
  const pickle::Value& root = machine[machine.root];
  if (root.kind != pickle::Kind::kDict) return false;
  for (std::size_t i = 0; i < root.items.size(); i += 2) {
    if (machine[root.items[i]].text == "little_endian") return machine[root.items[i + 1]].integer == 1;
  }
  return false;
}

TorchFile open_pickles(std::shared_ptr<const File> file) {
  constexpr std::array<unsigned char, 10> kMagic = {0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
  constexpr std::int64_t kVersion = 1001;
  PickleRow row(*file);
  const pickle::Pickle magic = row.next();
  const std::string& number = magic[magic.root].text;
  if (magic[magic.root].kind != pickle::Kind::kLong || number.size() != kMagic.size() ||
      std::memcmp(number.data(), kMagic.data(), kMagic.size()) != 0) {
    refuse(Code::kUnsupported, *file, "is a pickle, but not one that torch.save wrote");
  }
  const pickle::Pickle version = row.next();
  if (version[version.root].kind != pickle::Kind::kInteger || version[version.root].integer != kVersion) {
    refuse(Code::kUnsupported, *file, "is of another version than {}", kVersion);
  }
  if (!is_little_endian(row.next())) {
    refuse(Code::kUnsupported, *file, "was written on a big-endian machine; save it on another");
  }
  TorchFile out{file, read_state(row.next(), file->size(), file->path().string()), {}};
  const pickle::Pickle keys = row.next();
  const pickle::Value& list = keys[keys.root];
  if (list.kind != pickle::Kind::kList) refuse(Code::kDataCorrupt, *file, "has no list of its storages");
  std::uint64_t at = row.position();
  for (const pickle::Ref ref : list.items) {
    const std::string& key = keys[ref].text;
    const auto storage = out.state.storages.find(key);
    if (keys[ref].kind != pickle::Kind::kText || storage == out.state.storages.end()) {
      refuse(Code::kDataCorrupt, *file, "lists the storage {}, which no tensor has", in_quotes(key));
    }
    std::uint64_t elements = 0;
    const std::uint64_t bytes = storage->second.bytes();
    if (file->size() - at < sizeof(elements) || file->size() - at - sizeof(elements) < bytes) {
      refuse(Code::kDataCorrupt, *file,
             "the storage {} of {} bytes at {} goes beyond the end of the file: was it cut "
             "short?",
             in_quotes(key), bytes, at);
    }
    file->read(at, &elements, sizeof(elements));
    at += sizeof(elements);
    if (elements != storage->second.elements) {
      refuse(Code::kDataCorrupt, *file, "the storage {} has {} elements in one place and {} in another", in_quotes(key),
             storage->second.elements, elements);
    }
    if (!out.offsets.emplace(key, at).second) {
      refuse(Code::kDataCorrupt, *file, "lists the storage {} twice", in_quotes(key));
    }
    at += bytes;
  }
  if (at != file->size()) refuse(Code::kDataCorrupt, *file, "{} bytes follow the last storage", file->size() - at);
  for (const auto& [key, storage] : out.state.storages) {
    if (!out.offsets.contains(key)) refuse(Code::kDataCorrupt, *file, "does not list the storage {}", in_quotes(key));
  }
  return out;
}

TorchFile open_either(const std::filesystem::path& path) {
  auto file = std::make_shared<const File>(File::open(path));
  std::string start(std::min<std::uint64_t>(file->size(), 264), '\0');
  file->read(0, start.data(), start.size());
  if (start.starts_with("PK\x03\x04")) return open_archive(std::move(file));
  if (start.starts_with("\x80")) return open_pickles(std::move(file));
  if (start.starts_with("version https://git-lfs")) {
    refuse(Code::kDataCorrupt, *file, "is the pointer that Git LFS leaves for a file; fetch it with: git lfs pull");
  }
  if (start.substr(std::min<std::size_t>(start.size(), 257)).starts_with("ustar")) {
    refuse(Code::kUnsupported, *file, "is a tar archive, as PyTorch before 0.1.10 wrote it; save it with a later one");
  }
  refuse(Code::kDataCorrupt, *file,
         "is no file that torch.save wrote ({} bytes): was it cut short, or is it another "
         "format?",
         file->size());
}

std::shared_ptr<const TensorSource> source_of(const TorchFile& torch, const std::string& name,
                                              const TorchTensor& tensor) {
  const Stored stored = torch.state.storages.at(tensor.storage).stored;
  return file_source(torch.file, name,
                     {.stored = stored,
                      .dims = tensor.dims,
                      .strides = tensor.strides,
                      .offset = torch.offsets.at(tensor.storage) + tensor.offset * stored_size(stored)});
}

}  // namespace

Sources open_torch(const std::filesystem::path& path) {
  const TorchFile torch = open_either(path);
  Sources out;
  for (const auto& [name, tensor] : torch.state.tensors) {
    if (name.empty()) {
      refuse(Code::kUnsupported, *torch.file, "holds one tensor without a name; a state dict wanted");
    }
    out.emplace(name, source_of(torch, name, tensor));
  }
  return out;
}

std::shared_ptr<const TensorSource> open_torch_tensor(const std::filesystem::path& path) {
  const TorchFile torch = open_either(path);
  const auto tensor = torch.state.tensors.find("");
  if (tensor == torch.state.tensors.end()) {
    refuse(Code::kUnsupported, *torch.file, "holds a state dict; a file of one tensor wanted");
  }
  return source_of(torch, path.filename().string(), tensor->second);
}

}  // namespace ganglion::checkpoint
