// Writes a zip archive as torch.save does: records stored, each beginning at a multiple of 64 bytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/zip.h"

namespace ganglion::checkpoint {

// Not thread-safe. An archive that was not finished has no end record, and no reader takes it for one.
class ZipWriter {
 public:
  // Error{kInvalidArgument} when the file cannot be made.
  explicit ZipWriter(const std::filesystem::path& path);

  void add(const std::string& name, std::string_view bytes);
  // A record of `bytes` bytes, which add_bytes gives in pieces; the next begins when all are there.
  void begin(const std::string& name, std::uint64_t bytes);
  void add_bytes(std::span<const std::byte> bytes);
  // Error{kInvalidArgument} when anything could not be written.
  void finish();

 private:
  void write(std::string_view bytes);
  void end_record();
  void check() const;

  std::filesystem::path path_;
  std::ofstream out_;
  std::uint64_t at_ = 0;
  struct Record {
    ZipRecord of;
    std::uint64_t header = 0;
  };
  std::vector<Record> records_;
  std::uint64_t left_ = 0;  // bytes of the last record that are to come
};

}  // namespace ganglion::checkpoint
