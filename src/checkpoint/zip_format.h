// The numbers of the zip format (PKWARE's APPNOTE 6.3.10) that reading and writing share.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ganglion::checkpoint::zip {

inline constexpr std::uint32_t kLocal = 0x04034b50;
inline constexpr std::uint32_t kDescriptor = 0x08074b50;
inline constexpr std::uint32_t kCentral = 0x02014b50;
inline constexpr std::uint32_t kEnd64 = 0x06064b50;
inline constexpr std::uint32_t kLocator = 0x07064b50;
inline constexpr std::uint32_t kEnd = 0x06054b50;

// Without their names and extra fields.
inline constexpr std::size_t kLocalSize = 30;
inline constexpr std::size_t kCentralSize = 46;
inline constexpr std::size_t kDescriptorSize = 16;
inline constexpr std::size_t kDescriptor64Size = 24;
inline constexpr std::size_t kEnd64Size = 56;
inline constexpr std::size_t kLocatorSize = 20;
inline constexpr std::size_t kEndSize = 22;

inline constexpr std::uint16_t kStored = 0;  // the method
inline constexpr std::uint16_t kFlagDescriptor = 1 << 3;
inline constexpr std::uint16_t kFlagUtf8 = 1 << 11;
inline constexpr std::uint16_t kExtra64 = 1;
inline constexpr std::uint32_t kIn64 = 0xffffffff;  // "see the zip64 field"
inline constexpr std::uint16_t kIn64Short = 0xffff;
inline constexpr std::uint16_t kVersion64 = 45;

}  // namespace ganglion::checkpoint::zip
