#include "hub/s3.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <ctime>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "hub/file_choice.h"
#include "hub/hash.h"
#include "hub/lock_file.h"
#include "hub/patience.h"
#include "hub/progress.h"
#include "hub/resolved_url.h"
#include "hub/source.h"
#include "hub/unpacked.h"

namespace ganglion::hub {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMostPage = 16u << 20;
constexpr const char* kProperties = "serving.properties";

bool good_bucket(std::string_view bucket) {
  return bucket.size() >= 3 && bucket.size() <= 255 && bucket.find("..") == std::string_view::npos &&
         std::all_of(bucket.begin(), bucket.end(),
                     [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '.' || c == '_'; }) &&
         std::isalnum(static_cast<unsigned char>(bucket.front())) &&
         std::isalnum(static_cast<unsigned char>(bucket.back()));
}

bool good_region(std::string_view region) {
  return !region.empty() && region.size() <= 64 &&
         std::all_of(region.begin(), region.end(), [](unsigned char c) { return std::isalnum(c) || c == '-'; });
}

std::uint64_t folder_bytes(const fs::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (it->is_regular_file(ignored)) bytes += it->file_size(ignored);
  }
  return bytes;
}

}  // namespace

S3Address parse_s3_address(std::string_view text) {
  S3Address out;
  std::string_view rest = text;
  rest.remove_prefix(std::min<std::size_t>(5, rest.size()));
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  out.bucket = rest.substr(0, slash);
  out.key = rest.substr(std::min(slash + 1, rest.size()));
  if (out.key.ends_with('/')) out.key.pop_back();
  if (!good_bucket(out.bucket) || out.key.size() > 1024 || out.key.find('\0') != std::string::npos) {
    fail(Code::kInvalidArgument,
         "[s3] '{}': wanted s3://BUCKET/KEY, a bucket's name being letters, digits, '-' and '.'", text);
  }
  return out;
}

Url s3_url(const std::string& bucket, const std::string& key, const std::string& region,
           const std::optional<std::string>& endpoint, const std::string& addressing) {
  const bool by_path =
      addressing == "path" || (addressing != "virtual" && (endpoint || bucket.find('.') != std::string::npos));
  Url url = Url::parse(endpoint.value_or("https://s3." + region + ".amazonaws.com"), "AWS_ENDPOINT_URL_S3");
  std::string base = url.path == "/" ? "" : url.path;
  if (by_path) {
    base += "/" + bucket;
  } else {
    url.host.insert(0, bucket + ".");
  }
  // Not by way of a parser: "." and ".." are parts of keys like others.
  url.path = base + "/" + percent_encode(key, true);
  return url;
}

S3::S3(std::string_view address, const Options& options)
    : options_(options),
      address_(parse_s3_address(address)),
      credentials_(options),
      client_(options.http, options.cancelled) {
  scope_.region = credentials_.region();
  if (!good_region(scope_.region)) fail(Code::kInvalidArgument, "[s3] region '{}' is no name of one", scope_.region);
}

HttpRequest S3::request(const std::string& method, const std::string& key, const std::string& query) {
  HttpRequest out;
  out.method = method;
  out.url = s3_url(address_.bucket, key, scope_.region, credentials_.endpoint(), options_.aws.addressing);
  out.url.query = query;
  if (const auto credentials = credentials_.get()) sign(out, *credentials, scope_, std::time(nullptr));
  return out;
}

void S3::refuse_s3(const std::string& what, const HttpResponse& response) {
  HttpResponse shown = response;
  const std::string code = s3_error_code(response.body);
  shown.body = s3_error(response.body);
  if ((response.status == 403 || response.status == 401) && !credentials_.get()) {
    shown.body += "; the request was not signed, no credentials were found (" + credentials_.tried() + ")";
  }
  if (code == "RequestTimeTooSkewed") shown.body += "; set this machine's clock";
  refuse(what, shown);
}

// A bucket of another region says so: asked there once.
HttpResponse S3::send(const std::string& method, const std::string& key, const std::string& query) {
  Patience patience(options_);
  bool moved = false;
  while (true) {
    HttpRequest question = request(method, key, query);
    question.body_limit = kMostPage;
    question.follow_absolute = false;  // a redirect to the bucket's region wants another signature
    HttpResponse response = client_.send(question);
    if (may_pass(response)) {
      patience.failed(response, place());
      continue;
    }
    std::string region = response.field("x-amz-bucket-region");
    if (region.empty() && !response.ok()) region = s3_error_region(response.body);
    const bool elsewhere = !response.ok() && !moved && good_region(region) && region != scope_.region;
    if (!elsewhere || !response.failure.empty()) {
      if (!response.failure.empty()) refuse(place(), response);
      return response;
    }
    log::info("[hub] the bucket {} is in {}", address_.bucket, region);
    scope_.region = region;
    moved = true;
  }
}

