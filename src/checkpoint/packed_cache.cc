#include "checkpoint/packed_cache.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/thread_pool.h"
#include "checkpoint/packed_folder.h"

namespace ganglion::checkpoint {
namespace {

namespace fs = std::filesystem;

// Part of every name: to be raised when the format changes, or what the program makes of the same checkpoint in the
// same layout.
constexpr int kVersion = 2;
constexpr std::uint64_t kBlock = 256 << 10;
constexpr std::uint64_t kMostHeader = 1 << 20;
constexpr std::uint64_t kAlignment = 4096;  // of the image in the file

// The file: kPackedMagic, the length of the header and its hash, the header (JSON), a checksum of every block, and at
// the next multiple of kAlignment the image.
struct Start {
  std::array<char, 8> magic = kPackedMagic;
  std::uint64_t header_bytes = 0;
  std::uint64_t header_hash = 0;
};

std::uint64_t block_count(std::uint64_t bytes) { return (bytes + kBlock - 1) / kBlock; }

std::uint64_t image_offset(std::uint64_t header_bytes, std::uint64_t image_bytes) {
  const std::uint64_t end = sizeof(Start) + header_bytes + block_count(image_bytes) * sizeof(std::uint64_t);
  return (end + kAlignment - 1) / kAlignment * kAlignment;
}

std::string hash_text(const void* data, std::size_t bytes) {
  const XXH128_hash_t hash = XXH3_128bits(data, bytes);
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

// Calls work(i) for i in [0, count) on all threads.
template <typename Work>
void for_each(ThreadPool& pool, std::uint64_t count, const Work& work) {
  std::atomic<std::uint64_t> next = 0;
  pool.run([&](int) {
    for (std::uint64_t i = next++; i < count; i = next++) work(i);
  });
}

// The same for the blocks of an image in fresh memory, those of a large page on one thread: the system zeroes a page
// when it is first touched, and two threads that touch one wait for each other.
template <typename Work>
void for_each_page(ThreadPool& pool, std::span<const std::byte> image, const Work& work) {
  constexpr std::uint64_t kPage = 2 << 20, kBlocks = kPage / kBlock;
  const std::uint64_t blocks = block_count(image.size());
  const std::uint64_t lead = (kPage - reinterpret_cast<std::uintptr_t>(image.data()) % kPage) % kPage / kBlock;
  for_each(pool, (blocks + kBlocks - 1) / kBlocks + 1, [&](std::uint64_t page) {
    const std::uint64_t begin = page == 0 ? 0 : lead + (page - 1) * kBlocks;
    for (std::uint64_t i = begin; i < std::min(blocks, lead + page * kBlocks); ++i) work(i);
  });
}

// Why what is at `path` is not to be trusted; "" when it is.
std::string distrust(const fs::path& path, bool folder) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return std::strerror(errno);
  if (folder ? !S_ISDIR(status.st_mode) : !S_ISREG(status.st_mode))
    return folder ? "it is not a folder" : "it is not a regular file";
  if (status.st_uid != ::geteuid() && status.st_uid != 0) return fmt::format("it belongs to user {}", status.st_uid);
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) return "others may write to it";
  return "";
}

}  // namespace

std::vector<fs::path> files_of(const std::vector<fs::path>& paths) {
  std::vector<fs::path> out;
  for (const fs::path& path : paths) {
    if (!fs::is_directory(path)) {
      out.push_back(path);
      continue;
    }
    const auto first = static_cast<std::ptrdiff_t>(out.size());
    for (const auto& entry : fs::directory_iterator(path)) {
      if (entry.is_regular_file()) out.push_back(entry.path());
    }
    std::sort(out.begin() + first, out.end());
  }
  return out;
}

PackedCache::PackedCache(fs::path folder, std::vector<fs::path> sources, ThreadPool& pool, std::uint64_t most_bytes)
    : folder_(std::move(folder)), sources_(std::move(sources)), pool_(pool), most_bytes_(most_bytes) {
  constexpr std::uint64_t kPieces = 64, kPiece = 4096;
  times_ = times();
  std::string seen;
  std::array<char, kPiece> piece{};
  for (const fs::path& path : sources_) {
    const File file = File::open(path);
    seen += fmt::format("{}:", file.size());
    for (std::uint64_t i = 0; i < kPieces; ++i) {
      const std::uint64_t at = file.size() <= kPiece ? 0 : (file.size() - kPiece) / (kPieces - 1) * i;
      const std::uint64_t bytes = std::min(kPiece, file.size() - at);
      file.read(at, piece.data(), bytes);
      seen += hash_text(piece.data(), bytes);
    }
  }
  sample_ = hash_text(seen.data(), seen.size());
}

fs::path PackedCache::path_of(const std::string& layout) const {
  const std::string all = fmt::format("{}\n{}\n{}", kVersion, sample_, layout);
  return folder_ / (hash_text(all.data(), all.size()) + ".weights");
}

std::string PackedCache::content_hash() const {
  std::vector<File> files;
  std::vector<std::pair<std::size_t, std::uint64_t>> blocks;
  for (const fs::path& path : sources_) {
    files.push_back(File::open(path));
    for (std::uint64_t at = 0; at < files.back().size(); at += kBlock) blocks.emplace_back(files.size() - 1, at);
  }
  std::vector<std::uint64_t> hashes(blocks.size());
  for_each(pool_, blocks.size(), [&](std::uint64_t i) {
    const File& file = files[blocks[i].first];
    std::vector<std::byte> bytes(std::min(kBlock, file.size() - blocks[i].second));
    file.read(blocks[i].second, bytes.data(), bytes.size());
    hashes[i] = XXH3_64bits(bytes.data(), bytes.size());
  });
  return hash_text(hashes.data(), hashes.size() * sizeof(hashes[0]));
}

