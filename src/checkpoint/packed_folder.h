// The folder that images of packed weights are kept in, as a whole: where it is, how much it may hold, and which of
// them go when it is full. What one image is: packed_cache.h.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace ganglion::checkpoint {

inline constexpr std::array<char, 8> kPackedMagic = {'g', 'n', 'g', 'l', 'p', 'a', 'c', 'k'};  // an image begins so

// The folder that a setting names: nullopt for "off" or "", `user_cache`/ganglion for "on", else the path.
// kInvalidArgument for "on" when `user_cache` is "".
std::optional<std::filesystem::path> packed_folder(const std::string& setting, const std::filesystem::path& user_cache);

// The bytes that a setting allows: a whole number, with K, M, G or T for powers of 1024; 0: any number.
// kInvalidArgument for anything else; `place` starts the message.
std::uint64_t packed_folder_bytes(const std::string& setting, const std::string& place);

// Deletes images, the one that was not used for longest first, until those that stay, without `keep`, and `incoming`
// bytes take at most `most` (0: any number), and what writers that are no more have left unfinished. Nothing is deleted
// but regular files of this user, named and begun as images are, that nobody else may write to. Safe against other
// processes that do the same, read or write: one cleans at a time, and who reads an image keeps what it has opened.
// kResourceExhausted, with nothing deleted, when `incoming` alone is more than `most`.
void make_room(const std::filesystem::path& folder, std::uint64_t most, std::uint64_t incoming,
               const std::filesystem::path& keep);

// Notes that the image was used just now; nothing when that cannot be noted (a folder that may only be read).
void mark_used(const std::filesystem::path& image) noexcept;

// An image being written under a name of its own, which make_room() leaves alone; deleted unless it was put in its
// place. Errors: kInternal when it cannot be written.
class UnfinishedImage {
 public:
  // `target` is where it is to be in the end.
  explicit UnfinishedImage(std::filesystem::path target);
  ~UnfinishedImage();
  UnfinishedImage(const UnfinishedImage&) = delete;
  UnfinishedImage& operator=(const UnfinishedImage&) = delete;

  // Thread-safe.
  void write(std::uint64_t offset, const void* data, std::size_t bytes);
  // Moves it to the target, whatever was there.
  void finish();

 private:
  [[noreturn]] void fail_writing() const;

  std::filesystem::path target_, path_;
  int descriptor_ = -1;
};

}  // namespace ganglion::checkpoint