std::vector<S3Object> S3::list() {
  const std::string prefix = address_.key.empty() ? "" : address_.key + "/";
  std::vector<S3Object> objects;
  std::string token;
  do {
    std::string query;
    if (!token.empty()) query = "continuation-token=" + percent_encode(token, false) + "&";
    query += "encoding-type=url&list-type=2&prefix=" + percent_encode(prefix, false);
    const HttpResponse response = send("GET", "", query);
    if (!response.ok()) refuse_s3(place(), response);
    const S3Page page = parse_s3_page(response.body, place());
    for (const S3Object& object : page.objects) {
      if (!object.key.starts_with(prefix)) {
        fail(Code::kDataCorrupt, "[hub] {}: the server lists keys that do not begin with '{}'", place(), prefix);
      }
      if (!object.key.ends_with('/')) objects.push_back(object);  // else the mark of a folder
    }
    if (objects.size() > kMostFiles) {
      fail(Code::kResourceExhausted, "[hub] {}: more than {} objects below it; name the folder of one model", place(),
           kMostFiles);
    }
    if (page.next == token && !token.empty()) {
      fail(Code::kDataCorrupt, "[hub] {}: the server's list does not go on", place());
    }
    token = page.next;
  } while (!token.empty());
  if (objects.empty()) fail(Code::kNotFound, "[hub] {}: there is no object below it", place());
  return objects;
}

fs::path S3::bring() { return is_archive_name(address_.key) ? bring_archive() : bring_folder(); }

RemoteFile S3::remote(const S3Object& object) {
  RemoteFile out;
  out.name = "s3://" + address_.bucket + "/" + object.key;
  out.request = [this, key = object.key, etag = object.etag] {
    HttpRequest get = request("GET", key, "");
    // The object as it was listed, not one that was put there since.
    if (!etag.empty()) get.headers.emplace_back("If-Match", "\"" + etag + "\"");
    return get;
  };
  out.size = object.size;
  out.most_bytes = options_.most_file_bytes;
  return out;
}

void S3::fetch_object(const S3Object& object, const fs::path& file) {
  std::error_code ignored;
  if (fs::is_regular_file(file, ignored)) {
    if (options_.progress != nullptr) options_.progress->advance(object.size);
    return;
  }
  make_folder(file.parent_path());
  PartialFile part(file.string() + ".incomplete");
  if (options_.progress != nullptr) options_.progress->advance(part.size());
  RemoteFile from = remote(object);
  // The ETag is the md5 of what came in one part, unless KMS encrypted it, which only an answer says.
  if (is_hex(object.etag, 32)) {
    const HttpResponse head = send("HEAD", object.key, "");
    if (!head.ok()) refuse_s3(from.name, head);
    const std::string encryption = head.field("x-amz-server-side-encryption");
    const bool customer = !head.field("x-amz-server-side-encryption-customer-algorithm").empty();
    if ((encryption.empty() || encryption == "AES256") && !customer) from.checksum = {HashKind::kMd5, object.etag};
  }
  fetch(from, part, options_);
  part.finish(file);
}

fs::path S3::bring_folder() {
  const std::vector<S3Object> objects = list();
  const std::size_t cut = address_.key.empty() ? 0 : address_.key.size() + 1;
  std::string identity = credentials_.endpoint().value_or("") + "\n" + place() + "\n";
  std::map<std::string, S3Object> files;
  std::vector<std::string> names;
  for (const S3Object& object : objects) {
    identity += fmt::format("{}\n{}\n{}\n", object.key, object.size, object.etag);
    names.push_back(object.key.substr(cut));
    files.emplace(names.back(), object);
  }
  FileChoice choice;
  if (files.contains("config.json") || !files.contains(kProperties)) choice = choose_files(names, place());
  if (files.contains(kProperties)) {  // a model folder as `serve` takes it; a handler is fetched to be refused
    for (const char* name : {kProperties, "model.py"}) {
      if (files.contains(name)) choice.files.emplace_back(name);
    }
  }
  const fs::path whole = options_.cache / "s3" / sha256_hex(identity).substr(0, 32);
  std::error_code ignored;
  if (fs::is_directory(whole, ignored)) return whole;
  const fs::path work = whole.string() + ".incomplete";
  const LockFile lock(whole.string() + ".lock", options_, [&] { return folder_bytes(work); });
  if (fs::is_directory(whole, ignored)) return whole;
  make_folder(work);
  if (!choice.index.empty()) {
    fetch_object(files.at(choice.index), work / choice.index);
    for (const std::string& shard : shards_of_index(read_text(work / choice.index), choice.index)) {
      if (!files.contains(shard))
        fail(Code::kNotFound, "[hub] {}: {} names {}, which is not there", place(), choice.index, shard);
      choice.files.push_back(shard);
    }
  }
  std::uint64_t wanted = 0;
  for (const std::string& name : choice.files) wanted += files.at(name).size;
  const std::uint64_t have = folder_bytes(work);
  check_space(options_.cache, wanted - std::min(wanted, have), options_.free_bytes);
  ProgressScope progress(options_.progress, place(), wanted);
  for (const std::string& name : choice.files) fetch_object(files.at(name), work / name);
  progress.done();
  fs::rename(work, whole);
  return whole;
}

fs::path S3::bring_archive() {
  const HttpResponse head = send("HEAD", address_.key, "");
  if (!head.ok()) refuse_s3(place(), head);
  S3Object object{
      .key = address_.key, .size = parse_size(head.field("content-length")).value_or(0), .etag = head.field("etag")};
  std::erase(object.etag, '"');
  const std::string identity =
      credentials_.endpoint().value_or("") + "\n" + place() + "\n" + object.etag + "\n" + std::to_string(object.size);
  return bring_unpacked(sha256_hex(identity).substr(0, 32), remote(object), options_);
}

}  // namespace ganglion::hub
