#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizers/parts.h"

namespace bessemer::data {

/// SentencePiece's precompiled_charsmap: rules "these characters become those", the longest first. Also the normalizer
/// "Precompiled" of a Hugging Face tokenizer.json.
///
/// The blob: u32 size of a darts-clone double array, the array (u32 units), then the new texts, each ended by a NUL.
/// All numbers are little-endian. A unit is 1 bit "value" | 21 bits offset, 1 bit offset in blocks, 1 bit "has a
/// value", 8 bits label; see https://github.com/s-yata/darts-clone, darts.h, DoubleArrayUnit.
class Charsmap final : public Normalizer {
 public:
  Charsmap() = default;  ///< without rules
  /// Errors: Error (65): sizes that do not fit, a rule that points beyond the blob or at no UTF-8.
  static Charsmap parse(std::string blob);

  bool empty() const { return units_.empty(); }

  struct Rule {
    std::size_t length = 0;  ///< bytes of text that it replaces; 0: no rule
    std::string_view by;
  };
  /// The longest rule for the front of `text`.
  Rule longest(std::string_view text) const;
  /// The rule whose characters are the fewest: what Hugging Face's Precompiled takes for a grapheme or a character.
  Rule shortest(std::string_view text) const;

  /// Appends the normalized form of the longest front of `text` that a rule knows, or its first character as it is.
  /// \return  how many bytes of `text` that was; 0: it is empty.
  std::size_t append_prefix(std::string_view text, std::string& out) const;
  /// All of a text, by the longest rules. Errors: Error (65) beyond 2 GiB.
  void apply(std::string& text) const override;

  /// Whether no rule touches this ASCII byte where an ASCII byte or nothing follows it.
  bool leaves(unsigned char byte) const { return byte < 0x80 && !touched_[byte]; }

 private:
  template <class Take>
  void walk(std::string_view text, Take take) const;
  void check_units() const;
  void find_touched();

  std::vector<uint32_t> units_;
  std::string texts_;
  std::array<bool, 128> touched_{};
};

}  // namespace bessemer::data
