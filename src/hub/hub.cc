#include "hub/hub.h"

#include "base/error.h"
#include "hub/hugging_face.h"

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
    default:
      fail(Code::kUnsupported, "[hub] {}: not yet", source.text);
  }
}

}  // namespace ganglion::hub
