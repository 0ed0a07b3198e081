#pragma once
#include <memory>
#include <string>
#include <string_view>

namespace bessemer::data {

/// A regular expression of a tokenizer.json, compiled by PCRE2 (JIT where the machine has it). It reads Unicode, and ^
/// and $ hold at each line, as in Oniguruma, which Hugging Face uses.
class Regex {
 public:
  /// Errors: Error (65) naming the expression, the place and PCRE2's words.
  explicit Regex(const std::string& expression);
  Regex(Regex&&) noexcept;
  ~Regex();

  /// The matches in a text, from left to right. An empty match right behind the last match is none.
  class Search {
   public:
    Search(const Regex& regex, std::string_view valid_utf8);
    ~Search();
    /// Whether there is another match, [begin, end). Errors: Error (65) where PCRE2 gives up.
    bool next(std::size_t& begin, std::size_t& end);

   private:
    bool find();
    struct Data;
    const Regex& regex_;
    std::string_view text_;
    std::size_t from_ = 0, last_end_ = std::string_view::npos;
    std::unique_ptr<Data> data_;
  };

 private:
  struct Code;
  std::string expression_;
  std::unique_ptr<Code> code_;
};

}  // namespace bessemer::data
