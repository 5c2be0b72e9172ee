// Reads any bytes as a safetensors file: the header, and then every number the header promises. Nothing but an Error of
// the codes that header.h names may come out.
#include <algorithm>
#include <cstdlib>
#include <span>
#include <string>

#include "base/error.h"
#include "checkpoint/header.h"

using namespace ganglion;
using namespace ganglion::checkpoint;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> file(reinterpret_cast<const std::byte*>(data), size);
  if (size < kHeaderStart) return 0;
  try {
    const std::uint64_t length = header_length(file.first<kHeaderStart>(), size, "fuzz");
    const Header header = parse_header(file.subspan(kHeaderStart, length), size, "fuzz");
    std::uint64_t total = 0;
    for (const auto& [name, tensor] : header.tensors) {
      const auto bytes = file.subspan(tensor.offset, tensor.bytes);
      if (std::max(tensor.offset, tensor.offset + tensor.bytes) > size) std::abort();
      if (static_cast<std::uint64_t>(element_count(tensor.dims)) * dtype_size(tensor.dtype) != bytes.size())
        std::abort();
      volatile unsigned sum = 0;
      for (const std::byte byte : bytes) sum = sum + std::to_integer<unsigned>(byte);
      total += tensor.bytes;
    }
    if (total != size - kHeaderStart - length) std::abort();
  } catch (const Error& error) {
    if (error.code() != Code::kDataCorrupt && error.code() != Code::kUnsupported) std::abort();
  }
  return 0;
}
