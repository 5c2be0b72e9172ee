// Unpacks what the fuzzer invents into a folder of its own and looks whether anything beside that folder came to be.
#include "hub/archive.h"

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>

#include "base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace fs = std::filesystem;
  static const fs::path kRoot = fs::temp_directory_path() / ("archive_fuzz_" + std::to_string(::getpid()));
  const fs::path out = kRoot / "a" / "b" / "out", file = kRoot / "input";
  fs::remove_all(kRoot);
  fs::create_directories(out);
  std::ofstream(file, std::ios::binary).write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  try {
    ganglion::hub::unpack(file, out, {.bytes = 1 << 20, .entries = 100}, [] { return false; });
    for (const auto& entry : fs::recursive_directory_iterator(out)) {
      std::error_code error;
      const fs::path real = fs::canonical(entry.path(), error);
      if (!error && !real.string().starts_with(fs::canonical(out).string())) __builtin_trap();
    }
    ganglion::hub::model_folder_in(out);
  } catch (const ganglion::Error&) {
  }
  for (const fs::path& folder : {kRoot / "a", kRoot / "a" / "b"}) {
    int count = 0;
    for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder)) ++count;
    if (count != 1) __builtin_trap();
  }
  fs::remove_all(kRoot);
  return 0;
}
