#include "checkpoint/safetensors.h"

#include <array>
#include <utility>

#include "base/error.h"
#include "checkpoint/file_source.h"

namespace ganglion::checkpoint {

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
  return file_source(file_, std::string(name),
                     {.stored = stored_as(tensor->dtype),
                      .dims = tensor->dims,
                      .strides = dense_strides(tensor->dims),
                      .offset = tensor->offset});
}

}  // namespace ganglion::checkpoint
