#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/chat_template.h"
#include "data/tokenizer.h"

namespace bessemer::data {

struct Turn {
  std::string role;  ///< "system", "user", "assistant" or "tool"
  std::string text;
  bool answer = false;  ///< its tokens are to be predicted
};

struct Conversation {
  std::vector<Turn> turns;
  bool pair = false;  ///< a prompt and its completion: plain puts nothing between them
};

/// The turns under kPlain, without tokens.
std::string plain_text(const Conversation& conversation);

/// One thread's way from conversations to ids and to which of them are to be predicted: those of answers, with the
/// token that ends the turn.
///
/// The tokens of a template are put by their ids; texts of special tokens inside of a turn stay text (unless
/// `special` is kParse). What stands between two tokens is encoded as one text. So ids are those of Hugging Face's
/// apply_chat_template(tokenize=True), where no turn holds such texts, and the mask is its assistant mask: every token
/// that holds a byte of the answer.
class ChatEncoder {
 public:
  /// \param end_of_turn  kPlain ends answers with the tokenizer's end-of-document token.
  /// Errors: Error (65) naming the tokens that the template needs and the tokenizer has not.
  ChatEncoder(ChatTemplate name, const Tokenizer& tokenizer, SpecialText special, bool end_of_turn);
  /// Ids and mask take the place of what they hold.
  void encode(const Conversation& conversation, TokenIds& ids, std::vector<uint8_t>& mask);
  /// The turns, and what begins the assistant's answer to them (add_generation_prompt).
  void encode_prompt(const Conversation& conversation, TokenIds& ids);
  const std::string& text() const { return text_; }  ///< the last conversation as it was written down
  uint64_t replaced() const { return encoder_->replaced(); }

 private:
  struct Token {
    std::string text;
    int64_t id = -1;
  };
  struct Part {
    std::size_t begin, end;  ///< in text_
    int64_t token;
  };
  /// From a token of the template to the next one, where what stands between is encoded alone.
  struct Stretch {
    std::size_t part = 0, id = 0;  ///< its first ones
  };
  using Spans = std::vector<std::pair<std::size_t, std::size_t>>;  ///< of text_, ascending

  void find_tokens(const std::vector<Token*>& wanted);
  void put(std::string_view text);
  void put(const Token& token);
  void write(const Conversation& conversation);
  void write_chatml(const Turn& turn);
  void write_llama3(const Turn& turn);
  void write_plain(const Turn& turn, bool pair);
  void encode_from(std::size_t part, std::size_t end, TokenIds& ids);
  std::vector<Stretch> stretches(const TokenIds& ids);
  bool mark_by_bytes(const TokenIds& ids, std::vector<uint8_t>& mask) const;
  void mark_by_fronts(const TokenIds& ids, std::vector<uint8_t>& mask);

  ChatTemplate template_;
  const Tokenizer& tokenizer_;
  std::unique_ptr<Encoder> encoder_;
  Token begin_, start_, header_end_, end_;  ///< those that the template has
  std::string text_;
  std::vector<Part> parts_;
  Spans answers_;
};

}  // namespace bessemer::data
