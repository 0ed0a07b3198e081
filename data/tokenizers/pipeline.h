#pragma once
#include <memory>
#include <string>
#include <vector>

#include "data/tokenizers/added_tokens.h"
#include "data/tokenizers/parts.h"

namespace bessemer::data {

/// How ids become text again.
enum class DecoderKind { kBytes, kWordPiece, kMetaspace };

/// A tokenizer put together from parts, as a tokenizer.json describes one:
/// text -> added tokens cut out -> normalizer -> prefix -> splitter -> model.
struct PipelineParts {
  std::string kind;  ///< of the model
  AddedTokens added;
  std::unique_ptr<Normalizer> normalizer;  ///< null: none
  std::string normalizer_name = "none";
  std::unique_ptr<Splitter> splitter;  ///< null: a text is one piece
  std::unique_ptr<PieceModel> model;
  std::unique_ptr<Normalizer> rewrite = {};  ///< of each part between added tokens (Metaspace); null: none
  /// Put before the text where it does not begin so: a space (add_prefix_space), or U+2581 (Metaspace).
  std::string prefix = {};
  enum class PrefixAt {
    kNever,
    kFirst,
    kEvery,
    kPiece
  } prefix_at = PrefixAt::kNever;  ///< of the first part, of each part between added tokens, of each piece
  DecoderKind decoder = DecoderKind::kBytes;
  bool strip_space = false;   ///< kMetaspace: the space that the text begins with is the prefix
  bool cleanup = true;        ///< kWordPiece: no space before punctuation
  bool cuts_are_safe = true;  ///< where the splitter cuts, neither normalizer nor added tokens reach across
  bool byte_level = false;    ///< the vocabulary is written in byte-level characters
  int64_t bos_id = -1, eod_id = -1, pad_id = -1;
  TokenIds before = {}, after = {};  ///< the template of one text: [CLS] ... [SEP]
  std::string json;                  ///< the file, as load_tokenizer reads it
  std::string name;                  ///< of the file, for errors
};

std::unique_ptr<Tokenizer> make_pipeline(PipelineParts parts);

}  // namespace bessemer::data
