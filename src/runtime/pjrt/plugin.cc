#include "runtime/pjrt/plugin.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstring>
#include <functional>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "hlo/proto_writer.h"
#include "hlo/verifier.h"
#include "runtime/pjrt/api.h"

namespace ganglion::runtime::pjrt {
namespace {

// CompileOptionsProto: executable_build_options (3) = {num_replicas (4) = 1, num_partitions (5) = 1}. Empty options
// abort XLA's plugins.
constexpr char kOneDeviceOptions[] = {0x1a, 0x04, 0x20, 0x01, 0x28, 0x01};

int buffer_type(DType dtype) {
  switch (dtype) {
    case DType::kPred:
      return api::kPred;
    case DType::kS4:
      return api::kS4;
    case DType::kS8:
      return api::kS8;
    case DType::kS32:
      return api::kS32;
    case DType::kS64:
      return api::kS64;
    case DType::kU8:
      return api::kU8;
    case DType::kU32:
      return api::kU32;
    case DType::kF16:
      return api::kF16;
    case DType::kBF16:
      return api::kBF16;
    case DType::kF32:
      return api::kF32;
  }
  return 0;
}

DType dtype_of(int type) {
  for (int i = 0; i < kDTypeCount; ++i) {
    if (buffer_type(static_cast<DType>(i)) == type) return static_cast<DType>(i);
  }
  fail(Code::kUnsupported, "[pjrt] the plugin gave a buffer of element type {}, which ganglion does not have", type);
}

// absl's status codes, which PJRT uses.
Code code_of(int status) {
  switch (status) {
    case 1:
      return Code::kCancelled;
    case 3:
      return Code::kInvalidArgument;
    case 4:
      return Code::kDeadlineExceeded;
    case 5:
      return Code::kNotFound;
    case 8:
      return Code::kResourceExhausted;
    case 12:
      return Code::kUnsupported;
    case 14:
      return Code::kUnavailable;
    default:
      return Code::kInternal;
  }
}

}  // namespace

struct Plugin::Impl {
  std::string path;
  const api::Table* table = nullptr;
  api::Client* client = nullptr;
  api::Device* device = nullptr;

  bool has(api::Slot slot) const {
    const std::size_t offset = offsetof(api::Table, functions) + static_cast<std::size_t>(slot) * sizeof(api::Function);
    return offset + sizeof(api::Function) <= table->struct_size && table->functions[static_cast<int>(slot)] != nullptr;
  }

  // Calls with the struct's size set and spare zero bytes behind it; outputs are copied back.
  template <typename Arguments>
  api::Error* call_raw(api::Slot slot, Arguments& arguments) const {
    static_assert(std::is_trivially_copyable_v<Arguments>);
    if (!has(slot)) fail(Code::kUnsupported, "[pjrt] {} lacks function {} of the table", path, static_cast<int>(slot));
    struct Padded {
      Arguments arguments;
      std::byte spare[api::kSpare];
    } padded{};
    padded.arguments = arguments;
    padded.arguments.head.struct_size = sizeof(Padded);
    api::Error* error = table->functions[static_cast<int>(slot)](&padded);
    arguments = padded.arguments;
    return error;
  }

  template <typename Arguments>
  void call(api::Slot slot, Arguments& arguments, const char* what) const {
    if (api::Error* error = call_raw(slot, arguments)) raise(error, what);
  }

  [[noreturn]] void raise(api::Error* error, const char* what) const {
    api::ErrorMessage message{};
    message.error = error;
    call_raw(api::Slot::kErrorMessage, message);
    std::string text(message.message, message.message_size);
    text = text.substr(0, text.find('\n'));
    api::ErrorGetCode code{};
    code.error = error;
    call_raw(api::Slot::kErrorGetCode, code);
    api::ErrorDestroy destroy{};
    destroy.error = error;
    call_raw(api::Slot::kErrorDestroy, destroy);
    fail(code_of(code.code), "[pjrt] {} of {}: {}", what, path, text);
  }