std::string PackedCache::times() const {
  std::string out;
  for (const fs::path& path : sources_) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return "";
    out += fmt::format("{} {}.{:09};", status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
  }
  return out;
}

bool PackedCache::load(const std::string& layout, std::span<std::byte> image) const {
  const fs::path path = path_of(layout);
  std::error_code ignored;
  if (!fs::exists(fs::symlink_status(path, ignored))) return false;
  try {
    for (const bool folder : {true, false}) {
      const fs::path& what = folder ? folder_ : path;
      if (const std::string why = distrust(what, folder); !why.empty())
        fail(Code::kInvalidArgument, "[weight cache] {} is not used: {}", what.string(), why);
    }
    const File file = File::open(path);
    Start start;
    file.read(0, &start, sizeof(start));
    if (start.magic != kPackedMagic || start.header_bytes > kMostHeader)
      fail(Code::kDataCorrupt, "[weight cache] {} is not a file of packed weights", path.string());
    std::string header(start.header_bytes, '\0');
    file.read(sizeof(start), header.data(), header.size());
    if (XXH3_64bits(header.data(), header.size()) != start.header_hash)
      fail(Code::kDataCorrupt, "[weight cache] {} is damaged in its header", path.string());
    const nlohmann::json fields = parse_json(header, path.string());
    const std::uint64_t offset = image_offset(header.size(), image.size());
    if (fields.at("layout") != hash_text(layout.data(), layout.size()) || fields.at("bytes") != image.size() ||
        file.size() != offset + image.size()) {
      fail(Code::kDataCorrupt, "[weight cache] {} holds other weights or is cut short", path.string());
    }
    // A checkpoint that was copied has other times; one that was changed has other content too.
    if (fields.at("times") != times() && fields.at("content") != content_hash())
      fail(Code::kDataCorrupt, "[weight cache] {} was made of other files than the checkpoint's", path.string());

    const std::uint64_t blocks = block_count(image.size());
    std::vector<std::uint64_t> checksums(blocks);
    file.read(sizeof(start) + header.size(), checksums.data(), blocks * sizeof(checksums[0]));
    for_each_page(pool_, image, [&](std::uint64_t i) {
      std::byte* to = image.data() + i * kBlock;
      const std::uint64_t bytes = std::min(kBlock, image.size() - i * kBlock);
      file.read(offset + i * kBlock, to, bytes);
      if (XXH3_64bits(to, bytes) != checksums[i])
        fail(Code::kDataCorrupt, "[weight cache] {} is damaged at {}", path.string(), offset + i * kBlock);
    });
    mark_used(path);
    return true;
  } catch (const std::exception& error) {  // the cache is never needed: the checkpoint has it all
    log::warning("{}; the checkpoint is read instead", error.what());
    return false;
  }
}

bool PackedCache::store(const std::string& layout, std::span<const std::byte> image) const {
  const fs::path path = path_of(layout);
  try {
    std::error_code error;
    if (!fs::exists(folder_, error)) {
      fs::create_directories(folder_.parent_path(), error);
      if (::mkdir(folder_.c_str(), 0700) != 0 && errno != EEXIST)
        fail(Code::kInvalidArgument, "[weight cache] {} cannot be made: {}", folder_.string(), std::strerror(errno));
    }
    if (const std::string why = distrust(folder_, true); !why.empty())
      fail(Code::kInvalidArgument, "[weight cache] {} is not used: {}", folder_.string(), why);
    const nlohmann::json fields = {{"layout", hash_text(layout.data(), layout.size())},
                                   {"bytes", image.size()},
                                   {"content", content_hash()},
                                   {"times", times_}};
    const std::string header = fields.dump();
    const std::uint64_t offset = image_offset(header.size(), image.size());
    std::vector<std::uint64_t> checksums(block_count(image.size()));
    make_room(folder_, most_bytes_, offset + image.size(), path);
    if (const auto space = fs::space(folder_, error); !error && space.available < image.size() + image.size() / 16)
      fail(Code::kResourceExhausted, "[weight cache] {} has room for {} bytes, {} are wanted", folder_.string(),
           space.available, image.size());
    UnfinishedImage file(path);
    for_each(pool_, checksums.size(), [&](std::uint64_t i) {
      const std::byte* from = image.data() + i * kBlock;
      const std::uint64_t bytes = std::min(kBlock, image.size() - i * kBlock);
      checksums[i] = XXH3_64bits(from, bytes);
      file.write(offset + i * kBlock, from, bytes);
    });
    Start start;
    start.header_bytes = header.size();
    start.header_hash = XXH3_64bits(header.data(), header.size());
    file.write(sizeof(start), header.data(), header.size());
    file.write(sizeof(start) + header.size(), checksums.data(), checksums.size() * sizeof(checksums[0]));
    file.write(0, &start, sizeof(start));
    if (times() != times_)
      fail(Code::kUnavailable, "[weight cache] the checkpoint is being changed; its packed weights are not kept");
    file.finish();
    make_room(folder_, most_bytes_, offset + image.size(), path);  // others may have written meanwhile
    return true;
  } catch (const std::exception& error) {
    log::warning("{}; packed weights are not kept", error.what());
    return false;
  }
}

}  // namespace ganglion::checkpoint
