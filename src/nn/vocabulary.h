// Both ends of a decoder: from token ids to rows, and from rows to logits. Over ranks the vocabulary is split, for the
// table and the head alike, so that a tied head is the same weight and every rank keeps one share of it.
#pragma once

#include <cstdint>
#include <string>

#include "hlo/builder.h"
#include "nn/weights.h"

namespace ganglion::nn {

// A matrix with one row per token, split over ranks by token: [vocab / tp rounded up, size].
struct VocabularyMatrix {
  Matrix rows;             // the rank's share
  std::int64_t vocab = 0;  // of all ranks, without padding
};

// Declares "weight" [vocab, size] of the scope.
VocabularyMatrix vocabulary_matrix(const Scope& scope, std::int64_t vocab, std::int64_t size);

// Rows of the table by token_ids s32[T]: f32[T, size], the same on every rank. Over ranks each looks up its own tokens,
// the others are zero, and an all-reduce joins them; a sum with zeros is exact.
hlo::Value embed_tokens(const Scope& scope, const VocabularyMatrix& table, hlo::Value token_ids);

// Rows of a replicated table "weight" [rows, size] of the scope by ids s32[T]: f32[T, size].
hlo::Value embed_positions(const Scope& scope, std::int64_t rows, std::int64_t size, hlo::Value ids);

// "bias" [vocab] of the scope, split as the matrix is.
hlo::Value vocabulary_bias(const Scope& scope, std::int64_t vocab);

// Logits f32[R, vocab] of x f32[R, size], the whole vocabulary on every rank (an all-gather over ranks). `bias`: of
// vocabulary_bias, or none.
hlo::Value lm_head(const Scope& scope, const VocabularyMatrix& head, hlo::Value x, hlo::Value bias = {});

}  // namespace ganglion::nn
