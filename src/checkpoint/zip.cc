#include "checkpoint/zip.h"

#include <zlib.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "checkpoint/quoted.h"
#include "checkpoint/zip_format.h"

namespace ganglion::checkpoint {
namespace {

constexpr std::uint64_t kMostRecords = 1 << 18;

// A little-endian structure that was read from the file.
class Fields {
 public:
  explicit Fields(std::string bytes) : bytes_(std::move(bytes)) {}

  std::size_t left() const { return bytes_.size() - next_; }
  std::uint64_t number(std::size_t width) {
    GANGLION_CHECK(width <= left());
    std::uint64_t value = 0;
    for (std::size_t i = width; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes_[next_ + i]);
    next_ += width;
    return value;
  }
  std::uint16_t u16() { return static_cast<std::uint16_t>(number(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }
  std::uint64_t u64() { return number(8); }
  std::string text(std::size_t count) {
    GANGLION_CHECK(count <= left());
    next_ += count;
    return bytes_.substr(next_ - count, count);
  }

 private:
  std::string bytes_;
  std::size_t next_ = 0;
};

// What the central directory says of a record.
struct Entry {
  ZipRecord record;
  std::uint64_t header = 0;  // of its local header in the file
  std::uint16_t flags = 0;
};

class ZipReader {
 public:
  explicit ZipReader(const File& file) : file_(file) {}

  std::vector<ZipRecord> read() {
    find_directory();
    read_directory();
    std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.header < b.header; });
    if (!entries_.empty() && entries_[0].header != 0) corrupt("{} bytes before its first record", entries_[0].header);
    std::vector<ZipRecord> out;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      check_local(entries_[i], i + 1 < entries_.size() ? entries_[i + 1].header : directory_begin_);
      out.push_back(std::move(entries_[i].record));
    }
    return out;
  }

