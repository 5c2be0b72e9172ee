// What a step of the engine is made for: prompts, next tokens, or some of each. Speeds are told apart by it, since
// prompts are bound by arithmetic and next tokens by memory.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/scheduler.h"

namespace ganglion::engine {

enum class StepPhase : std::uint8_t { kPrefill, kDecode, kMixed };
inline constexpr int kStepPhases = 3;
std::string_view step_phase_name(StepPhase phase) noexcept;  // "prefill", "decode", "mixed"

struct StepTokens {
  std::int64_t prompt = 0;  // that are computed: of prompts, and again after a preemption
  std::int64_t decode = 0;  // one each of the sequences that go on
  StepPhase phase() const noexcept;
};
StepTokens tokens_of(const std::vector<Chunk>& chunks) noexcept;

}  // namespace ganglion::engine
