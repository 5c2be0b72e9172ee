// libFuzzer: any bytes are a verified module or an Error, never a crash; a module that is read can be written and read
// again.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>

#include "base/error.h"
#include "hlo/proto_reader.h"
#include "hlo/proto_writer.h"
#include "hlo/text_printer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::unique_ptr<ganglion::hlo::Module> module;
  try {
    module = ganglion::hlo::read_proto(std::as_bytes(std::span(data, size)));
  } catch (const ganglion::Error& error) {
    if (error.code() == ganglion::Code::kInternal) std::abort();
    return 0;  // refused: what it should do with most inputs
  }
  ganglion::hlo::print_text(*module);
  const std::string bytes = ganglion::hlo::write_proto(*module);
  const auto again = ganglion::hlo::read_proto(std::as_bytes(std::span(bytes)));  // an Error here is a finding
  if (ganglion::hlo::write_proto(*again) != bytes) std::abort();
  return 0;
}
