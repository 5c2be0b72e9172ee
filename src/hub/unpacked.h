// Archives that were fetched and unpacked, each kept in a folder named by where it came from and its version there.
#pragma once

#include <filesystem>
#include <string>

#include "hub/options.h"
#include "hub/transfer.h"

namespace ganglion::hub {

// The folder of the model in the archive; `key` names it in the cache. What is there is used; else the archive is
// fetched, unpacked beside it and renamed when it is whole. Errors of fetch() and unpack().
std::filesystem::path bring_unpacked(const std::string& key, const RemoteFile& remote, const Options& options);

// The archive at an http or https URL.
std::filesystem::path bring_web_archive(const std::string& url, const Options& options);
// An archive on this machine's disk.
std::filesystem::path bring_local_archive(const std::filesystem::path& file, const Options& options);

}  // namespace ganglion::hub