 private:
  template <typename... Args>
  [[noreturn]] void corrupt(fmt::format_string<Args...> format, Args&&... args) const {
    fail(Code::kDataCorrupt, "[zip] {}: {}", file_.path().string(), fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  [[noreturn]] void unsupported(fmt::format_string<Args...> format, Args&&... args) const {
    fail(Code::kUnsupported, "[zip] {}: {}", file_.path().string(), fmt::format(format, std::forward<Args>(args)...));
  }

  // `count` bytes at `offset`, which the caller knows to be within the file.
  Fields at(std::uint64_t offset, std::size_t count) const {
    std::string bytes(count, '\0');
    file_.read(offset, bytes.data(), count);
    return Fields(std::move(bytes));
  }

  void find_directory() {
    const std::uint64_t size = file_.size();
    if (size < zip::kEndSize) corrupt("{} bytes cannot be a zip archive", size);
    const std::uint64_t end_offset = size - zip::kEndSize;
    Fields end = at(end_offset, zip::kEndSize);
    if (end.u32() != zip::kEnd) corrupt("no end record in the last {} bytes: was it cut short?", zip::kEndSize);
    const std::uint16_t disk = end.u16(), directory_disk = end.u16();
    const std::uint16_t records_here = end.u16(), records = end.u16();
    const std::uint32_t bytes = end.u32(), begin = end.u32();
    if (end.u16() != 0) corrupt("the end record is followed by a comment that is not there");

    std::uint64_t directory_end = end_offset;
    count_ = records;
    directory_bytes_ = bytes;
    directory_begin_ = begin;
    const bool has_zip64 = read_zip64_end(end_offset, directory_end);
    if (disk != 0 || directory_disk != 0 || records_here != records) unsupported("an archive in several parts");
    if (has_zip64) {
      const bool same = (records == zip::kIn64Short || records == count_) &&
                        (bytes == zip::kIn64 || bytes == directory_bytes_) &&
                        (begin == zip::kIn64 || begin == directory_begin_);
      if (!same) corrupt("its two end records say different things");
    }
    if (count_ > kMostRecords) unsupported("{} records; at most {} are read", count_, kMostRecords);
    if (directory_begin_ > directory_end || directory_bytes_ != directory_end - directory_begin_) {
      corrupt("its directory of {} bytes at {} does not end at byte {}, where the end record begins", directory_bytes_,
              directory_begin_, directory_end);
    }
    if (directory_bytes_ / zip::kCentralSize < count_) {
      corrupt("its directory of {} bytes cannot list {} records", directory_bytes_, count_);
    }
    constexpr std::uint64_t kLargestDirectory = kMostRecords * 256;
    if (directory_bytes_ > kLargestDirectory) {
      unsupported("a directory of {} bytes; at most {} are read", directory_bytes_, kLargestDirectory);
    }
  }

  // Whether there is a zip64 end record before the end record; then its numbers are the ones that count.
  bool read_zip64_end(std::uint64_t end_offset, std::uint64_t& directory_end) {
    if (end_offset < zip::kLocatorSize + zip::kEnd64Size) return false;
    Fields locator = at(end_offset - zip::kLocatorSize, zip::kLocatorSize);
    if (locator.u32() != zip::kLocator) return false;
    const std::uint32_t disk = locator.u32();
    const std::uint64_t offset = locator.u64();
    if (disk != 0 || locator.u32() != 1) unsupported("an archive in several parts");
    directory_end = end_offset - zip::kLocatorSize - zip::kEnd64Size;
    if (offset != directory_end) corrupt("its zip64 end record is said to be at {}, not at {}", offset, directory_end);
    Fields end = at(offset, zip::kEnd64Size);
    if (end.u32() != zip::kEnd64 || end.u64() != zip::kEnd64Size - 12) corrupt("no zip64 end record at {}", offset);
    end.u32();  // versions that wrote it and that are needed
    const std::uint32_t own_disk = end.u32(), directory_disk = end.u32();
    const std::uint64_t records_here = end.u64();
    count_ = end.u64();
    directory_bytes_ = end.u64();
    directory_begin_ = end.u64();
    if (own_disk != 0 || directory_disk != 0 || records_here != count_) unsupported("an archive in several parts");
    return true;
  }

  void read_directory() {
    Fields directory = at(directory_begin_, directory_bytes_);
    std::set<std::string, std::less<>> names;
    for (std::uint64_t i = 0; i < count_; ++i) {
      entries_.push_back(read_entry(directory));
      const std::string& name = entries_.back().record.name;
      if (!names.insert(name).second) corrupt("the record {} is there twice", in_quotes(name));
    }
    if (directory.left() != 0) corrupt("{} bytes of its directory belong to no record", directory.left());
  }

  Entry read_entry(Fields& directory) const {
    if (directory.left() < zip::kCentralSize) corrupt("its directory is cut short");
    if (directory.u32() != zip::kCentral) corrupt("its directory has something else than a record in it");
    Entry entry;
    directory.u32();  // versions that wrote it and that are needed
    entry.flags = directory.u16();
    const std::uint16_t method = directory.u16();
    directory.u32();  // time and date
    entry.record.crc = directory.u32();
    std::uint64_t stored = directory.u32();
    entry.record.bytes = directory.u32();
    const std::uint16_t name_size = directory.u16(), extra_size = directory.u16(), comment_size = directory.u16();
    const std::uint16_t disk = directory.u16();
    directory.number(6);  // attributes of a file that is never made
    entry.header = directory.u32();
    if (directory.left() < std::size_t{name_size} + extra_size + comment_size) corrupt("its directory is cut short");
    entry.record.name = directory.text(name_size);
    check_name(entry.record.name);
    read_extra(directory.text(extra_size), entry.record.name, {&entry.record.bytes, &stored, &entry.header});
    directory.text(comment_size);

    const std::string name = in_quotes(entry.record.name);
    if (disk != 0) unsupported("the record {} is in another part of the archive", name);
    if ((entry.flags & ~(zip::kFlagDescriptor | zip::kFlagUtf8)) != 0) {
      unsupported("the record {} has the flags {:#x}: encrypted and patched records are not read", name, entry.flags);
    }
    if (method != zip::kStored) {
      unsupported(
          "the record {} is compressed (method {}), as in TorchScript programs and never in a state dict: save that "
          "with "
          "torch.save",
          name, method);
    }
    if (stored != entry.record.bytes) {
      corrupt("the record {} has {} bytes that take {}", name, entry.record.bytes, stored);
    }
    if (entry.header > directory_begin_ || entry.record.bytes > directory_begin_ - entry.header) {
      corrupt("the record {} of {} bytes at {} does not fit before the directory at {}", name, entry.record.bytes,
              entry.header, directory_begin_);
    }
    return entry;
  }

  void check_name(const std::string& name) const {
    bool plain = !name.empty() && name[0] != '/' && is_utf8(name);
    for (const char c : name) plain = plain && static_cast<unsigned char>(c) >= ' ' && c != '\\' && c != ':';
    for (std::size_t begin = 0; plain && begin <= name.size();) {
      const std::size_t end = std::min(name.find('/', begin), name.size());
      const std::string_view part = std::string_view(name).substr(begin, end - begin);
      plain = part != ".." && part != "." && !part.empty();
      begin = end + 1;
    }
    if (!plain) corrupt("a record is named {}, which is no name within an archive", in_quotes(name));
  }

  // Takes the zip64 field's numbers for those that the record itself marks as too large for it.
  void read_extra(std::string bytes, const std::string& name, const std::vector<std::uint64_t*>& numbers) const {
    Fields extra(std::move(bytes));
    bool seen = false;
    while (extra.left() > 0) {
      if (extra.left() < 4) corrupt("an extra field of the record {} is cut short", in_quotes(name));
      const std::uint16_t id = extra.u16(), size = extra.u16();
      if (extra.left() < size) corrupt("an extra field of the record {} is cut short", in_quotes(name));
      Fields field(extra.text(size));
      if (id != zip::kExtra64) continue;
      if (std::exchange(seen, true)) corrupt("the record {} has two zip64 fields", in_quotes(name));
      for (std::uint64_t* number : numbers) {
        if (*number != zip::kIn64) continue;
        if (field.left() < 8) corrupt("the zip64 field of the record {} is too short", in_quotes(name));
        *number = field.u64();
      }
      if (field.left() != 0 && !numbers.empty()) corrupt("the zip64 field of {} is too long", in_quotes(name));
    }
  }

  // Checks the local header against the directory, and that the record with what belongs to it ends where `next` is;
  // sets the record's offset.
  void check_local(Entry& entry, std::uint64_t next) const {
    const std::string name = in_quotes(entry.record.name);
    const std::uint64_t room = next - entry.header;
    const auto overlaps = [&] { corrupt("the record {} overlaps what begins at byte {}", name, next); };
    if (room < zip::kLocalSize) overlaps();
    Fields local = at(entry.header, zip::kLocalSize);
    if (local.u32() != zip::kLocal) corrupt("no header of the record {} at byte {}", name, entry.header);
    local.u16();  // version that is needed
    const std::uint16_t flags = local.u16(), method = local.u16();
    local.u32();  // time and date
    const std::uint32_t crc = local.u32();
    std::uint64_t stored = local.u32(), bytes = local.u32();
    const std::uint16_t name_size = local.u16(), extra_size = local.u16();
    const std::uint64_t header = zip::kLocalSize + std::uint64_t{name_size} + extra_size;
    if (room < header || room - header < entry.record.bytes) overlaps();
    Fields texts = at(entry.header + zip::kLocalSize, std::size_t{name_size} + extra_size);
    const std::string local_name = texts.text(name_size);
    const bool described = (flags & zip::kFlagDescriptor) != 0;
    // With a descriptor, torch leaves 0 in the header's numbers, and its zip64 field then stands for nothing.
    const bool left_out = described && crc == 0 && stored == 0 && bytes == 0;
    read_extra(texts.text(extra_size), entry.record.name,
               left_out ? std::vector<std::uint64_t*>{} : std::vector<std::uint64_t*>{&bytes, &stored});
    const bool same_sizes = crc == entry.record.crc && stored == entry.record.bytes && bytes == entry.record.bytes;
    if (local_name != entry.record.name || flags != entry.flags || method != zip::kStored ||
        !(same_sizes || left_out)) {
      corrupt("the header of the record {} says something else than the directory", name);
    }
    entry.record.offset = entry.header + header;
    check_descriptor(entry.record, described, entry.record.offset + entry.record.bytes, next);
  }

  // What is between the end of a record's bytes and what comes next: nothing, or its descriptor.
  void check_descriptor(const ZipRecord& record, bool described, std::uint64_t begin, std::uint64_t next) const {
    const std::uint64_t gap = next - begin;
    if (!described) {
      if (gap != 0) corrupt("{} bytes after the record {} belong to none", gap, in_quotes(record.name));
      return;
    }
    if (gap != zip::kDescriptorSize && gap != zip::kDescriptor64Size) {
      corrupt("{} bytes after the record {}, which are no descriptor of it", gap, in_quotes(record.name));
    }
    const std::size_t width = gap == zip::kDescriptorSize ? 4 : 8;
    Fields descriptor = at(begin, gap);
    const std::uint32_t signature = descriptor.u32(), crc = descriptor.u32();
    const std::uint64_t stored = descriptor.number(width), bytes = descriptor.number(width);
    if (signature != zip::kDescriptor || crc != record.crc || stored != record.bytes || bytes != record.bytes) {
      corrupt("the descriptor after the record {} says something else than the directory", in_quotes(record.name));
    }
  }

  const File& file_;
  std::uint64_t directory_begin_ = 0;
  std::uint64_t directory_bytes_ = 0;
  std::uint64_t count_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace

std::vector<ZipRecord> read_zip(const File& file) { return ZipReader(file).read(); }

std::uint32_t zip_crc(std::uint32_t before, const void* bytes, std::size_t count) noexcept {
  return static_cast<std::uint32_t>(::crc32_z(before, static_cast<const unsigned char*>(bytes), count));
}

}  // namespace ganglion::checkpoint
