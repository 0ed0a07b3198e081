#pragma once
#include <cstdint>
#include <functional>
#include <string>

namespace bessemer::data {

struct UnigramTrainerOptions {
  int64_t vocab_size = 8000;           ///< with <unk>, <s>, </s> as ids 0, 1, 2, and the bytes if byte_fallback
  uint64_t sample = 1'000'000;         ///< sentences to train on, taken evenly from all
  uint64_t seed = 1;                   ///< of the sample
  uint64_t longest = 4192;             ///< bytes; longer sentences are left out
  double character_coverage = 0.9995;  ///< rarer characters are unknown, or bytes
  bool byte_fallback = true;
  std::string program = "spm_train";  ///< an absolute path, or a name that PATH finds
};

struct UnigramSample {
  uint64_t seen = 0, used = 0, too_long = 0;  ///< sentences; `seen` counts all that were given
};

/// Gives the next sentence (line ends in it become blanks); false: there are no more.
using NextSentence = std::function<bool(std::string& sentence)>;

/// A Unigram model by SentencePiece's own trainer, written to `path` (a .model). In memory: the sample.
///
/// The trainer runs as a process of its own (`spm_train` of Debian's package `sentencepiece`), because its library
/// cannot live beside LibTorch's: both have a global FLAGS_minloglevel, here an object of 32 bytes, there an int. While
/// it runs, the folder `path`.training has the sample. The sample, and so the model, depends on the sentences and
/// options only, not on the machine. Errors: Error (64) for options, (65) where SentencePiece cannot make the model, in
/// its words, (69) where it is missing.
UnigramSample train_unigram(const NextSentence& next, const UnigramTrainerOptions& options, const std::string& path);

}  // namespace bessemer::data
