// Our declarations of the PJRT C API (runtime/pjrt/api.h) against the header that a plugin's package ships.
#include <gtest/gtest.h>
#include <pjrt_c_api.h>

#include "runtime/pjrt/api.h"

namespace ganglion::runtime::pjrt::api {
namespace {

#define SAME_SLOT(ours, theirs)                                                                   \
  EXPECT_EQ(offsetof(Table, functions) + static_cast<std::size_t>(Slot::ours) * sizeof(Function), \
            offsetof(PJRT_Api, theirs))                                                           \
      << #theirs
#define SAME_FIELD(ours, our_field, theirs, their_field) \
  EXPECT_EQ(offsetof(ours, our_field), offsetof(theirs, their_field)) << #theirs "." #their_field

TEST(PjrtLayout, FunctionsStandWhereTheHeaderHasThem) {
  SAME_SLOT(kErrorDestroy, PJRT_Error_Destroy);
  SAME_SLOT(kErrorMessage, PJRT_Error_Message);
  SAME_SLOT(kErrorGetCode, PJRT_Error_GetCode);
  SAME_SLOT(kPluginInitialize, PJRT_Plugin_Initialize);
  SAME_SLOT(kEventDestroy, PJRT_Event_Destroy);
  SAME_SLOT(kEventAwait, PJRT_Event_Await);
  SAME_SLOT(kClientCreate, PJRT_Client_Create);
  SAME_SLOT(kClientDestroy, PJRT_Client_Destroy);
  SAME_SLOT(kClientPlatformName, PJRT_Client_PlatformName);
  SAME_SLOT(kClientAddressableDevices, PJRT_Client_AddressableDevices);
  SAME_SLOT(kClientCompile, PJRT_Client_Compile);
  SAME_SLOT(kBufferFromHostBuffer, PJRT_Client_BufferFromHostBuffer);
  SAME_SLOT(kExecutableDestroy, PJRT_Executable_Destroy);
  SAME_SLOT(kExecutableNumOutputs, PJRT_Executable_NumOutputs);
  SAME_SLOT(kLoadedExecutableDestroy, PJRT_LoadedExecutable_Destroy);
  SAME_SLOT(kLoadedExecutableGetExecutable, PJRT_LoadedExecutable_GetExecutable);
  SAME_SLOT(kLoadedExecutableExecute, PJRT_LoadedExecutable_Execute);
  SAME_SLOT(kBufferDestroy, PJRT_Buffer_Destroy);
  SAME_SLOT(kBufferElementType, PJRT_Buffer_ElementType);
  SAME_SLOT(kBufferDimensions, PJRT_Buffer_Dimensions);
  SAME_SLOT(kBufferToHostBuffer, PJRT_Buffer_ToHostBuffer);
}

TEST(PjrtLayout, FieldsStandWhereTheHeaderHasThem) {
  SAME_FIELD(Table, version, PJRT_Api, pjrt_api_version);
  SAME_FIELD(Version, minor, PJRT_Api_Version, minor_version);
  SAME_FIELD(ErrorMessage, message_size, PJRT_Error_Message_Args, message_size);
  SAME_FIELD(ErrorGetCode, code, PJRT_Error_GetCode_Args, code);
  SAME_FIELD(EventAwait, event, PJRT_Event_Await_Args, event);
  SAME_FIELD(ClientCreate, client, PJRT_Client_Create_Args, client);
  SAME_FIELD(ClientCreate, kv_try_get_argument, PJRT_Client_Create_Args, kv_try_get_user_arg);
  SAME_FIELD(ClientPlatformName, name_size, PJRT_Client_PlatformName_Args, platform_name_size);
  SAME_FIELD(ClientAddressableDevices, count, PJRT_Client_AddressableDevices_Args, num_addressable_devices);
  SAME_FIELD(Program, format_size, PJRT_Program, format_size);
  SAME_FIELD(ClientCompile, options, PJRT_Client_Compile_Args, compile_options);
  SAME_FIELD(ClientCompile, executable, PJRT_Client_Compile_Args, executable);
  SAME_FIELD(BufferFromHostBuffer, semantics, PJRT_Client_BufferFromHostBuffer_Args, host_buffer_semantics);
  SAME_FIELD(BufferFromHostBuffer, device, PJRT_Client_BufferFromHostBuffer_Args, device);
  SAME_FIELD(BufferFromHostBuffer, buffer, PJRT_Client_BufferFromHostBuffer_Args, buffer);
  SAME_FIELD(ExecutableNumOutputs, count, PJRT_Executable_NumOutputs_Args, num_outputs);
  SAME_FIELD(LoadedExecutableGetExecutable, executable, PJRT_LoadedExecutable_GetExecutable_Args, executable);
  SAME_FIELD(ExecuteOptions, launch_id, PJRT_ExecuteOptions, launch_id);
  SAME_FIELD(ExecuteOptions, non_donatable_count, PJRT_ExecuteOptions, num_non_donatable_input_indices);
  SAME_FIELD(LoadedExecutableExecute, outputs, PJRT_LoadedExecutable_Execute_Args, output_lists);
  SAME_FIELD(LoadedExecutableExecute, execute_device, PJRT_LoadedExecutable_Execute_Args, execute_device);
  SAME_FIELD(BufferElementType, type, PJRT_Buffer_ElementType_Args, type);
  SAME_FIELD(BufferDimensions, count, PJRT_Buffer_Dimensions_Args, num_dims);
  SAME_FIELD(BufferToHostBuffer, size, PJRT_Buffer_ToHostBuffer_Args, dst_size);
  SAME_FIELD(BufferToHostBuffer, event, PJRT_Buffer_ToHostBuffer_Args, event);
  EXPECT_GE(sizeof(ExecuteOptions) + kSpare, sizeof(PJRT_ExecuteOptions));
}

TEST(PjrtLayout, ElementTypesHaveTheHeadersNumbers) {
  EXPECT_EQ(kPred, PJRT_Buffer_Type_PRED);
  EXPECT_EQ(kS8, PJRT_Buffer_Type_S8);
  EXPECT_EQ(kS32, PJRT_Buffer_Type_S32);
  EXPECT_EQ(kS64, PJRT_Buffer_Type_S64);
  EXPECT_EQ(kU8, PJRT_Buffer_Type_U8);
  EXPECT_EQ(kU32, PJRT_Buffer_Type_U32);
  EXPECT_EQ(kF16, PJRT_Buffer_Type_F16);
  EXPECT_EQ(kF32, PJRT_Buffer_Type_F32);
  EXPECT_EQ(kBF16, PJRT_Buffer_Type_BF16);
}

}  // namespace
}  // namespace ganglion::runtime::pjrt::api
