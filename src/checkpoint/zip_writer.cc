#include "checkpoint/zip_writer.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "checkpoint/zip_format.h"

namespace ganglion::checkpoint {
namespace {

constexpr std::uint64_t kAlignment = 64;
constexpr std::uint64_t kCrcInHeader = 14;  // bytes before it

// Little-endian numbers one after the other.
class Fields {
 public:
  Fields& u16(std::uint64_t value) { return number(value, 2); }
  Fields& u32(std::uint64_t value) { return number(value, 4); }
  Fields& u64(std::uint64_t value) { return number(value, 8); }
  Fields& text(std::string_view value) {
    bytes_ += value;
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  Fields& number(std::uint64_t value, int width) {
    for (int i = 0; i < width; ++i) bytes_ += static_cast<char>(value >> (8 * i) & 0xff);
    return *this;
  }
  std::string bytes_;
};

// A number of 32 bits, or the mark that the zip64 field has it.
std::uint64_t short_form(std::uint64_t value) { return std::min<std::uint64_t>(value, zip::kIn64); }

// The zip64 field of those numbers that need it; empty when none does.
std::string extra64(std::initializer_list<std::uint64_t> numbers) {
  Fields field;
  for (const std::uint64_t number : numbers) {
    if (number >= zip::kIn64) field.u64(number);
  }
  if (field.bytes().empty()) return "";
  return Fields().u16(zip::kExtra64).u16(field.bytes().size()).text(field.bytes()).bytes();
}

}  // namespace

ZipWriter::ZipWriter(const std::filesystem::path& path) : path_(path), out_(path, std::ios::binary | std::ios::trunc) {
  check();
}

void ZipWriter::check() const {
  if (out_) return;
  fail(Code::kInvalidArgument, "[zip] {} cannot be written: {}; is there room, and may it be written to?",
       path_.string(), std::strerror(errno));
}

void ZipWriter::write(std::string_view bytes) {
  out_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  check();
  at_ += bytes.size();
}

void ZipWriter::add(const std::string& name, std::string_view bytes) {
  begin(name, bytes.size());
  add_bytes(std::as_bytes(std::span(bytes)));
}

void ZipWriter::begin(const std::string& name, std::uint64_t bytes) {
  end_record();
  Record record{.of = {.name = name, .offset = 0, .bytes = bytes, .crc = 0}, .header = at_};
  std::string extra = extra64({bytes, bytes});
  // torch's own field, of no meaning: it fills up to the alignment.
  const std::uint64_t before = at_ + zip::kLocalSize + name.size() + extra.size() + 4;
  const std::uint64_t filling = (kAlignment - before % kAlignment) % kAlignment;
  extra += Fields().text("FB").u16(filling).text(std::string(filling, 'Z')).bytes();
  write(Fields()
            .u32(zip::kLocal)
            .u16(zip::kVersion64)
            .u16(zip::kFlagUtf8)
            .u16(zip::kStored)
            .u32(0)  // no time
            .u32(0)  // the checksum comes when it is known
            .u32(short_form(bytes))
            .u32(short_form(bytes))
            .u16(name.size())
            .u16(extra.size())
            .text(name)
            .text(extra)
            .bytes());
  record.of.offset = at_;
  records_.push_back(std::move(record));
  left_ = bytes;
}

void ZipWriter::add_bytes(std::span<const std::byte> bytes) {
  GANGLION_CHECK(!records_.empty() && bytes.size() <= left_);
  ZipRecord& record = records_.back().of;
  record.crc = zip_crc(record.crc, bytes.data(), bytes.size());
  write({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  left_ -= bytes.size();
}

void ZipWriter::end_record() {
  if (records_.empty()) return;
  GANGLION_CHECK(left_ == 0);
  const Record& record = records_.back();
  out_.seekp(static_cast<std::streamoff>(record.header + kCrcInHeader));
  const std::string crc = Fields().u32(record.of.crc).bytes();
  out_.write(crc.data(), static_cast<std::streamsize>(crc.size()));
  out_.seekp(static_cast<std::streamoff>(at_));
  check();
}

void ZipWriter::finish() {
  end_record();
  const std::uint64_t begin = at_;
  for (const Record& record : records_) {
    const ZipRecord& of = record.of;
    const std::string extra = extra64({of.bytes, of.bytes, record.header});
    write(Fields()
              .u32(zip::kCentral)
              .u16(zip::kVersion64)
              .u16(zip::kVersion64)
              .u16(zip::kFlagUtf8)
              .u16(zip::kStored)
              .u32(0)
              .u32(of.crc)
              .u32(short_form(of.bytes))
              .u32(short_form(of.bytes))
              .u16(of.name.size())
              .u16(extra.size())
              .u16(0)  // comment, disk and attributes: none
              .u16(0)
              .u16(0)
              .u32(0)
              .u32(short_form(record.header))
              .text(of.name)
              .text(extra)
              .bytes());
  }
  const std::uint64_t end = at_;
  const std::uint64_t count = records_.size();
  write(Fields()
            .u32(zip::kEnd64)
            .u64(zip::kEnd64Size - 12)
            .u16(zip::kVersion64)
            .u16(zip::kVersion64)
            .u32(0)
            .u32(0)
            .u64(count)
            .u64(count)
            .u64(end - begin)
            .u64(begin)
            .bytes());
  write(Fields().u32(zip::kLocator).u32(0).u64(end).u32(1).bytes());
  const std::uint64_t short_count = std::min<std::uint64_t>(count, zip::kIn64Short);
  write(Fields()
            .u32(zip::kEnd)
            .u16(0)
            .u16(0)
            .u16(short_count)
            .u16(short_count)
            .u32(short_form(end - begin))
            .u32(short_form(begin))
            .u16(0)
            .bytes());
  out_.close();
  check();
}

}  // namespace ganglion::checkpoint
