#include "nn/vocabulary.h"

#include "hlo/composite.h"
#include "nn/linear.h"

namespace ganglion::nn {

VocabularyMatrix vocabulary_matrix(const Scope& scope, std::int64_t vocab, std::int64_t size) {
  return {scope.weights().matrix(scope.name("weight"), {.out = vocab, .in = size, .split = Split::kVocabulary}), vocab};
}

hlo::Value embed_tokens(const Scope& scope, const VocabularyMatrix& table, hlo::Value token_ids) {
  if (scope.tp() == 1) return table.rows.take_rows(token_ids);
  hlo::Builder& builder = scope.builder();
  const std::int64_t share = table.rows.numbers.dims()[0];
  const hlo::Value rank = hlo::convert(builder.replica_id(), DType::kS32);
  const hlo::Value first = rank * builder.scalar(DType::kS32, static_cast<double>(share));
  const hlo::Value local = token_ids - hlo::broadcast_like(first, token_ids, {});  // s32[T]
  const auto like_ids = [&](double value) {
    return hlo::broadcast_like(builder.scalar(DType::kS32, value), token_ids, {});
  };
  const hlo::Value here = hlo::binary(hlo::Opcode::kAnd, hlo::compare(local, like_ids(0), hlo::Comparison::kGe),
                                      hlo::compare(local, like_ids(static_cast<double>(share)), hlo::Comparison::kLt));
  const hlo::Value found = table.rows.take_rows(local);  // f32[T, size], ids clamped
  const hlo::Value zeros = hlo::broadcast_like(builder.scalar(DType::kF32, 0), found, {});
  const hlo::Shape mask = hlo::Shape::array(DType::kPred, found.dims(), found.shape().bounded);
  return sum_over_ranks(scope, hlo::select(hlo::broadcast(here, mask, {0}), found, zeros));
}

hlo::Value embed_positions(const Scope& scope, std::int64_t rows, std::int64_t size, hlo::Value ids) {
  return scope.weights().table(scope.name("weight"), rows, size).take_rows(ids);
}

hlo::Value vocabulary_bias(const Scope& scope, std::int64_t vocab) {
  return scope.weights().vector(scope.name("bias"), {.size = vocab, .split = Split::kVocabulary});
}

hlo::Value lm_head(const Scope& scope, const VocabularyMatrix& head, hlo::Value x, hlo::Value bias) {
  const hlo::Value own = head.rows.multiply(x, bias);  // [R, vocab / tp]
  if (scope.tp() == 1) return own;
  const hlo::Value padded = hlo::all_gather(own, 1, scope.tp());  // [R, vocab rounded up]
  if (padded.dims()[1] == head.vocab) return padded;
  return hlo::slice(padded, {0, 0}, {padded.dims()[0], head.vocab});
}

}  // namespace ganglion::nn
