#include "launch/files_beside.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "data/mixture.h"
#include "data/tokenizer.h"
#include "launch/shallow_json.h"

namespace bessemer::launch {
namespace {

using nlohmann::ordered_json;

constexpr const char *kGeneration = "generation_config.json", *kTemplate = "chat_template.jinja",
                     *kTokenizer = "tokenizer_config.json";

/// The text of generation_config.json with one more id that ends a text.
std::string with_end(const std::string& text, int64_t id) {
  auto all = text.empty() ? ordered_json::object() : shallow_json(text);
  if (!all.is_object()) return text;  // as it was
  auto& ends = all["eos_token_id"];
  if (ends.is_null()) ends = ordered_json::array();
  if (!ends.is_array()) ends = ordered_json::array({ends});
  if (std::find(ends.begin(), ends.end(), ordered_json(id)) == ends.end()) ends.push_back(id);
  return all.dump(2) + "\n";
}

/// The text of tokenizer_config.json without the template that older libraries look for there.
std::string without_template(const std::string& text) {
  auto all = shallow_json(text);
  if (!all.is_object() || all.erase("chat_template") == 0) return text;
  return all.dump(2) + "\n";
}

}  // namespace

trainer::Texts files_beside(const trainer::Texts& source, const data::DataOptions& options,
                            const std::string& tokenizer) {
  trainer::Texts texts;
  // The vocabulary itself is the data's: it may have grown.
  for (const char* name : {kTokenizer, "special_tokens_map.json", kGeneration, kTemplate}) {
    if (const auto found = source.find(name); found != source.end()) texts.insert(*found);
  }
  const auto chat = data::chat_template_of(options);
  if (chat == data::ChatTemplate::kNone) return texts;
  texts.erase(kTemplate);  // the model learns another one, or none
  if (const auto config = texts.find(kTokenizer); config != texts.end())
    config->second = without_template(config->second);
  if (const std::string jinja = data::jinja_of(chat); !jinja.empty()) texts[kTemplate] = jinja;
  const auto own = data::load_tokenizer(tokenizer);
  const std::string turn = end_of_turn(chat);
  const int64_t end = turn.empty() ? own->eod_id : own->special_token(turn);
  if (end >= 0) texts[kGeneration] = with_end(texts[kGeneration], end);
  return texts;
}

}  // namespace bessemer::launch
