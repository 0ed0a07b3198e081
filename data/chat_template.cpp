#include "data/chat_template.h"

namespace bessemer::data {

std::string name_of(ChatTemplate name) {
  switch (name) {
    case ChatTemplate::kChatml: return "chatml";
    case ChatTemplate::kLlama3: return "llama3";
    case ChatTemplate::kPlain: return "plain";
    case ChatTemplate::kNone: break;
  }
  return "";
}

ChatTemplate chat_template_named(const std::string& name) {
  for (const auto known : {ChatTemplate::kChatml, ChatTemplate::kLlama3, ChatTemplate::kPlain}) {
    if (name == name_of(known)) return known;
  }
  return ChatTemplate::kNone;
}

std::vector<std::string> special_tokens_of(ChatTemplate name) {
  if (name == ChatTemplate::kChatml) return {"<|im_start|>", "<|im_end|>"};
  if (name == ChatTemplate::kLlama3)
    return {"<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"};
  return {};
}

std::string end_of_turn(ChatTemplate name) {
  const auto tokens = special_tokens_of(name);
  return tokens.empty() ? "" : tokens.back();
}

std::string jinja_of(ChatTemplate name) {
  // A content is a text, or a list of parts.
  const std::string text =
      "{% set text = message['content'] if message['content'] is string else message['content'] | map(attribute='text')"
      " | join %}";
  if (name == ChatTemplate::kChatml)
    return "{% for message in messages %}" + text +
           "{{ '<|im_start|>' + message['role'] + '\\n' + text + '<|im_end|>' + '\\n' }}"
           "{% endfor %}"
           "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
  if (name == ChatTemplate::kLlama3)
    return "{{ '<|begin_of_text|>' }}"
           "{% for message in messages %}" +
           text +
           "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + text | trim"
           " + '<|eot_id|>' }}"
           "{% endfor %}"
           "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}";
  return "";
}

}  // namespace bessemer::data
