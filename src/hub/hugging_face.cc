#include "hub/hugging_face.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "hub/address.h"
#include "hub/file_choice.h"
#include "hub/hash.h"
#include "hub/lock_file.h"
#include "hub/partial_file.h"
#include "hub/patience.h"
#include "hub/progress.h"
#include "hub/resolved_url.h"
#include "hub/transfer.h"

namespace ganglion::hub {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMostReply = 64u << 20;
constexpr int kAttemptsToAsk = 3;  // the cache may do instead: one that works without a network waits two seconds

std::uint64_t size_on_disk(const fs::path& file) {
  std::error_code error;
  const auto size = fs::file_size(file, error);
  return error ? 0 : size;
}

// Of the files that earlier downloads left.
std::uint64_t incomplete_bytes(const fs::path& blobs) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (fs::directory_iterator it(blobs, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() == ".incomplete") bytes += size_on_disk(it->path());
  }
  return bytes;
}

// A validator as a file name: without its quotes and W/, and nothing a path could be made of.
std::string clean_etag(std::string etag, const std::string& file, std::string_view place) {
  if (etag.starts_with("W/")) etag.erase(0, 2);
  std::erase(etag, '"');
  const bool good = !etag.empty() && etag.size() <= 128 && etag.front() != '.' &&
                    std::all_of(etag.begin(), etag.end(),
                                [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_' || c == '.'; });
  if (!good) fail(Code::kDataCorrupt, "[{}] {}: the server gives no ETag that can name a file", place, file);
  return etag;
}

std::optional<Checksum> checksum_of(const std::string& etag) {
  if (is_hex(etag, 64)) return Checksum{HashKind::kSha256, etag};
  if (is_hex(etag, 40)) return Checksum{HashKind::kSha1, etag};
  return std::nullopt;
}

}  // namespace

Repository parse_repository(std::string_view text, std::string_view place) {
  const nlohmann::json reply = parse_json(text, place);
  Repository out;
  if (!reply.is_object() || !reply.contains("sha") || !reply["sha"].is_string() || !reply.contains("siblings") ||
      !reply["siblings"].is_array()) {
    fail(Code::kDataCorrupt, "[{}] wanted an object with sha and siblings", place);
  }
  out.commit = reply["sha"].get<std::string>();
  if (!is_commit(out.commit)) fail(Code::kDataCorrupt, "[{}] sha: wanted a commit of 40 hexadecimal digits", place);
  if (reply["siblings"].size() > kMostFiles) {
    fail(Code::kResourceExhausted, "[{}] {} files: at most {} are looked at", place, reply["siblings"].size(),
         kMostFiles);
  }
  for (const nlohmann::json& sibling : reply["siblings"]) {
    if (!sibling.is_object() || !sibling.contains("rfilename") || !sibling["rfilename"].is_string()) {
      fail(Code::kDataCorrupt, "[{}] siblings: wanted objects with rfilename", place);
    }
    Repository::File file{.name = sibling["rfilename"].get<std::string>(), .size = std::nullopt};
    check_file_name(file.name, place);
    const auto size = sibling.find("size");
    if (size != sibling.end() && size->is_number_unsigned()) file.size = size->get<std::uint64_t>();
    out.files.push_back(std::move(file));
  }
  return out;
}

HuggingFace::HuggingFace(std::string id, std::string revision, const Options& options)
    : id_(std::move(id)),
      revision_(std::move(revision)),
      options_(options),
      cache_(options.hugging_face.cache, id_),
      client_(options.http, options.cancelled) {
  GANGLION_CHECK(is_model_id(id_));
  check_revision(revision_);
}

std::string HuggingFace::place() const { return "hub: " + id_ + (revision_ == "main" ? "" : "@" + revision_); }

bool HuggingFace::whole(const std::string& commit, std::string* missing) const {
  try {
    const FileChoice choice = choose_files(cache_.files(commit), cache_.snapshot(commit).string());
    if (choice.index.empty()) return true;
    for (const std::string& shard : shards_of_index(read_text(cache_.snapshot(commit) / choice.index), choice.index)) {
      if (cache_.has(commit, shard)) continue;
      *missing = (cache_.snapshot(commit) / shard).string() + " is missing";
      return false;
    }
    return true;
  } catch (const Error& error) {
    *missing = error.what();
    return false;
  }
}

std::optional<fs::path> HuggingFace::whole_in_cache(std::string* missing) const {
  const auto commit = cache_.commit_of(revision_);
  std::error_code ignored;
  if (!commit || !fs::is_directory(cache_.snapshot(*commit), ignored)) {
    *missing = cache_.folder().string() + " does not have it";
    return std::nullopt;
  }
  if (!whole(*commit, missing)) return std::nullopt;
  return cache_.snapshot(*commit);
}

fs::path HuggingFace::bring() {
  std::string missing;
  const bool pinned = is_commit(revision_);
  if (pinned || options_.hugging_face.offline) {
    if (const auto folder = whole_in_cache(&missing)) return *folder;
    if (options_.hugging_face.offline) {
      fail(Code::kNotFound, "[{}] HF_HUB_OFFLINE is set, and the cache is not enough: {}", place(), missing);
    }
  }
  Repository repository;
  try {
    repository = ask();
  } catch (const Error& error) {
    if (reachable_ || error.code() == Code::kCancelled) throw;
    const auto folder = whole_in_cache(&missing);
    if (!folder) throw;
    log::warning("{}; the cache's copy is used", error.what());
    return *folder;
  }
  fetch_missing(repository);
  cache_.remember(revision_, repository.commit);
  return cache_.snapshot(repository.commit);
}

HttpRequest HuggingFace::request(const std::string& path) const {
  const HuggingFaceOptions& hub = options_.hugging_face;
  HttpRequest out;
  out.url = Url::parse(hub.endpoint + path, "HF_ENDPOINT");
  if (hub.token && (out.url.scheme == "https" || is_loopback(out.url.host))) {
    out.secrets.emplace_back("Authorization", "Bearer " + *hub.token);
  }
  return out;
}

HttpRequest HuggingFace::file_request(const std::string& commit, const std::string& file) const {
  HttpRequest out = request("/" + id_ + "/resolve/" + commit + "/" + percent_encode(file, true));
  out.headers.emplace_back("Accept-Encoding", "identity");
  return out;
}

void HuggingFace::refuse_repository(const HttpResponse& response) const {
  const std::string kind = response.field("x-error-code");
  const char* token = options_.hugging_face.token ? "the token may not read it" : "no token is set (HF_TOKEN)";
  const std::string& endpoint = options_.hugging_face.endpoint;
  if (kind == "GatedRepo") {
    fail(Code::kInvalidArgument, "[{}] {} gives it only to those who accepted its terms on its page, and {}", place(),
         endpoint, token);
  }
  if (kind == "RevisionNotFound") {
    fail(Code::kNotFound, "[{}] {} has the model but not the revision '{}'", place(), endpoint, revision_);
  }
  if (response.status == 401 || response.status == 403 || response.status == 404) {
    fail(Code::kNotFound, "[{}] {} has no such model, or a private one (it answered with {}) and {}", place(), endpoint,
         response.status, token);
  }
  refuse(place(), response);
}

Repository HuggingFace::ask() {
  HttpRequest question = request("/api/models/" + id_ + "/revision/" + percent_encode(revision_, false));
  question.url.query = "blobs=true";
  question.body_limit = kMostReply;
  reachable_ = false;
  const HttpResponse response = send_patiently(client_, question, options_, place(), kAttemptsToAsk);
  reachable_ = true;
  if (!response.ok()) refuse_repository(response);
  const std::string type = response.field("content-type");
  if (type.find("json") == std::string::npos) {
    fail(Code::kDataCorrupt, "[{}] {} answers with '{}', wanted JSON; does HF_ENDPOINT name a hub?", place(),
         response.url.shown(), type.substr(0, 80));
  }
  return parse_repository(response.body, place() + ": " + response.url.shown());
}

void HuggingFace::fetch_missing(const Repository& repository) {
  std::vector<std::string> names;
  std::map<std::string, Repository::File> files;
  for (const Repository::File& file : repository.files) {
    names.push_back(file.name);
    files.emplace(file.name, file);
  }
  const std::string& commit = repository.commit;
  FileChoice choice = choose_files(names, place());
  if (!choice.index.empty()) {
    if (!cache_.has(commit, choice.index)) fetch_file(commit, files.at(choice.index));
    for (const std::string& shard : shards_of_index(read_text(cache_.snapshot(commit) / choice.index), choice.index)) {
      if (!files.contains(shard)) {
        fail(Code::kDataCorrupt, "[{}] {} names the shard {}, which the model does not have", place(), choice.index,
             shard);
      }
      choice.files.push_back(shard);
    }
  }
  std::vector<Repository::File> missing;
  std::uint64_t wanted = 0;
  for (const std::string& name : choice.files) {
    if (cache_.has(commit, name)) continue;
    missing.push_back(files.at(name));
    wanted += files.at(name).size.value_or(0);
  }
  if (missing.empty()) return;
  const std::uint64_t begun = incomplete_bytes(cache_.folder() / "blobs");
  check_space(cache_.folder(), wanted - std::min(wanted, begun), options_.free_bytes);
  ProgressScope progress(options_.progress, id_, wanted);
  for (const Repository::File& file : missing) fetch_file(commit, file);
  progress.done();
}

HuggingFace::Metadata HuggingFace::head(const std::string& commit, const std::string& file) {
  HttpRequest question = file_request(commit, file);
  question.method = "HEAD";
  question.follow_absolute = false;  // the hub's own fields are wanted, not those of where the bytes lie
  const HttpResponse response = send_patiently(client_, question, options_, id_ + "/" + file);
  const bool redirects = response.status >= 300 && response.status < 400;
  if (!response.ok() && !redirects) refuse(id_ + "/" + file, response);
  Metadata out;
  const std::string linked = response.field("x-linked-etag");
  out.etag = clean_etag(linked.empty() ? response.field("etag") : linked, file, place());
  const std::string linked_size = response.field("x-linked-size");
  const auto size = parse_size(linked_size.empty() ? response.field("content-length") : linked_size);
  if (!size || (redirects && linked_size.empty())) {
    fail(Code::kDataCorrupt, "[{}] {}: the server does not say how large it is", place(), file);
  }
  out.size = *size;
  return out;
}

void HuggingFace::fetch_file(const std::string& commit, const Repository::File& file) {
  const Metadata metadata = head(commit, file.name);
  const fs::path blob = cache_.blob(metadata.etag), partial = cache_.partial(metadata.etag);
  if (metadata.size > options_.most_file_bytes) {
    fail(Code::kResourceExhausted, "[{}] {} has {} bytes: at most {} are fetched", place(), file.name, metadata.size,
         options_.most_file_bytes);
  }
  make_folder(blob.parent_path());
  const LockFile lock(cache_.lock(metadata.etag), options_, [&] { return size_on_disk(partial); });
  std::error_code ignored;
  if (!fs::is_regular_file(blob, ignored)) {
    PartialFile part(partial);
    if (options_.progress != nullptr) options_.progress->advance(part.size());
    check_space(blob.parent_path(), metadata.size - std::min(metadata.size, part.size()), options_.free_bytes);
    RemoteFile remote;
    remote.name = id_ + "/" + file.name;
    remote.request = [&] { return file_request(commit, file.name); };
    remote.size = metadata.size;
    remote.checksum = checksum_of(metadata.etag);
    remote.most_bytes = options_.most_file_bytes;
    fetch(remote, part, options_);
    part.finish(blob);
  } else if (options_.progress != nullptr) {
    options_.progress->advance(size_on_disk(blob));
  }
  cache_.link(commit, file.name, metadata.etag);
}

}  // namespace ganglion::hub
