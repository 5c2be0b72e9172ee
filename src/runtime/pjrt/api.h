// The part of the PJRT C API that ganglion calls, declared by us: the order of the function table and the argument
// structs, as they are since API 0.57. tests/pjrt/layout_test.cc proves them against the header that a plugin's package
// ships.
//
// Every call takes one pointer to an argument struct whose first member is its size; the plugin refuses a struct that
// is smaller than the one it knows and accepts a larger one, so every struct here ends in zeroed spare bytes (kSpare).
#pragma once

#include <cstddef>
#include <cstdint>

namespace ganglion::runtime::pjrt::api {

inline constexpr int kOldestMinor = 57;  // 0.57 rearranged the table

// Opaque handles of the plugin.
struct Error;
struct Event;
struct Client;
struct Device;
struct Buffer;
struct Executable;
struct LoadedExecutable;

// Position in the function table.
enum class Slot : int {
  kErrorDestroy = 0,
  kErrorMessage = 1,
  kErrorGetCode = 2,
  kPluginInitialize = 3,
  kEventDestroy = 5,
  kEventAwait = 8,
  kClientCreate = 10,
  kClientDestroy = 11,
  kClientPlatformName = 12,
  kClientAddressableDevices = 16,
  kClientCompile = 20,
  kBufferFromHostBuffer = 22,
  kExecutableDestroy = 40,
  kExecutableNumOutputs = 44,
  kLoadedExecutableDestroy = 50,
  kLoadedExecutableGetExecutable = 51,
  kLoadedExecutableExecute = 55,
  kBufferDestroy = 58,
  kBufferElementType = 59,
  kBufferDimensions = 60,
  kBufferToHostBuffer = 70,
};

using Function = Error* (*)(void* arguments);

struct Version {
  std::size_t struct_size;
  void* extensions;
  int major;
  int minor;
};

struct Table {
  std::size_t struct_size;
  void* extensions;
  Version version;
  Function functions[1];  // as many as struct_size says
};

inline constexpr std::size_t kSpare = 64;

// What every argument struct begins with.
struct Head {
  std::size_t struct_size = 0;
  void* extensions = nullptr;
};

enum BufferType : int {
  kPred = 1,
  kS8 = 2,
  kS32 = 4,
  kS64 = 5,
  kU8 = 6,
  kU32 = 8,
  kF16 = 10,
  kF32 = 11,
  kBF16 = 13,
  kS4 = 21
};
enum HostBufferSemantics : int { kImmutableOnlyDuringCall = 0 };

struct ErrorDestroy {
  Head head;
  Error* error;
};
struct ErrorMessage {
  Head head;
  const Error* error;
  const char* message;  // out
  std::size_t message_size;
};
struct ErrorGetCode {
  Head head;
  const Error* error;
  int code;  // out
};
struct PluginInitialize {
  Head head;
};
struct EventDestroy {
  Head head;
  Event* event;
};
struct EventAwait {
  Head head;
  Event* event;
};
struct ClientCreate {
  Head head;
  const void* options;
  std::size_t option_count;
  void* kv_get;
  void* kv_get_argument;
  void* kv_put;
  void* kv_put_argument;
  Client* client;  // out
  void* kv_try_get;
  void* kv_try_get_argument;
};
struct ClientDestroy {
  Head head;
  Client* client;
};
struct ClientPlatformName {
  Head head;
  Client* client;
  const char* name;  // out
  std::size_t name_size;
};
struct ClientAddressableDevices {
  Head head;
  Client* client;
  Device* const* devices;  // out
  std::size_t count;
};
struct Program {
  Head head;
  char* code;
  std::size_t code_size;
  const char* format;
  std::size_t format_size;
};
struct ClientCompile {
  Head head;
  Client* client;
  const Program* program;
  const char* options;
  std::size_t options_size;
  LoadedExecutable* executable;  // out
};
struct BufferFromHostBuffer {
  Head head;
  Client* client;
  const void* data;
  int type;
  const std::int64_t* dims;
  std::size_t dim_count;
  const std::int64_t* byte_strides;
  std::size_t byte_stride_count;
  int semantics;
  Device* device;
  void* memory;
  void* device_layout;
  Event* done_with_host_buffer;  // out
  Buffer* buffer;                // out
};
struct ExecutableDestroy {
  Head head;
  Executable* executable;
};
struct ExecutableNumOutputs {
  Head head;
  Executable* executable;
  std::size_t count;  // out
};
struct LoadedExecutableDestroy {
  Head head;
  LoadedExecutable* executable;
};
struct LoadedExecutableGetExecutable {
  Head head;
  LoadedExecutable* loaded;
  Executable* executable;  // out
};
struct ExecuteOptions {
  Head head;
  void* send_callbacks;
  void* recv_callbacks;
  std::size_t send_count;
  std::size_t recv_count;
  int launch_id;
  const std::int64_t* non_donatable;
  std::size_t non_donatable_count;
  void* context;
};
struct LoadedExecutableExecute {
  Head head;
  LoadedExecutable* executable;
  ExecuteOptions* options;
  Buffer* const* const* arguments;  // [devices][arguments]
  std::size_t device_count;
  std::size_t argument_count;
  Buffer** const* outputs;  // [devices][outputs], filled
  Event** complete;         // [devices] or null
  Device* execute_device;
};
struct BufferDestroy {
  Head head;
  Buffer* buffer;
};
struct BufferElementType {
  Head head;
  Buffer* buffer;
  int type;  // out
};
struct BufferDimensions {
  Head head;
  Buffer* buffer;
  const std::int64_t* dims;  // out
  std::size_t count;
};
struct BufferToHostBuffer {
  Head head;
  Buffer* source;
  void* host_layout;
  void* destination;
  std::size_t size;  // in and out
  Event* event;      // out
};

}  // namespace ganglion::runtime::pjrt::api