  void await(api::Event* event, const char* what) const {
    if (event == nullptr) return;
    api::EventAwait arguments{};
    arguments.event = event;
    api::Error* error = call_raw(api::Slot::kEventAwait, arguments);
    api::EventDestroy destroy{};
    destroy.event = event;
    call_raw(api::Slot::kEventDestroy, destroy);
    if (error != nullptr) raise(error, what);
  }
};

namespace {

// Owns a handle of the plugin for the time of one run.
template <typename Handle, typename Arguments, Handle* Arguments::*member>
class Owned {
 public:
  template <typename Impl>
  Owned(const Impl& impl, api::Slot destroy, Handle* handle)
      : handle_(handle), destroy_([&impl, destroy](Handle* dying) {
          Arguments arguments{};
          arguments.*member = dying;
          impl.call_raw(destroy, arguments);
        }) {}
  Owned(Owned&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)), destroy_(other.destroy_) {}
  Owned(const Owned&) = delete;
  ~Owned() {
    if (handle_ != nullptr) destroy_(handle_);
  }
  Handle* get() const { return handle_; }

 private:
  Handle* handle_;
  std::function<void(Handle*)> destroy_;
};

using OwnedBuffer = Owned<api::Buffer, api::BufferDestroy, &api::BufferDestroy::buffer>;
using OwnedExecutable = Owned<api::Executable, api::ExecutableDestroy, &api::ExecutableDestroy::executable>;
using OwnedLoaded =
    Owned<api::LoadedExecutable, api::LoadedExecutableDestroy, &api::LoadedExecutableDestroy::executable>;

void check_arguments(const hlo::Module& module, std::span<const TensorView> arguments) {
  const auto parameters = module.entry->parameters();
  if (parameters.size() != arguments.size()) {
    fail(Code::kInvalidArgument, "[pjrt] {} arguments given, the module has {} parameters", arguments.size(),
         parameters.size());
  }
  if (!module.row_bindings.empty()) {
    fail(Code::kInvalidArgument, "[pjrt] module {} has bounded rows; build it with exact sizes for a plugin",
         module.name);
  }
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const hlo::Shape& shape = parameters[i]->shape;
    if (shape.is_tuple || shape.dtype != arguments[i].dtype || shape.dims != arguments[i].dims) {
      fail(Code::kInvalidArgument, "[pjrt] argument {} is {}, parameter {} wants {}", i,
           shape_text(arguments[i].dtype, arguments[i].dims), parameters[i]->name, shape.text());
    }
  }
}

}  // namespace

