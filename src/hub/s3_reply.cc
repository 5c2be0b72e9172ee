#include "hub/s3_reply.h"

#include <expat.h>

#include <algorithm>
#include <functional>
#include <memory>

#include "base/error.h"
#include "hub/transfer.h"
#include "hub/url.h"

namespace ganglion::hub {
namespace {

constexpr std::size_t kMostDepth = 16;
constexpr std::size_t kMostText = 16 * 1024;

struct FreeParser {
  void operator()(XML_ParserStruct* parser) const noexcept { XML_ParserFree(parser); }
};

// Calls `leaf` with the path ("ListBucketResult/Contents/Key") and text of each element, at its end.
class Reader {
 public:
  using Leaf = std::function<void(const std::string& path, const std::string& text)>;

  // False when it is not well-formed or goes over a limit.
  static bool read(std::string_view xml, Leaf leaf) {
    Reader reader(std::move(leaf));
    const std::unique_ptr<XML_ParserStruct, FreeParser> parser(XML_ParserCreate("UTF-8"));
    GANGLION_CHECK(parser != nullptr && xml.size() < (1u << 30));
    reader.parser_ = parser.get();
    XML_SetUserData(parser.get(), &reader);
    XML_SetElementHandler(parser.get(), on_start, on_end);
    XML_SetCharacterDataHandler(parser.get(), on_text);
    XML_SetStartDoctypeDeclHandler(parser.get(), [](void* self, const char*, const char*, const char*, int) {
      static_cast<Reader*>(self)->stop();
    });
    const bool good = XML_Parse(parser.get(), xml.data(), static_cast<int>(xml.size()), 1) == XML_STATUS_OK;
    if (reader.error_) std::rethrow_exception(reader.error_);
    return good;
  }

 private:
  explicit Reader(Leaf leaf) : leaf_(std::move(leaf)) {}

  static void on_start(void* self, const char* name, const char**) {
    auto* reader = static_cast<Reader*>(self);
    if (reader->lengths_.size() >= kMostDepth || reader->path_.size() > kMostText) return reader->stop();
    reader->lengths_.push_back(reader->path_.size());
    reader->path_ += (reader->path_.empty() ? "" : "/") + std::string(name);
    reader->text_.clear();
  }
  static void on_end(void* self, const char*) {
    auto* reader = static_cast<Reader*>(self);
    try {
      reader->leaf_(reader->path_, reader->text_);
    } catch (...) {
      reader->error_ = std::current_exception();
      reader->stop();
    }
    reader->path_.resize(reader->lengths_.back());
    reader->lengths_.pop_back();
    reader->text_.clear();
  }
  static void on_text(void* self, const char* text, int size) {
    auto* reader = static_cast<Reader*>(self);
    if (reader->text_.size() + static_cast<std::size_t>(size) > kMostText) return reader->stop();
    reader->text_.append(text, static_cast<std::size_t>(size));
  }
  void stop() { XML_StopParser(parser_, XML_FALSE); }

  Leaf leaf_;
  XML_Parser parser_ = nullptr;
  std::string path_, text_;
  std::vector<std::size_t> lengths_;
  std::exception_ptr error_;
};

std::string error_member(std::string_view xml, std::string_view name) {
  std::string out;
  const bool good = Reader::read(xml, [&](const std::string& path, const std::string& text) {
    if (path == "Error/" + std::string(name)) out = text.substr(0, 300);
  });
  std::replace_if(
      out.begin(), out.end(), [](unsigned char c) { return c < 0x20 || c >= 0x7F; }, ' ');
  return good ? out : "";
}

}  // namespace

S3Page parse_s3_page(std::string_view xml, std::string_view place) {
  S3Page page;
  S3Object object;
  bool is_list = false, encoded = false, truncated = false, sized = false;
  const bool good = Reader::read(xml, [&](const std::string& path, const std::string& text) {
    if (path == "ListBucketResult") is_list = true;
    if (path == "ListBucketResult/EncodingType") encoded = text == "url";
    if (path == "ListBucketResult/IsTruncated") truncated = text == "true";
    if (path == "ListBucketResult/NextContinuationToken") page.next = text;
    if (path == "ListBucketResult/Contents/Key") object.key = text;
    if (path == "ListBucketResult/Contents/ETag") object.etag = text;
    if (path == "ListBucketResult/Contents/Size") {
      const auto size = parse_size(text);
      sized = size.has_value();
      object.size = size.value_or(0);
    }
    if (path != "ListBucketResult/Contents") return;
    if (object.key.empty() || !sized) fail(Code::kDataCorrupt, "[{}] an object without a key or a size", place);
    std::erase(object.etag, '"');
    page.objects.push_back(std::move(object));
    object = {};
    sized = false;
  });
  if (!good || !is_list) fail(Code::kDataCorrupt, "[{}] wanted the XML of a ListBucketResult", place);
  if (!truncated) page.next.clear();
  if (truncated && page.next.empty())
    fail(Code::kDataCorrupt, "[{}] a page that says there is more does not say where", place);
  if (encoded) {
    for (S3Object& entry : page.objects) {
      std::replace(entry.key.begin(), entry.key.end(), '+', ' ');
      entry.key = percent_decode(entry.key, place);
    }
  }
  return page;
}

std::string s3_error_code(std::string_view xml) { return error_member(xml, "Code"); }
std::string s3_error_region(std::string_view xml) { return error_member(xml, "Region"); }

std::string s3_error(std::string_view xml) {
  const std::string code = s3_error_code(xml);
  const std::string message = error_member(xml, "Message");
  return code.empty() || message.empty() ? code + message : code + ": " + message;
}

}  // namespace ganglion::hub
