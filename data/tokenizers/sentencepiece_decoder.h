#pragma once
#include <memory>

#include "data/tokenizer.h"
#include "data/tokenizers/parts.h"
#include "data/tokenizers/sentencepiece_model.h"

namespace bessemer::data {

/// The text that SentencePiece gives: U+2581 is a space, the dummy prefix is left out, byte pieces join to characters
/// (U+FFFD for each byte that is part of none), control pieces are nothing. \param denormalizer  null: none; with one,
/// all text comes at the end. It and the model outlive the decoder. Source: sentencepiece 0.2.3,
/// sentencepiece_processor.cc, DecodeOptimized.
std::unique_ptr<Decoder> make_sentencepiece_decoder(const SentencePieceModel& model, const Normalizer* denormalizer);

}  // namespace bessemer::data
