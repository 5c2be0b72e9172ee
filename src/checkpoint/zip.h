// The table of contents of a zip archive as torch.save writes it: records stored one after the other, none compressed.
// By PKWARE's APPNOTE 6.3.10. Nothing is ever extracted by its name.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file.h"

namespace ganglion::checkpoint {

struct ZipRecord {
  std::string name;
  std::uint64_t offset = 0;  // of its first byte in the file
  std::uint64_t bytes = 0;
  std::uint32_t crc = 0;
};

// The records in the order of their bytes. Everything that the archive says twice is compared, and the records with
// what surrounds them must cover the file without gap or overlap: two programs cannot see two different archives in
// it, and the sum of the records is at most the file. Memory is in proportion to the central directory's true length.
// Errors: {kUnsupported} for a compressed or encrypted record, an archive in several parts, or more than 2^18 records;
// {kDataCorrupt} for the rest; and what File throws.
std::vector<ZipRecord> read_zip(const File& file);

// CRC-32 as zip has it, of `count` bytes after those that gave `before`.
std::uint32_t zip_crc(std::uint32_t before, const void* bytes, std::size_t count) noexcept;

}  // namespace ganglion::checkpoint
