#include "engine/not_finite.h"

#include <fmt/core.h>

#include <utility>

#include "base/error.h"

namespace ganglion::engine {

NotFinite::NotFinite(runtime::Executable& executable, const StepInputs& inputs,
                     std::vector<std::vector<MutableTensorView>>& results, const std::vector<Chunk>& chunks)
    : executable_(executable), inputs_(inputs), results_(results), chunks_(chunks) {}

std::exception_ptr NotFinite::error(std::size_t row, std::exception_ptr otherwise) {
  if (places_.empty()) look();
  const std::string& place = places_.at(row);
  if (place.empty()) return otherwise;
  return std::make_exception_ptr(Error(
      Code::kInternal, fmt::format("[engine] the model's logits are not all finite numbers: the first value that is "
                                   "not comes from {}; a weight there, or the type it is kept in, does not suit",
                                   place)));
}

void NotFinite::look() {
  std::vector<runtime::RowsInQuestion> questions;
  std::int64_t token = 0, row = 0;
  for (const Chunk& chunk : chunks_) {
    if (chunk.last) {
      questions.push_back({{token, token + chunk.count}, {row, row + 1}});
      ++row;
    }
    token += chunk.count;
  }
  const std::vector<std::vector<TensorView>> lists = {inputs_.views()};
  places_ = executable_.find_not_finite(lists, results_, questions);
}

}  // namespace ganglion::engine
