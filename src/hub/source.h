// What a text that names a model means: a folder here, a Hugging Face id, an S3 address, an archive on a web server.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace ganglion::hub {

enum class SourceKind { kFolder, kArchiveFile, kHuggingFace, kS3, kWebArchive };

struct Source {
  SourceKind kind = SourceKind::kFolder;
  std::string text;            // the id or the URL
  std::filesystem::path path;  // of kFolder and kArchiveFile
};

// A folder that exists wins over an id of the same spelling; relative paths start from each of `bases` in turn. `place`
// starts messages. Errors: kNotFound when it is none of these, saying what was looked for; kUnsupported for djl:// and
// other schemes, with the reason.
Source parse_source(std::string_view text, const std::vector<std::filesystem::path>& bases, std::string_view place);
// For logs and errors: the text without the query of a URL, which may hold a signature.
std::string shown(const Source& source);
// Whether the last part of a path ends as an archive that can be unpacked does: .zip, .mar, .tar, .tgz, .tar.gz ...
bool is_archive_name(std::string_view path) noexcept;
// "opt" of "opt.tar.gz"; the name itself when it is not an archive's.
std::string_view without_archive_ending(std::string_view name) noexcept;

}  // namespace ganglion::hub
