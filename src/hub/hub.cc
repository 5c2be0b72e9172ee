#include "hub/hub.h"

#include "base/error.h"
#include "hub/hugging_face.h"
#include "hub/s3.h"
#include "hub/unpacked.h"

namespace ganglion::hub {

std::filesystem::path Hub::bring(const Source& source, const std::string& revision) const {
  if (!revision.empty() && source.kind != SourceKind::kHuggingFace) {
    fail(Code::kInvalidArgument, "[hub] {}: a revision ('{}') is for Hugging Face ids", source.text, revision);
  }
  switch (source.kind) {
    case SourceKind::kFolder:
      return source.path;
    case SourceKind::kHuggingFace:
      return HuggingFace(source.text, revision.empty() ? "main" : revision, options_).bring();
    case SourceKind::kS3:
      return S3(source.text, options_).bring();
    case SourceKind::kWebArchive:
      return bring_web_archive(source.text, options_);
    case SourceKind::kArchiveFile:
      return bring_local_archive(source.path, options_);
  }
  fail(Code::kInternal, "[hub] {}: a kind without a way to bring it", source.text);
}

}  // namespace ganglion::hub
