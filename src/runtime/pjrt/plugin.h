// Runs HLO modules on a PJRT plugin: one device, one rank. Enough to prove that what ganglion writes is HLO; the whole
// backend (several ranks, caches kept on the device) is not here.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "hlo/module.h"
#include "tensor/tensor.h"

namespace ganglion::runtime::pjrt {

// A loaded plugin with a client on its first device. The library is never unloaded. Not thread-safe.
class Plugin {
 public:
  // kNotFound when the file is not there; kUnsupported when it is no PJRT plugin or its API is older than 0.57;
  // kUnavailable with the plugin's words when it has no device.
  static std::unique_ptr<Plugin> load(const std::filesystem::path& library);
  ~Plugin();

  std::string platform() const;  // "cpu"
  std::string version() const;   // "0.81"

  // Compiles the module (verified first, composites as calls with bodies) and runs it once. Arguments by parameter
  // number, all of them; dtype and dims are checked here, because plugins do not. Results: every element of the root
  // tuple, aliased ones too. kInvalidArgument for arguments that do not fit or a module with bounded rows; errors of
  // the plugin keep their meaning as a code and the first line of their text.
  std::vector<Tensor> run(const hlo::Module& module, std::span<const TensorView> arguments);

 private:
  struct Impl;
  explicit Plugin(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ganglion::runtime::pjrt
