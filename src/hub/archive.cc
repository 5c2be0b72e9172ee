#include "hub/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "hub/file_choice.h"

namespace ganglion::hub {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kRatioFrom = 64u << 20;

struct FreeArchive {
  void operator()(archive* reader) const noexcept { archive_read_free(reader); }
};
using Reader = std::unique_ptr<archive, FreeArchive>;

// libarchive has no words for some failures.
[[noreturn]] void broken(archive* reader, const fs::path& file) {
  const char* words = archive_error_string(reader);
  fail(Code::kDataCorrupt, "[archive] {}: {}", file.string(), words == nullptr ? "cannot be read" : words);
}

Reader open(const fs::path& file) {
  Reader reader(archive_read_new());
  GANGLION_CHECK(reader != nullptr);
  // By name, not "all": libarchive would run programs of the system for some filters.
  archive_read_support_format_zip(reader.get());
  archive_read_support_format_tar(reader.get());
  archive_read_support_filter_gzip(reader.get());
  archive_read_support_filter_bzip2(reader.get());
  archive_read_support_filter_xz(reader.get());
  archive_read_support_filter_zstd(reader.get());
  archive_read_support_filter_compress(reader.get());
  if (archive_read_open_filename(reader.get(), file.c_str(), 1u << 16) != ARCHIVE_OK) broken(reader.get(), file);
  return reader;
}

class Output {
 public:
  explicit Output(const fs::path& path) : path_(path) {
    descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (descriptor_ >= 0) return;
    if (errno == EEXIST) fail(Code::kDataCorrupt, "[archive] {} comes twice", path.string());
    fail(Code::kInvalidArgument, "[archive] {} cannot be made: {}", path.string(), std::strerror(errno));
  }
  ~Output() { ::close(descriptor_); }
  Output(const Output&) = delete;

  void write(const char* bytes, std::size_t count) {
    while (count > 0) {
      const ssize_t wrote = ::write(descriptor_, bytes, count);
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) {
        const bool full = errno == ENOSPC || errno == EFBIG || errno == EDQUOT;
        fail(full ? Code::kResourceExhausted : Code::kInternal, "[archive] {}: {}", path_.string(),
             std::strerror(errno));
      }
      bytes += wrote;
      count -= static_cast<std::size_t>(wrote);
    }
  }

 private:
  const fs::path path_;
  int descriptor_ = -1;
};

class Unpacker {
 public:
  Unpacker(const fs::path& file, const fs::path& folder, const ArchiveLimits& limits,
           const std::function<bool()>& cancelled)
      : file_(file),
        folder_(folder),
        limits_(limits),
        cancelled_(cancelled),
        reader_(open(file)),
        size_(fs::file_size(file)) {}

  void run() {
    archive_entry* entry = nullptr;
    std::uint64_t entries = 0;
    while (true) {
      const int status = archive_read_next_header(reader_.get(), &entry);
      if (status == ARCHIVE_EOF) break;
      if (status != ARCHIVE_OK && status != ARCHIVE_WARN) broken(reader_.get(), file_);
      if (++entries > limits_.entries) {
        fail(Code::kResourceExhausted, "[archive] {}: more than {} entries", file_.string(), limits_.entries);
      }
      take(entry);
    }
    if (entries == 0) fail(Code::kDataCorrupt, "[archive] {}: holds nothing", file_.string());
    for (const auto& [name, target] : links_) make_link(name, target);
  }

 private:
  // The entry's path, checked; "" for the folder itself.
  std::string name_of(const char* raw) {
    if (raw == nullptr) fail(Code::kDataCorrupt, "[archive] {}: an entry without a name", file_.string());
    std::string name(raw);
    while (name.starts_with("./")) name.erase(0, 2);
    while (name.ends_with('/') && name.size() > 1) name.pop_back();
    if (name == ".") name.clear();
    if (!name.empty()) check_file_name(name, "archive: " + file_.string());
    return name;
  }

