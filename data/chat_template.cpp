#include "data/chat_template.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "data/file.h"
#include "data/mixture.h"
#include "data/remote.h"

namespace bessemer::data {
namespace {

/// What dataset.json says; "": nothing.
std::string template_in(const std::string& directory) {
  const std::string path = directory + "/dataset.json";
  if (!std::filesystem::exists(path)) return "";
  const auto all = nlohmann::json::parse(read_file(path), nullptr, false);
  const bool named = all.is_object() && all.contains("template") && all["template"].is_string();
  return named ? all["template"].get<std::string>() : "";
}

}  // namespace

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
  if (name == ChatTemplate::kChatml)
    return "{% for message in messages %}"
           "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
           "{% endfor %}"
           "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
  if (name == ChatTemplate::kLlama3)
    return "{{ '<|begin_of_text|>' }}"
           "{% for message in messages %}"
           "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim"
           " + '<|eot_id|>' }}"
           "{% endfor %}"
           "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}";
  return "";
}

ChatTemplate chat_template_of(const DataOptions& options) {
  const std::string source = first_source(options);
  const auto cache = make_shard_cache(options, 1);
  const bool remote = cache && is_remote(source, options);
  return chat_template_named(remote ? remote_template(*cache, source) : template_in(source));
}

}  // namespace bessemer::data
