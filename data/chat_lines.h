#pragma once
#include <memory>
#include <optional>
#include <string_view>

#include "data/chat.h"
#include "data/text_source.h"

namespace bessemer::data {

/// Conversations from lines of JSON: {"messages": [{"role", "content"}, ...]} or {"prompt", "completion"}, a user's
/// text and the answer to it. A content may also be a list of parts of type "text". Fields beside these are left alone.
///
/// Every turn of the assistant is an answer that counts, but one with "weight": 0.
class ChatLines {
 public:
  /// \param to_answer  conversations that the assistant is to go on with: of another's turn at their end.
  explicit ChatLines(bool to_answer = false);
  ~ChatLines();
  /// Nothing where `reject` says why: no JSON, neither form, an unknown role, no text, another end.
  std::optional<Conversation> read(std::string_view line, Reject& reject);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bessemer::data
