// The header of a safetensors file: which tensors it holds, of what type and shape, and where. Nothing in it is
// believed before it is checked; reading it takes memory in proportion to the header's own length and to nothing it
// says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "tensor/tensor.h"

namespace ganglion::checkpoint {

inline constexpr std::uint64_t kLongestHeader = 100'000'000;  // as the format's own library has it
inline constexpr std::size_t kHeaderStart = 8;                // after the length
inline constexpr std::size_t kMostDims = 8;

struct TensorEntry {
  DType dtype = DType::kF32;
  Dims dims;
  std::uint64_t offset = 0;  // of its first byte in the file
  std::uint64_t bytes = 0;
};

struct Header {
  std::map<std::string, TensorEntry, std::less<>> tensors;
  std::map<std::string, std::string, std::less<>> metadata;
};

// Checks and returns the length of the header from the first eight bytes of a file of `file_size` bytes. `place` names
// the file in messages. Error{kDataCorrupt} when it is 0, beyond the file's end or over kLongestHeader.
std::uint64_t header_length(std::span<const std::byte, kHeaderStart> start, std::uint64_t file_size,
                            std::string_view place);

// Checks everything that can be known without the data: valid JSON of exactly the form wanted, no name twice, known
// types, shapes whose product fits, and data that covers the rest of the file with no gap, overlap or trailing byte.
// `json` is what follows the length. Errors: {kUnsupported} for a type that is not read (F64, F8_E4M3, I16, ...) or
// more than kMostDims dimensions; {kDataCorrupt} for the rest.
Header parse_header(std::span<const std::byte> json, std::uint64_t file_size, std::string_view place);

// The format's name of a type ("BF16") and back; nullopt for one that is not read.
std::string_view safetensors_name(DType dtype) noexcept;
std::optional<DType> parse_safetensors_dtype(std::string_view name) noexcept;

}  // namespace ganglion::checkpoint
