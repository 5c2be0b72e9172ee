// What a weight is for, by the name the checkpoint gives it, so that bytes can be added up by kind.
#pragma once

#include <cstdint>
#include <string_view>

namespace ganglion::planner {

enum class WeightKind : std::uint8_t { kEmbedding, kAttention, kMlp, kNorm, kHead, kOther, kCount };

// "embedding", "attention", "mlp", "norm", "head", "other"
std::string_view weight_kind_name(WeightKind kind) noexcept;

// By the parts between the dots, in the naming of Hugging Face's decoders: "decoder.layers.3.self_attn.q_proj.weight"
// is attention, "transformer.h.3.ln_1.bias" a norm. A name that says nothing is kOther; nothing depends on it but what
// is printed.
WeightKind weight_kind(std::string_view name) noexcept;

}  // namespace ganglion::planner
