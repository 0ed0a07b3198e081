#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/tokenizers/tokenizer_json.h"
#include "data/tokenizers/word_counts.h"

namespace bessemer::data {

struct BpeTrainerOptions {
  int64_t vocab_size = 30000;               ///< special tokens and the 256 bytes included
  uint64_t min_frequency = 0;               ///< pairs that occur less often are not merged
  std::vector<std::string> special_tokens;  ///< get the first ids, in this order
  int64_t max_token_length = 0;             ///< merged tokens are shorter than this many bytes; 0: of any length
  int threads = 1;                          ///< the result does not depend on it
  std::function<void(int64_t)> progress;    ///< now and then, the size of the vocabulary so far
};

/// Byte-level BPE from the words of a text: the very vocabulary and merges of Hugging Face's BpeTrainer with
/// initial_alphabet=ByteLevel.alphabet(), whatever the order of `words`.
///
/// Memory: at most about 16 bytes for each byte of different words, and 50 for each pair that has ever been seen.
/// Where the reference's result depends on the order of its hash maps, ours is one of those it may give; and its counts
/// are 32-bit, so that on texts with a pair seen 2^31 times or more it wraps around and goes astray, where ours goes on
/// counting. Errors: Error (64) for a vocabulary smaller than special tokens and bytes, (65) beyond 2^32 bytes of words
/// or 2^60 of text. Source: huggingface/tokenizers 0.23, tokenizers/src/models/bpe/trainer.rs (do_train) and word.rs
/// (Word::merge).
ByteLevelBpe train_bpe(const WordCounts& words, const BpeTrainerOptions& options);

}  // namespace bessemer::data
