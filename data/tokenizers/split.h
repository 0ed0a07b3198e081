#pragma once
#include <memory>
#include <string>

#include "data/tokenizers/parts.h"
#include "data/tokenizers/split_behavior.h"

namespace bessemer::data {

/// Split patterns that are scanned by hand, each the regular expression of a published tokenizer.
enum class SplitPattern {
  kGpt2,    ///< 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
  kCl100k,  ///< (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
            ///< ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
  kQwen2,   ///< as kCl100k with single digits: \p{N}
};
/// The expression itself, as it stands in a tokenizer.json.
std::string pattern_text(SplitPattern pattern);

/// The pieces of one of those patterns, at a few hundred MB/s.
std::unique_ptr<Splitter> make_splitter(SplitPattern pattern);

/// The pieces of any other regular expression, through PCRE2. A known one is scanned by hand.
/// \param invert  the expression tells the pieces, not what stands between them.
/// Errors: Error (65) where PCRE2 does not accept it, naming the place.
std::unique_ptr<Splitter> make_regex_splitter(const std::string& expression, SplitBehavior behavior, bool invert);

/// One splitter after another, each on the pieces of the one before.
std::unique_ptr<Splitter> make_sequence_splitter(std::vector<std::unique_ptr<Splitter>> splitters);

}  // namespace bessemer::data
