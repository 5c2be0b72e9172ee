// libFuzzer: any bytes are a verified module or an Error, never a crash.
#include <cstdint>
#include <span>

#include "base/error.h"
#include "hlo/proto_reader.h"
#include "hlo/proto_writer.h"
#include "hlo/text_printer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto module = ganglion::hlo::read_proto(std::as_bytes(std::span(data, size)));
    ganglion::hlo::print_text(*module);
    ganglion::hlo::write_proto(*module);
  } catch (const ganglion::Error&) {  // refused: what it should do with most inputs
  }
  return 0;
}
