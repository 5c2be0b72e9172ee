#include "hub/unpacked.h"

#include <fmt/format.h>

#include <functional>

#include "base/error.h"
#include "hub/archive.h"
#include "hub/lock_file.h"
#include "hub/patience.h"
#include "hub/progress.h"
#include "hub/resolved_url.h"

namespace ganglion::hub {
namespace {

namespace fs = std::filesystem;

std::uint64_t size_on_disk(const fs::path& file) {
  std::error_code error;
  const auto size = fs::file_size(file, error);
  return error ? 0 : size;
}

// `get` gives the archive's file, to be called at most once; `drop` is called when it has been unpacked.
fs::path bring(const std::string& key, const std::string& name, const std::function<fs::path()>& get,
               const std::function<void()>& drop, const Options& options) {
  const fs::path folder = options.cache / "archives";
  const fs::path whole = folder / key;
  std::error_code ignored;
  if (fs::is_directory(whole, ignored)) return model_folder_in(whole);
  make_folder(folder);
  const LockFile lock(folder / (key + ".lock"), options, [&] { return size_on_disk(folder / (key + ".incomplete")); });
  if (fs::is_directory(whole, ignored)) return model_folder_in(whole);
  const fs::path archive = get();
  const fs::path work = folder / (key + ".unpacking");
  fs::remove_all(work);
  make_folder(work);
  ArchiveLimits limits;
  limits.bytes =
      std::min(options.most_archive_bytes, options.free_bytes ? options.free_bytes(folder) : free_bytes(folder));
  try {
    unpack(archive, work, limits, options.cancelled);
  } catch (const Error& error) {
    fs::remove_all(work, ignored);
    if (error.code() == Code::kDataCorrupt) drop();
    throw Error(error.code(), fmt::format("{} (of {})", error.what(), name));
  }
  fs::rename(work, whole);
  drop();
  return model_folder_in(whole);
}

}  // namespace

fs::path bring_unpacked(const std::string& key, const RemoteFile& remote, const Options& options) {
  const fs::path partial = options.cache / "archives" / (key + ".incomplete");
  const auto get = [&] {
    PartialFile part(partial);
    const std::uint64_t left = remote.size.value_or(0) - std::min(remote.size.value_or(0), part.size());
    check_space(options.cache, left, options.free_bytes);
    ProgressScope progress(options.progress, remote.name, remote.size.value_or(0));
    if (options.progress != nullptr) options.progress->advance(part.size());
    fetch(remote, part, options);
    progress.done();
    return partial;
  };
  const auto drop = [&] {
    std::error_code ignored;
    fs::remove(partial, ignored);
  };
  return bring(key, remote.name, get, drop, options);
}

fs::path bring_web_archive(const std::string& text, const Options& options) {
  const Url url = Url::parse(text, "hub");
  // One byte, by GET: a signed URL allows no HEAD.
  HttpClient client(options.http, options.cancelled);
  HttpRequest probe;
  probe.url = url;
  probe.headers = {{"Range", "bytes=0-0"}};
  Patience patience(options);
  HttpResponse response;
  while (true) {
    const HttpClient::Sink sink{.begin = nullptr, .piece = [](std::string_view) { return HttpClient::More::kStop; }};
    response = client.send(probe, sink);
    if (!may_pass(response)) break;
    patience.failed(response, url.shown());
  }
  if (!response.ok() && response.status != 416) refuse(url.shown(), response);
  RemoteFile remote;
  remote.name = url.shown();
  remote.most_bytes = options.most_file_bytes;
  remote.request = [url] {
    HttpRequest get;
    get.url = url;
    return get;
  };
  const std::string etag = response.field("etag");
  if (etag.starts_with('"')) remote.if_range = etag;
  if (response.status == 206) {
    const auto range = parse_content_range(response.field("content-range"));
    if (range) remote.size = range->total;
  } else {
    remote.size = parse_size(response.field("content-length"));
  }
  const std::string size = remote.size ? std::to_string(*remote.size) : "";
  const std::string identity = fmt::format("{}\n{}\n{}\n{}", url.text(), etag, response.field("last-modified"), size);
  return bring_unpacked(sha256_hex(identity).substr(0, 32), remote, options);
}

fs::path bring_local_archive(const fs::path& file, const Options& options) {
  const fs::path path = fs::canonical(file);
  const auto written = fs::last_write_time(path).time_since_epoch().count();
  const std::string identity = fmt::format("{}\n{}\n{}", path.string(), written, fs::file_size(path));
  return bring(
      sha256_hex(identity).substr(0, 32), path.string(), [&] { return path; }, [] {}, options);
}

}  // namespace ganglion::hub
