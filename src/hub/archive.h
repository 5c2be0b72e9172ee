// Unpacks an archive from outside (zip, tar; gzip, bzip2, xz, zstd, compress) by libarchive, trusting nothing in it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

namespace ganglion::hub {

struct ArchiveLimits {
  std::uint64_t bytes = std::uint64_t{1} << 40;  // of all files
  std::uint64_t entries = 100'000;
  // Bytes of the files to bytes of the archive, once the files have 64 MiB: weights shrink to a half at best.
  std::uint64_t ratio = 200;
};

// Writes the files of the archive below `folder`, an empty folder that exists. Files get mode 0644, whatever the
// archive says. Links are made last, so that nothing is written through one, and only where they lead to something
// inside. Errors, after which the folder's content is not to be used: kDataCorrupt for a broken archive, an entry that
// would lie outside (absolute, "..", through a link), comes twice, or is neither file, folder nor link;
// kResourceExhausted over a limit or when the disk is full; kCancelled.
void unpack(const std::filesystem::path& archive, const std::filesystem::path& folder, const ArchiveLimits& limits,
            const std::function<bool()>& cancelled);

// Where in an unpacked folder the model is: the folder itself, or, while it holds nothing but one folder, that one.
std::filesystem::path model_folder_in(std::filesystem::path folder);

}  // namespace ganglion::hub
