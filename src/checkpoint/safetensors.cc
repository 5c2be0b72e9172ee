#include "checkpoint/safetensors.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"

namespace ganglion::checkpoint {
namespace {

class FileSource final : public TensorSource {
 public:
  FileSource(std::shared_ptr<const File> file, std::string name, TensorEntry tensor)
      : file_(std::move(file)), name_(std::move(name)), tensor_(std::move(tensor)) {
    rows_ = tensor_.dims.empty() ? 1 : tensor_.dims[0];
    row_bytes_ = rows_ == 0 ? 0 : tensor_.bytes / static_cast<std::uint64_t>(rows_);
  }
  DType dtype() const override { return tensor_.dtype; }
  const Dims& dims() const override { return tensor_.dims; }

  void read_rows(std::int64_t begin, std::int64_t end, std::byte* out) const override {
    GANGLION_CHECK(0 <= begin && begin <= end && end <= rows_);
    const std::size_t bytes = static_cast<std::size_t>(end - begin) * row_bytes_;
    file_->read(tensor_.offset + static_cast<std::uint64_t>(begin) * row_bytes_, out, bytes);
    if (tensor_.dtype == DType::kPred &&
        std::any_of(out, out + bytes, [](std::byte value) { return value > std::byte{1}; })) {
      fail(Code::kDataCorrupt, "[safetensors] {}: \"{}\" is of type BOOL but holds a byte other than 0 and 1",
           file_->path().string(), name_);
    }
  }

  // A range of columns is read piece by piece when that is much less than whole rows.
  void read_block(std::int64_t begin, std::int64_t end, std::int64_t first, std::int64_t last,
                  std::byte* out) const override {
    constexpr std::uint64_t kLeastPiece = 1024;  // below, reading rows whole is cheaper than a call for each
    const auto size = static_cast<std::uint64_t>(dtype_size(tensor_.dtype));
    const std::uint64_t piece = static_cast<std::uint64_t>(last - first) * size;
    if (tensor_.dtype == DType::kPred || piece < kLeastPiece || piece > row_bytes_ / 2) {
      return TensorSource::read_block(begin, end, first, last, out);
    }
    GANGLION_CHECK(0 <= begin && begin <= end && end <= rows_ && 0 <= first &&
                   piece + static_cast<std::uint64_t>(first) * size <= row_bytes_);
    std::uint64_t at =
        tensor_.offset + static_cast<std::uint64_t>(begin) * row_bytes_ + static_cast<std::uint64_t>(first) * size;
    for (std::int64_t row = begin; row < end; ++row, at += row_bytes_, out += piece) file_->read(at, out, piece);
  }

 private:
  std::shared_ptr<const File> file_;
  std::string name_;
  TensorEntry tensor_;
  std::int64_t rows_ = 0;
  std::uint64_t row_bytes_ = 0;
};

}  // namespace

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
  auto file = std::make_shared<const File>(File::open(path));
  if (file->size() < kHeaderStart) {
    fail(Code::kDataCorrupt, "[safetensors] {}: {} bytes cannot be a safetensors file", path.string(), file->size());
  }
  std::array<std::byte, kHeaderStart> start{};
  file->read(0, start.data(), start.size());
  std::vector<std::byte> json(header_length(start, file->size(), path.string()));
  file->read(kHeaderStart, json.data(), json.size());
  auto header = std::make_shared<const Header>(parse_header(json, file->size(), path.string()));
  return SafetensorsFile(std::move(file), std::move(header));
}

const TensorEntry* SafetensorsFile::find(std::string_view name) const {
  const auto found = header_->tensors.find(name);
  return found == header_->tensors.end() ? nullptr : &found->second;
}

std::vector<std::string> SafetensorsFile::names() const {
  std::vector<std::string> out;
  for (const auto& [name, tensor] : header_->tensors) out.push_back(name);
  return out;
}

std::shared_ptr<const TensorSource> SafetensorsFile::source(std::string_view name) const {
  const TensorEntry* tensor = find(name);
  if (tensor == nullptr) fail(Code::kNotFound, "[safetensors] {}: no tensor \"{}\"", path().string(), name);
  return std::make_shared<FileSource>(file_, std::string(name), *tensor);
}

}  // namespace ganglion::checkpoint
