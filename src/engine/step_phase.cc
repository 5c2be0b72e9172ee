#include "engine/step_phase.h"

namespace ganglion::engine {

std::string_view step_phase_name(StepPhase phase) noexcept {
  return phase == StepPhase::kPrefill ? "prefill" : phase == StepPhase::kDecode ? "decode" : "mixed";
}

StepPhase StepTokens::phase() const noexcept {
  return decode == 0 ? StepPhase::kPrefill : prompt == 0 ? StepPhase::kDecode : StepPhase::kMixed;
}

StepTokens tokens_of(const std::vector<Chunk>& chunks) noexcept {
  StepTokens tokens;
  for (const Chunk& chunk : chunks) {
    const auto prompt = static_cast<std::int64_t>(chunk.sequence->request.prompt.size());
    const bool decodes = chunk.count == 1 && chunk.begin >= prompt;
    (decodes ? tokens.decode : tokens.prompt) += chunk.count;
  }
  return tokens;
}

}  // namespace ganglion::engine
