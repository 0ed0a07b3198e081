#include "data/chat_lines.h"

#include <simdjson.h>

#include "parallel/error.h"

namespace bessemer::data {
namespace {

using simdjson::dom::element;

bool is_role(std::string_view role) {
  return role == "system" || role == "user" || role == "assistant" || role == "tool";
}

/// [{"type": "text", "text": "..."}, ...]: the texts one behind another.
bool join_parts(const simdjson::dom::array& parts, std::string& out, std::string& problem) {
  for (const element part : parts) {
    std::string_view type, text;
    if (part["type"].get(type) != simdjson::SUCCESS || type != "text" || part["text"].get(text) != simdjson::SUCCESS)
      return problem = concat("a part of 'content' is ", simdjson::minify(part).substr(0, 60),
                              R"(; {"type": "text", "text": ...} is expected)"),
             false;
    out += text;
  }
  return true;
}

/// The text of a field; what is wrong goes to `problem`.
bool text_of(const element& object, const char* field, std::string& out, std::string& problem) {
  std::string_view text;
  simdjson::dom::array parts;
  const auto wrong = object[field].get(text);
  if (wrong == simdjson::SUCCESS)
    out = text;
  else if (field != std::string_view("content") || object[field].get(parts) != simdjson::SUCCESS)
    problem =
        concat("a text '", field, "' is expected, ", wrong == simdjson::NO_SUCH_FIELD ? "there is none" : "it is none");
  else
    join_parts(parts, out, problem);
  if (problem.empty() && out.find('\0') != std::string::npos) problem = concat("'", field, "' has a NUL byte");
  return problem.empty();
}

bool read_turn(const element& message, Turn& turn, std::string& problem) {
  if (!text_of(message, "role", turn.role, problem)) return false;
  if (!is_role(turn.role))
    problem = concat("role '", turn.role, "' is unknown; system, user, assistant or tool are expected");
  else if (text_of(message, "content", turn.text, problem) && turn.role == "assistant" && turn.text.empty())
    problem = "the assistant's content is empty";
  double weight = 1;
  element given;
  if (message["weight"].get(given) == simdjson::SUCCESS && !given.is_null()) {
    bool yes = true;
    if (given.get(yes) == simdjson::SUCCESS)
      weight = yes ? 1 : 0;
    else if (given.get(weight) != simdjson::SUCCESS || (weight != 0 && weight != 1))
      problem = concat("weight ", simdjson::minify(given), "; 0 or 1 are expected");
  }
  turn.answer = turn.role == "assistant" && weight != 0;
  return problem.empty();
}

void read_messages(const element& messages, bool to_answer, Conversation& out, std::string& problem) {
  simdjson::dom::array all;
  if (messages.get(all) != simdjson::SUCCESS) return void(problem = "an array 'messages' is expected, it is none");
  bool any = false;
  for (const element message : all) {
    Turn turn;
    if (!read_turn(message, turn, problem))
      return void(problem = concat("message ", out.turns.size() + 1, ": ", problem));
    any = any || turn.answer;
    out.turns.push_back(std::move(turn));
  }
  if (out.turns.empty())
    problem = "'messages' is empty";
  else if (to_answer && out.turns.back().role == "assistant")
    problem = "the last turn is the assistant's; one that it is to answer is expected";
  else if (!to_answer && out.turns.back().role != "assistant")
    problem = concat("the last turn is the ", out.turns.back().role, "'s; the assistant's is expected");
  else if (!to_answer && !any)
    problem = "every answer has weight 0, nothing is to be learned";
}

void read_pair(const element& line, Conversation& out, std::string& problem) {
  Turn prompt{"user", "", false}, completion{"assistant", "", true};
  if (text_of(line, "prompt", prompt.text, problem) && text_of(line, "completion", completion.text, problem) &&
      completion.text.empty())
    problem = "'completion' is empty";
  out.pair = true;
  out.turns = {std::move(prompt), std::move(completion)};
}

}  // namespace

struct ChatLines::State {
  simdjson::dom::parser parser;
  bool to_answer;
};

ChatLines::ChatLines(bool to_answer) : state_(std::make_unique<State>()) { state_->to_answer = to_answer; }
ChatLines::~ChatLines() = default;

std::optional<Conversation> ChatLines::read(std::string_view line, Reject& reject) {
  element all, messages;
  // The buffer's end is the parser's own: a line lies among others.
  if (const auto error = state_->parser.parse(line.data(), line.size(), true).get(all)) {
    reject = {"not JSON", concat("not JSON: ", simdjson::error_message(error), ": ", excerpt(line))};
    return {};
  }
  Conversation conversation;
  std::string problem;
  if (all["messages"].get(messages) == simdjson::SUCCESS)
    read_messages(messages, state_->to_answer, conversation, problem);
  else if (all["prompt"].error() == simdjson::SUCCESS || all["completion"].error() == simdjson::SUCCESS)
    read_pair(all, conversation, problem);
  else
    problem = "a JSON object with 'messages', or with 'prompt' and 'completion', is expected";
  if (problem.empty()) return conversation;
  reject = {"no conversation", concat(problem, ": ", excerpt(line))};
  return {};
}

}  // namespace bessemer::data
