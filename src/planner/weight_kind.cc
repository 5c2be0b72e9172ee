#include "planner/weight_kind.h"

#include <array>

namespace ganglion::planner {
namespace {

struct Row {
  std::string_view part;  // of a name between dots
  bool whole;             // the part is this; otherwise it holds this
  WeightKind kind;
};

// In order: the norm of an attention is a norm.
constexpr std::array<Row, 16> kRows = {{{"norm", false, WeightKind::kNorm},
                                        {"ln_1", true, WeightKind::kNorm},
                                        {"ln_2", true, WeightKind::kNorm},
                                        {"ln_f", true, WeightKind::kNorm},
                                        {"lm_head", true, WeightKind::kHead},
                                        {"embed_out", true, WeightKind::kHead},
                                        {"rotary", false, WeightKind::kOther},
                                        {"embed", false, WeightKind::kEmbedding},
                                        {"wte", true, WeightKind::kEmbedding},
                                        {"wpe", true, WeightKind::kEmbedding},
                                        {"attn", false, WeightKind::kAttention},
                                        {"attention", false, WeightKind::kAttention},
                                        {"mlp", false, WeightKind::kMlp},
                                        {"fc1", true, WeightKind::kMlp},
                                        {"fc2", true, WeightKind::kMlp},
                                        {"feed_forward", false, WeightKind::kMlp}}};

bool has_part(std::string_view name, const Row& row) noexcept {
  while (!name.empty()) {
    const std::size_t dot = name.find('.');
    const std::string_view part = name.substr(0, dot);
    if (row.whole ? part == row.part : part.find(row.part) != std::string_view::npos) return true;
    if (dot == std::string_view::npos) return false;
    name.remove_prefix(dot + 1);
  }
  return false;
}

}  // namespace

std::string_view weight_kind_name(WeightKind kind) noexcept {
  constexpr std::array<std::string_view, static_cast<std::size_t>(WeightKind::kCount)> kNames = {
      "embedding", "attention", "mlp", "norm", "head", "other"};
  return kNames[static_cast<std::size_t>(kind)];
}

WeightKind weight_kind(std::string_view name) noexcept {
  for (const Row& row : kRows) {
    if (has_part(name, row)) return row.kind;
  }
  return WeightKind::kOther;
}

}  // namespace ganglion::planner
