// Brings models here: whatever a user names a model by becomes a folder on this machine with its checkpoint.
#pragma once

#include <filesystem>
#include <string>

#include "hub/options.h"
#include "hub/source.h"

namespace ganglion::hub {

class Hub {
 public:
  explicit Hub(Options options) : options_(std::move(options)) {}

  // The folder with the model; what is not here yet is fetched, which may take long (see Options::progress). `revision`
  // is for Hugging Face ids; "" is "main". Errors: those of the kinds, each naming the source, none holding a secret;
  // kInvalidArgument for a revision of something that has none. Thread-safe when the hooks are.
  std::filesystem::path bring(const Source& source, const std::string& revision = "") const;

  const Options& options() const noexcept { return options_; }

 private:
  Options options_;
};

}  // namespace ganglion::hub
