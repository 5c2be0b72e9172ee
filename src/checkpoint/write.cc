#include "checkpoint/write.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <system_error>

#include "base/error.h"
#include "checkpoint/header.h"
#include "checkpoint/pieces.h"

namespace ganglion::checkpoint {
namespace {

std::string header_text(const std::vector<NamedTensor>& tensors, const std::map<std::string, std::string>& metadata,
                        const std::string& place) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::set<std::string> names;
  std::uint64_t offset = 0;
  for (const NamedTensor& tensor : tensors) {
    if (tensor.name == "__metadata__" || !names.insert(tensor.name).second) {
      fail(Code::kInvalidArgument, "[safetensors] {}: the name \"{}\" comes twice or is reserved", place, tensor.name);
    }
    if (tensor.source->dtype() == DType::kS4) {
      fail(Code::kInvalidArgument, "[safetensors] {}: \"{}\" is s4, which the format does not have", place,
           tensor.name);
    }
    const std::uint64_t end = offset + source_bytes(*tensor.source);
    header[tensor.name] = {{"dtype", safetensors_name(tensor.source->dtype())},
                           {"shape", tensor.source->dims()},
                           {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception& error) {
    fail(Code::kInvalidArgument, "[safetensors] {}: a name is not UTF-8: {}", place, error.what());
  }
  text.append((8 - text.size() % 8) % 8, ' ');  // so that the data is aligned
  return text;
}

void write_tensor(std::ofstream& out, const TensorSource& source) {
  for_each_piece(source, [&](std::span<const std::byte> piece) {
    out.write(reinterpret_cast<const char*>(piece.data()), static_cast<std::streamsize>(piece.size()));
  });
}

// Deletes the unfinished file unless it was put in its place.
class Unfinished {
 public:
  explicit Unfinished(std::filesystem::path path) : path_(std::move(path)) {}
  ~Unfinished() {
    std::error_code ignored;
    if (!done_) std::filesystem::remove(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }
  void becomes(const std::filesystem::path& target) {
    std::error_code error;
    std::filesystem::rename(path_, target, error);
    if (error) {
      fail(Code::kInvalidArgument, "[safetensors] {} cannot be written: {}", target.string(), error.message());
    }
    done_ = true;
  }

 private:
  std::filesystem::path path_;
  bool done_ = false;
};

}  // namespace

void write_safetensors(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  const std::string header = header_text(tensors, metadata, path.string());
  Unfinished unfinished(path.string() + ".unfinished");
  std::ofstream out(unfinished.path(), std::ios::binary | std::ios::trunc);
  std::array<char, kHeaderStart> length{};
  for (std::size_t i = 0; i < length.size(); ++i) length[i] = static_cast<char>(header.size() >> (8 * i) & 0xff);
  out.write(length.data(), length.size());
  out.write(header.data(), static_cast<std::streamsize>(header.size()));
  for (const NamedTensor& tensor : tensors) write_tensor(out, *tensor.source);
  out.close();
  if (!out) {
    fail(Code::kInvalidArgument, "[safetensors] {} cannot be written: {}; is there room, and may it be written to?",
         path.string(), std::strerror(errno));
  }
  unfinished.becomes(path);
}

}  // namespace ganglion::checkpoint
