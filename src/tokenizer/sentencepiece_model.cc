// tokenizer.model, SentencePiece's file. It is not run but read: pieces and scores become the tokenizer that
// transformers' LlamaTokenizerFast (4.57) makes of them, because its ids are what people have trained and served with
// (decisions/sentencepiece.md).
#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "tokenizer/proto/sentencepiece.pb.h"
#include "tokenizer/tokenizer_parts.h"
#include "tokenizer/utf8.h"

namespace ganglion::tokenizer {
namespace {

constexpr std::string_view kFile = "tokenizer.model";
constexpr std::size_t kMaxPiece = 512;  // bytes: every place to split a piece is looked at
constexpr int kUnigram = 1;
constexpr int kBpe = 2;
constexpr int kControl = 3;
constexpr int kUserDefined = 4;
constexpr int kFixed = 3;  // the first three pieces are <unk>, <s>, </s>, of score 0 whatever the file says

// Two tokens that together are a third, whose score says how early they merge.
struct Candidate {
  MergeRule rule;
  float score;
  std::size_t left_length, right_length;  // characters
};

std::vector<MergeRule> merges_of(const Vocabulary& vocabulary, const std::vector<double>& scores) {
  std::vector<Candidate> candidates;
  std::vector<Candidate> of_piece;
  for (std::int32_t id = 0; id < vocabulary.id_end(); ++id) {
    const std::string& piece = *vocabulary.text(id);
    of_piece.clear();
    std::size_t characters = 0;
    for (std::size_t at = 0; at < piece.size(); at += read_utf8(piece, at).length) ++characters;
    std::size_t left_length = 0;
    for (std::size_t at = 0; at < piece.size(); at += read_utf8(piece, at).length, ++left_length) {
      if (at == 0) continue;
      const auto left = vocabulary.find(std::string_view(piece).substr(0, at));
      const auto right = left ? vocabulary.find(std::string_view(piece).substr(at)) : std::nullopt;
      if (!right) continue;
      of_piece.push_back({{*left, *right, id},
                          static_cast<float>(scores[static_cast<std::size_t>(id)]),
                          left_length,
                          characters - left_length});
    }
    std::sort(of_piece.begin(), of_piece.end(), [](const Candidate& a, const Candidate& b) {
      return std::pair(a.rule.left, a.rule.right) < std::pair(b.rule.left, b.rule.right);
    });
    candidates.insert(candidates.end(), of_piece.begin(), of_piece.end());
  }
  std::stable_sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return std::tie(a.score, a.left_length, a.right_length) > std::tie(b.score, b.left_length, b.right_length);
  });
  std::vector<MergeRule> rules;
  rules.reserve(candidates.size());
  for (const Candidate& candidate : candidates) rules.push_back(candidate.rule);
  return rules;
}

void check_piece(const std::string& text, float score, int index) {
  if (!std::isfinite(score))
    fail(Code::kDataCorrupt, "[{} piece {}] has the score {}; it must be finite", kFile, index, score);
  if (!is_valid_utf8(text)) fail(Code::kDataCorrupt, "[{} piece {}] is not valid UTF-8", kFile, index);
  if (text.size() > kMaxPiece) {
    fail(Code::kUnsupported, "[{} piece {}] has {} bytes; at most {} are supported", kFile, index, text.size(),
         kMaxPiece);
  }
}

}  // namespace

TokenizerParts read_sentencepiece_model(std::string_view bytes) {
  proto::ModelProto model;
  if (!model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    fail(Code::kDataCorrupt, "[{}] is not a SentencePiece model: its protobuf is malformed", kFile);
  const int type = model.trainer_spec().model_type();
  if (type != kUnigram && type != kBpe) {
    fail(Code::kUnsupported, "[{}] model_type {} is not supported; supported: unigram (1) and bpe (2)", kFile, type);
  }
  if (model.pieces_size() < kFixed) {
    fail(Code::kDataCorrupt, "[{}] has {} pieces; it must have at least <unk>, <s> and </s>", kFile,
         model.pieces_size());
  }

  TokenizerParts parts;
  std::vector<double> scores;
  for (int i = 0; i < model.pieces_size(); ++i) {
    const auto& piece = model.pieces(i);
    check_piece(piece.piece(), piece.score(), i);
    parts.vocabulary.add(piece.piece(), i, fmt::format("{} pieces", kFile));
    scores.push_back(i < kFixed ? 0.0 : static_cast<double>(piece.score()));
  }
  const std::optional<std::int32_t> unknown = parts.vocabulary.find(model.trainer_spec().unk_piece());
  if (!unknown) {
    fail(Code::kDataCorrupt, "[{} trainer_spec.unk_piece] '{}' is not among the pieces", kFile,
         model.trainer_spec().unk_piece());
  }
  if (type == kBpe) {
    parts.merges = merges_of(parts.vocabulary, scores);
    parts.bpe = {.alphabet = Alphabet::kCharacters, .unknown = *unknown, .fuse_unknown = true, .byte_fallback = true};
  } else {
    parts.unigram = UnigramOptions{.scores = std::move(scores), .unknown = 0, .byte_fallback = true};
  }
  for (int i = 0; i < model.pieces_size(); ++i) {
    const int kind = model.pieces(i).type();
    if (kind != kControl && kind != kUserDefined) continue;
    parts.add({.content = model.pieces(i).piece(), .special = kind == kControl}, std::nullopt, kFile);
  }
  return parts;
}

void use_llama_steps(LlamaSteps options, TokenizerParts& parts) {
  const std::string space = "\u2581";
  std::vector<Normalizer::Step> normalizers;
  if (options.legacy) {
    if (options.add_prefix_space) normalizers.emplace_back(Prepend{space});
    normalizers.emplace_back(Replace{" ", space});
  } else {
    parts.pre_tokenizer.emplace_back(Metaspace{
        space, options.add_prefix_space ? Metaspace::Prepend::kFirst : Metaspace::Prepend::kNever, /*split=*/false});
  }
  parts.normalizer = Normalizer(std::move(normalizers));
  std::vector<Normalizer::Step> replacements;
  replacements.emplace_back(Replace{space, " "});
  parts.decoder.kind = Decoder::Kind::kCharacters;
  parts.decoder.replacements = Normalizer(std::move(replacements));
  parts.decoder.byte_fallback = true;
  parts.decoder.strip.assign(1, ' ');
  parts.decoder.strip_count = options.add_prefix_space ? 1 : 0;
}

}  // namespace ganglion::tokenizer
