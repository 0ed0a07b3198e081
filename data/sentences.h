#pragma once
#include <cstddef>
#include <string_view>

namespace bessemer::data {

/// Where the sentence that begins at `from` ends: behind a line's end, behind . ! ? (with what closes after it) before
/// a space and a capital letter, digit or opening mark, or behind the full stops of Chinese and Japanese. Titles and
/// initials ("Dr. A. Smith") end none. The space stays with the next sentence, as words of byte-level BPE want it.
std::size_t sentence_end(std::string_view text, std::size_t from);

/// Where the last sentence of a text begins that is whole but for it; 0: there is only one.
std::size_t last_sentence(std::string_view text);

}  // namespace bessemer::data
