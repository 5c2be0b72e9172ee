#include "checkpoint/write_torch.h"

#include <fmt/core.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "checkpoint/file_source.h"
#include "checkpoint/pieces.h"
#include "checkpoint/zip_writer.h"

namespace ganglion::checkpoint {
namespace {

std::string_view storage_name(DType dtype) {
  switch (dtype) {
    case DType::kPred:
      return "BoolStorage";
    case DType::kS8:
      return "CharStorage";
    case DType::kS32:
      return "IntStorage";
    case DType::kS64:
      return "LongStorage";
    case DType::kU8:
      return "ByteStorage";
    case DType::kF16:
      return "HalfStorage";
    case DType::kBF16:
      return "BFloat16Storage";
    case DType::kF32:
      return "FloatStorage";
    case DType::kS4:
    case DType::kU32:
      break;
  }
  fail(Code::kUnsupported, "[torch] a tensor of {} cannot be written: most versions of PyTorch have no such type",
       dtype_name(dtype));
}

// Opcodes of protocol 2, as pickle.h reads them.
std::string pickled(std::string_view text) {
  std::string out = "X";
  for (int i = 0; i < 4; ++i) out += static_cast<char>(text.size() >> (8 * i) & 0xff);
  return out.append(text);
}
std::string pickled(std::uint64_t number) {  // below 2^63
  std::string out = "\x8a\x08";
  for (int i = 0; i < 8; ++i) out += static_cast<char>(number >> (8 * i) & 0xff);
  return out;
}
std::string pickled_tuple(const std::vector<std::uint64_t>& numbers) {
  std::string out = "(";
  for (const std::uint64_t number : numbers) out += pickled(number);
  return out + "t";
}

// _rebuild_tensor_v2(storage, offset 0, sizes, strides, requires_grad False, hooks OrderedDict())
std::string pickled_tensor(const TensorSource& tensor) {
  const std::vector<std::uint64_t> sizes(tensor.dims().begin(), tensor.dims().end());
  std::string out =
      "\x80\x02"
      "ctorch._utils\n_rebuild_tensor_v2\n((" +
      pickled("storage");
  out += fmt::format("ctorch\n{}\n", storage_name(tensor.dtype()));
  out += pickled("0") + pickled("cpu") + pickled(static_cast<std::uint64_t>(element_count(tensor.dims()))) + "tQ";
  out += pickled(0) + pickled_tuple(sizes) + pickled_tuple(dense_strides(tensor.dims()));
  return out +
         "\x89"
         "ccollections\nOrderedDict\n)RtR.";
}

}  // namespace

void write_torch_tensor(const std::filesystem::path& path, const TensorSource& tensor,
                        const std::function<void(std::uint64_t)>& written) {
  const std::string pickle = pickled_tensor(tensor);
  ZipWriter zip(path);
  zip.add("archive/data.pkl", pickle);
  zip.add("archive/version", "3\n");
  zip.add("archive/byteorder", "little");
  zip.begin("archive/data/0", source_bytes(tensor));
  for_each_piece(tensor, [&](std::span<const std::byte> piece) {
    zip.add_bytes(piece);
    written(piece.size());
  });
  zip.finish();
}

}  // namespace ganglion::checkpoint
