#include "engine/sampler.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "engine/log_sum_exp.h"

namespace ganglion::engine {
namespace {

std::uint64_t mix(std::uint64_t x) noexcept {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace

double uniform(std::uint64_t seed, std::uint64_t position) noexcept {
  return static_cast<double>(mix(mix(seed) ^ mix(position + 0x632be59bd9b4e019u)) >> 11) * 0x1p-53;
}

void check_sampling(const Sampling& sampling) {
  if (!std::isfinite(sampling.temperature) || sampling.temperature <= 0) {
    fail(Code::kInvalidArgument, "[request] temperature={}: wanted a number above 0 (greedy decoding needs none)",
         sampling.temperature);
  }
  if (sampling.top_k < 0) fail(Code::kInvalidArgument, "[request] top_k={}: wanted 0 (all) or more", sampling.top_k);
  if (!(sampling.top_p > 0 && sampling.top_p <= 1))
    fail(Code::kInvalidArgument, "[request] top_p={}: wanted a number above 0 and at most 1", sampling.top_p);
}

Choice Sampler::pick(std::span<const float> logits, const Sampling& sampling, std::int32_t suppressed,
                     std::uint64_t seed, std::uint64_t position) {
  const auto count = static_cast<std::int32_t>(logits.size());
  // The best that may be chosen: the first of the highest beside the suppressed one.
  const bool suppresses = suppressed >= 0 && suppressed < count;
  const auto before = logits.first(static_cast<std::size_t>(suppresses ? suppressed : count));
  const auto behind = logits.subspan(suppresses ? before.size() + 1 : before.size());
  const float best_logit = std::max(highest_of(before), highest_of(behind));
  const float highest = suppresses ? std::max(best_logit, logits[static_cast<std::size_t>(suppressed)]) : best_logit;
  if (before.size() + behind.size() == 0 || !all_finite(logits))
    fail(Code::kInternal,
         "[engine] the model's logits are not all finite numbers; its weights or its types do not suit");
  std::size_t first = first_of(before, best_logit);
  if (first == before.size()) first += 1 + first_of(behind, best_logit);
  const auto best = static_cast<std::int32_t>(first);
  const double log_total = log_sum_exp(logits, highest);
  const auto choice = [&](std::int32_t id) {
    return Choice{id, static_cast<float>(logits[static_cast<std::size_t>(id)] - highest - log_total)};
  };
  if (sampling.greedy || sampling.top_k == 1) return choice(best);

  candidates_.clear();
  for (std::int32_t id = 0; id < count; ++id) {
    if (id != suppressed) candidates_.push_back({logits[static_cast<std::size_t>(id)], id});
  }
  // By logits until the k best are found, so that only their weights are computed.
  // Heavier first; equal weights by id, so that the choice is the same everywhere.
  const auto lighter = [](const Candidate& a, const Candidate& b) {
    return a.weight < b.weight || (a.weight == b.weight && a.id > b.id);
  };
  const auto heavier = [&](const Candidate& a, const Candidate& b) { return lighter(b, a); };
  if (sampling.top_k > 0 && sampling.top_k < static_cast<std::int64_t>(candidates_.size())) {
    std::nth_element(candidates_.begin(), candidates_.begin() + sampling.top_k - 1, candidates_.end(), heavier);
    candidates_.resize(static_cast<std::size_t>(sampling.top_k));
    std::sort(candidates_.begin(), candidates_.end(), heavier);
  }
  for (Candidate& candidate : candidates_)
    candidate.weight = std::exp((candidate.weight - best_logit) / sampling.temperature);
  double weight = 0;
  for (const Candidate& candidate : candidates_) weight += candidate.weight;
  std::size_t kept = candidates_.size();
  if (sampling.top_p < 1) {
    // The fewest of the heaviest that hold top_p: taken from a heap, so that the tail is never sorted.
    std::make_heap(candidates_.begin(), candidates_.end(), lighter);
    double held = 0;
    std::size_t left = candidates_.size();
    while (left > 0 && (held < sampling.top_p * weight || left == candidates_.size())) {
      std::pop_heap(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(left), lighter);
      held += candidates_[--left].weight;
    }
    std::reverse(candidates_.begin(), candidates_.end());  // the taken ones stood last, lightest first
    kept = candidates_.size() - left;
    weight = held;
  }
  double target = uniform(seed, position) * weight;
  for (std::size_t i = 0; i < kept; ++i) {
    target -= candidates_[i].weight;
    if (target < 0) return choice(candidates_[i].id);
  }
  return choice(candidates_[kept - 1].id);  // rounding left a sliver beyond the last
}

}  // namespace ganglion::engine
