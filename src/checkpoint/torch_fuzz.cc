// Reads any bytes as a file of torch.save, zip or row of pickles, and then every tensor it promises, by whole and by
// halves. Nothing but an Error of the codes that torch_file.h names may come out, and tensors stay within the file.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/error.h"
#include "checkpoint/torch_file.h"

using namespace ganglion;
using namespace ganglion::checkpoint;

namespace {

void read(const TensorSource& source, std::size_t file_size) {
  const auto elements = static_cast<std::uint64_t>(element_count(source.dims()));
  if (elements > file_size) std::abort();
  const std::int64_t rows = source.dims().empty() ? 1 : source.dims()[0];
  if (elements == 0) return;
  const std::uint64_t row_bytes = elements / static_cast<std::uint64_t>(rows) * dtype_size(source.dtype());
  std::string whole(static_cast<std::uint64_t>(rows) * row_bytes, '\0');
  std::string halves(whole.size(), '\1');
  source.read_rows(0, rows, reinterpret_cast<std::byte*>(whole.data()));
  source.read_rows(0, rows / 2, reinterpret_cast<std::byte*>(halves.data()));
  source.read_rows(rows / 2, rows,
                   reinterpret_cast<std::byte*>(halves.data() + static_cast<std::uint64_t>(rows / 2) * row_bytes));
  if (whole != halves) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const int descriptor = ::memfd_create("torch_fuzz", 0);
  static const std::string path = "/proc/self/fd/" + std::to_string(descriptor);
  if (::ftruncate(descriptor, 0) != 0 || ::pwrite(descriptor, data, size, 0) != static_cast<ssize_t>(size))
    std::abort();
  const auto attempt = [&](auto open) {
    try {
      open();
    } catch (const Error& error) {
      if (error.code() != Code::kDataCorrupt && error.code() != Code::kUnsupported) std::abort();
    }
  };
  attempt([&] {
    std::size_t budget = 64 << 20;  // a file may name one storage in many tensors
    for (const auto& [name, source] : open_torch(path)) {
      const std::uint64_t bytes = static_cast<std::uint64_t>(element_count(source->dims())) * 8;
      if (bytes > budget) return;
      budget -= bytes;
      read(*source, size);
    }
  });
  attempt([&] { read(*open_torch_tensor(path), size); });
  return 0;
}
