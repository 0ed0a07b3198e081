#pragma once
#include <memory>
#include <string>
#include <vector>

#include "data/tokenizers/normal_form.h"
#include "data/tokenizers/parts.h"

namespace bessemer::data {

// The normalizers of tokenizer.json, each with the text that Hugging Face tokenizers 0.23.3 gives.

std::unique_ptr<Normalizer> make_normal_form(NormalForm form);
/// Character by character (append_lower).
std::unique_ptr<Normalizer> make_lowercase();
/// Removes combining marks; it decomposes nothing, so NFD or NFKD usually comes before.
std::unique_ptr<Normalizer> make_strip_accents();
/// Removes white space at the ends.
std::unique_ptr<Normalizer> make_strip(bool left, bool right);
/// An empty text stays empty.
std::unique_ptr<Normalizer> make_prepend(std::string text);
std::unique_ptr<Normalizer> make_replace(std::string pattern, std::string content);
/// What a regular expression finds becomes `content`, as it stands ("$1" is no reference).
/// Errors: Error (65) where PCRE2 does not accept it, naming the place; from `apply` where a search gives up.
std::unique_ptr<Normalizer> make_regex_replace(const std::string& expression, std::string content);
/// The rules of a precompiled_charsmap (charsmap.h), as Hugging Face applies them. Errors: Error (65) for a damaged
/// blob.
std::unique_ptr<Normalizer> make_precompiled(std::string blob);
/// Controls removed, other kinds of white space made spaces, as in Google's neural machine translation.
std::unique_ptr<Normalizer> make_nmt();

struct BertOptions {
  bool clean_text = true;            ///< controls removed, white space made spaces
  bool handle_chinese_chars = true;  ///< spaces around Han
  bool strip_accents = true;         ///< tokenizer.json's null: as `lowercase`
  bool lowercase = true;
};
std::unique_ptr<Normalizer> make_bert_normalizer(const BertOptions& options);

/// One after another.
std::unique_ptr<Normalizer> make_sequence_normalizer(std::vector<std::unique_ptr<Normalizer>> normalizers);

}  // namespace bessemer::data