Plugin::Plugin(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

std::unique_ptr<Plugin> Plugin::load(const std::filesystem::path& library) {
  if (!std::filesystem::exists(library)) fail(Code::kNotFound, "[pjrt] plugin {} is not there", library.string());
  void* handle = ::dlopen(library.c_str(), RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE);
  if (handle == nullptr) fail(Code::kUnsupported, "[pjrt] {} cannot be loaded: {}", library.string(), ::dlerror());
  using GetApi = const api::Table* (*)();
  const auto get_api = reinterpret_cast<GetApi>(::dlsym(handle, "GetPjrtApi"));
  if (get_api == nullptr)
    fail(Code::kUnsupported, "[pjrt] {} is no PJRT plugin: it has no function GetPjrtApi", library.string());

  auto impl = std::make_unique<Impl>();
  impl->path = library.filename().string();
  impl->table = get_api();
  const api::Version& version = impl->table->version;
  if (version.major != 0 || version.minor < api::kOldestMinor) {
    fail(Code::kUnsupported, "[pjrt] {} has API {}.{}: wanted 0.{} or newer", impl->path, version.major, version.minor,
         api::kOldestMinor);
  }
  api::PluginInitialize initialize{};
  impl->call(api::Slot::kPluginInitialize, initialize, "initialize");
  api::ClientCreate create{};
  impl->call(api::Slot::kClientCreate, create, "create client");
  impl->client = create.client;
  auto plugin = std::unique_ptr<Plugin>(new Plugin(std::move(impl)));  // owns the client from here on

  api::ClientAddressableDevices devices{};
  devices.client = plugin->impl_->client;
  plugin->impl_->call(api::Slot::kClientAddressableDevices, devices, "list devices");
  if (devices.count == 0) fail(Code::kUnavailable, "[pjrt] {} has no device", plugin->impl_->path);
  plugin->impl_->device = devices.devices[0];
  return plugin;
}

Plugin::~Plugin() {
  if (impl_ == nullptr || impl_->client == nullptr) return;
  api::ClientDestroy arguments{};
  arguments.client = impl_->client;
  impl_->call_raw(api::Slot::kClientDestroy, arguments);
}

std::string Plugin::platform() const {
  api::ClientPlatformName arguments{};
  arguments.client = impl_->client;
  impl_->call(api::Slot::kClientPlatformName, arguments, "platform name");
  return {arguments.name, arguments.name_size};
}

std::string Plugin::version() const {
  return fmt::format("{}.{}", impl_->table->version.major, impl_->table->version.minor);
}

std::vector<Tensor> Plugin::run(const hlo::Module& module, std::span<const TensorView> arguments) {
  hlo::verify(module);  // first: some malformed modules abort a plugin
  check_arguments(module, arguments);

  std::string code = hlo::write_proto(module);
  api::Program program{};
  program.head.struct_size = sizeof(program);
  program.code = code.data();
  program.code_size = code.size();
  program.format = "hlo";
  program.format_size = 3;
  api::ClientCompile compile{};
  compile.client = impl_->client;
  compile.program = &program;
  compile.options = kOneDeviceOptions;
  compile.options_size = sizeof(kOneDeviceOptions);
  impl_->call(api::Slot::kClientCompile, compile, "compile");
  const OwnedLoaded loaded(*impl_, api::Slot::kLoadedExecutableDestroy, compile.executable);

  api::LoadedExecutableGetExecutable get{};
  get.loaded = loaded.get();
  impl_->call(api::Slot::kLoadedExecutableGetExecutable, get, "get executable");
  const OwnedExecutable executable(*impl_, api::Slot::kExecutableDestroy, get.executable);
  api::ExecutableNumOutputs outputs{};
  outputs.executable = executable.get();
  impl_->call(api::Slot::kExecutableNumOutputs, outputs, "count outputs");

  std::vector<OwnedBuffer> buffers;
  std::vector<api::Buffer*> argument_list;
  for (const TensorView& argument : arguments) {
    api::BufferFromHostBuffer from{};
    from.client = impl_->client;
    from.data = argument.data;
    from.type = buffer_type(argument.dtype);
    from.dims = argument.dims.data();
    from.dim_count = argument.dims.size();
    from.semantics = api::kImmutableOnlyDuringCall;
    from.device = impl_->device;
    impl_->call(api::Slot::kBufferFromHostBuffer, from, "upload");
    buffers.emplace_back(*impl_, api::Slot::kBufferDestroy, from.buffer);
    argument_list.push_back(from.buffer);
    impl_->await(from.done_with_host_buffer, "upload");
  }

  std::vector<api::Buffer*> output_list(outputs.count, nullptr);
  api::Buffer* const* argument_lists[1] = {argument_list.data()};
  api::Buffer** output_lists[1] = {output_list.data()};
  api::Event* complete[1] = {nullptr};
  struct PaddedOptions {
    api::ExecuteOptions options;
    std::byte spare[api::kSpare];
  } options{};
  options.options.head.struct_size = sizeof(options);
  api::LoadedExecutableExecute execute{};
  execute.executable = loaded.get();
  execute.options = &options.options;
  execute.arguments = argument_lists;
  execute.device_count = 1;
  execute.argument_count = argument_list.size();
  execute.outputs = output_lists;
  execute.complete = complete;
  impl_->call(api::Slot::kLoadedExecutableExecute, execute, "execute");
  std::vector<OwnedBuffer> results;
  for (api::Buffer* buffer : output_list) results.emplace_back(*impl_, api::Slot::kBufferDestroy, buffer);
  impl_->await(complete[0], "execute");

  std::vector<Tensor> out;
  for (const OwnedBuffer& result : results) {
    api::BufferElementType type{};
    type.buffer = result.get();
    impl_->call(api::Slot::kBufferElementType, type, "element type");
    api::BufferDimensions dims{};
    dims.buffer = result.get();
    impl_->call(api::Slot::kBufferDimensions, dims, "dimensions");
    Tensor& tensor = out.emplace_back(dtype_of(type.type), Dims(dims.dims, dims.dims + dims.count));
    api::BufferToHostBuffer to{};
    to.source = result.get();
    to.destination = tensor.data();
    to.size = tensor.bytes();
    impl_->call(api::Slot::kBufferToHostBuffer, to, "download");
    impl_->await(to.event, "download");
  }
  return out;
}

}  // namespace ganglion::runtime::pjrt