  void take(archive_entry* entry) {
    if (cancelled_()) fail(Code::kCancelled, "[archive] {}: cancelled", file_.string());
    const std::string name = name_of(archive_entry_pathname(entry));
    if (name.empty()) return;
    const fs::path path = folder_ / name;
    if (const char* target = archive_entry_hardlink(entry)) {
      make_parents(path);
      std::error_code error;
      fs::copy_file(folder_ / name_of(target), path, error);  // files only: links are not there yet
      if (error)
        fail(Code::kDataCorrupt, "[archive] {}: {} is a link to {}, which did not come before it", file_.string(), name,
             target);
      count(fs::file_size(path));
      return;
    }
    switch (archive_entry_filetype(entry)) {
      case AE_IFREG:
        make_parents(path);
        return write_file(path);
      case AE_IFDIR:
        return make_parents(path / "x");
      case AE_IFLNK:
        return keep_link(name, archive_entry_symlink(entry));
      default:
        fail(Code::kDataCorrupt, "[archive] {}: {} is neither a file, a folder nor a link", file_.string(), name);
    }
  }

  void make_parents(const fs::path& path) {
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    if (error)
      fail(Code::kDataCorrupt, "[archive] {}: {} is a folder and a file", file_.string(), path.parent_path().string());
  }

  void count(std::uint64_t bytes) {
    bytes_ += bytes;
    if (bytes_ > limits_.bytes) {
      fail(Code::kResourceExhausted, "[archive] {}: its files have more than {} bytes", file_.string(), limits_.bytes);
    }
    if (bytes_ > kRatioFrom && bytes_ / limits_.ratio > size_) {
      fail(Code::kResourceExhausted, "[archive] {}: {} bytes become more than {}, as in an archive made to fill disks",
           file_.string(), size_, bytes_);
    }
  }

  void write_file(const fs::path& path) {
    Output out(path);
    std::vector<char> buffer(1u << 18);
    while (true) {
      if (cancelled_()) fail(Code::kCancelled, "[archive] {}: cancelled", file_.string());
      const la_ssize_t got = archive_read_data(reader_.get(), buffer.data(), buffer.size());
      if (got == 0) return;
      if (got < 0) broken(reader_.get(), file_);
      count(static_cast<std::uint64_t>(got));
      out.write(buffer.data(), static_cast<std::size_t>(got));
    }
  }

  // A target may climb at its beginning only, and no further than the folder: since links are made after everything
  // else, the folders that it climbs through are real ones, and where it descends it meets links of the same kind.
  void keep_link(const std::string& name, const char* raw) {
    const std::string target = raw == nullptr ? "" : raw;
    auto depth = static_cast<long>(std::count(name.begin(), name.end(), '/'));
    bool climbing = true, good = !target.empty() && target.front() != '/';
    for (std::size_t at = 0; good && at <= target.size();) {
      const std::size_t end = std::min(target.find('/', at), target.size());
      const std::string part = target.substr(at, end - at);
      if (part == "..") {
        good = climbing && --depth >= 0;
      } else {
        climbing = false;
        good = !part.empty() && part != ".";
      }
      at = end + 1;
    }
    if (!good) {
      fail(Code::kDataCorrupt, "[archive] {}: the link {} leads to '{}': wanted something inside the archive",
           file_.string(), name, target.substr(0, 100));
    }
    links_.emplace_back(name, target);
  }

  void make_link(const std::string& name, const std::string& target) {
    const fs::path path = folder_ / name;
    make_parents(path);
    for (fs::path parent = path.parent_path(); parent != folder_; parent = parent.parent_path()) {
      if (fs::is_symlink(parent)) fail(Code::kDataCorrupt, "[archive] {}: {} lies behind a link", file_.string(), name);
    }
    std::error_code error;
    fs::create_symlink(target, path, error);
    if (error) fail(Code::kDataCorrupt, "[archive] {}: {} comes twice", file_.string(), name);
  }

  const fs::path& file_;
  const fs::path& folder_;
  const ArchiveLimits& limits_;
  const std::function<bool()>& cancelled_;
  const Reader reader_;
  const std::uint64_t size_;
  std::uint64_t bytes_ = 0;
  std::vector<std::pair<std::string, std::string>> links_;
};

}  // namespace

void unpack(const fs::path& archive, const fs::path& folder, const ArchiveLimits& limits,
            const std::function<bool()>& cancelled) {
  Unpacker(archive, folder, limits, cancelled).run();
}

fs::path model_folder_in(fs::path folder) {
  for (int depth = 0; depth < 8; ++depth) {
    std::vector<fs::path> inside;
    bool files = false;
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with('.') || name == "__MACOSX") continue;
      files = files || !entry.is_directory();
      inside.push_back(entry.path());
    }
    if (files || inside.size() != 1) break;
    folder = inside.front();
  }
  return folder;
}

}  // namespace ganglion::hub
