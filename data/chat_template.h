#pragma once
#include <string>
#include <vector>

namespace bessemer::data {

/// How a conversation is written down.
enum class ChatTemplate {
  kNone,
  kChatml,  ///< <|im_start|>ROLE\nTEXT<|im_end|>\n for each turn, as Hugging Face's ChatML template
  kLlama3,  ///< <|begin_of_text|>, then <|start_header_id|>ROLE<|end_header_id|>\n\nTEXT<|eot_id|> for each turn, its
            ///< text without white space around it, as that of Meta-Llama-3-8B-Instruct
  kPlain,  ///< texts alone: an answer and the end-of-document token, if the tokenizer has one; any other turn and \n; a
           ///< prompt as it is
};

std::string name_of(ChatTemplate name);  ///< "chatml"; "" for kNone
/// The template of that name; kNone: there is none.
ChatTemplate chat_template_named(const std::string& name);

/// Texts of the special tokens that it is made of; none for kPlain.
std::vector<std::string> special_tokens_of(ChatTemplate name);
/// The one of them that ends a turn; "": none does.
std::string end_of_turn(ChatTemplate name);
/// The template for others: chat_template.jinja of Hugging Face's libraries, with add_generation_prompt. "" for kPlain,
/// which has none.
std::string jinja_of(ChatTemplate name);

}  // namespace bessemer::data
