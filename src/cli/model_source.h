// The MODEL argument of a verb: a folder, a Hugging Face id or an address, brought here before the verb reads it.
#pragma once

#include <filesystem>
#include <string>

#include "base/settings.h"
#include "hub/options.h"

namespace CLI {
class App;
}

namespace ganglion::cli {

inline constexpr const char* kModelHelp =
    "a checkpoint: a folder, a Hugging Face id (facebook/opt-125m) or an address (s3://, https://...tar.gz, file:)";

struct ModelSource {
  std::string text;
  std::string revision;  // "" for "main"
};

// --revision.
void add_revision(CLI::App& verb, ModelSource& model);

// While it lives, SIGINT and SIGTERM make cancelled() true instead of ending the program: a download then stops with
// its partial file whole. One at a time.
class Interruption {
 public:
  Interruption();
  ~Interruption();
  Interruption(const Interruption&) = delete;
  static bool cancelled() noexcept;
};

// The folder, downloaded with a progress bar where that is needed. `place` starts messages about the argument. Errors
// as hub::parse_source and hub::Hub::bring.
std::filesystem::path bring_model(const ModelSource& model, hub::Options options, const std::string& place);
std::filesystem::path bring_model(const ModelSource& model, const Settings& settings, const std::string& place);

}  // namespace ganglion::cli
