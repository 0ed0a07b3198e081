#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace bessemer::data {

/// The four normal forms of Unicode (Standard Annex 15).
enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

/// Brings valid UTF-8 into a normal form, as Hugging Face's normalizers NFC, NFD, NFKC and NFKD: characters that are
/// newer than the Unicode they know stay as they are. Linear but for runs of combining marks, which are sorted.
void to_normal_form(std::string& text, NormalForm form);

using CodePoints = std::vector<int32_t>;

/// NFD of code points.
void decompose(CodePoints& text);

}  // namespace bessemer::data
