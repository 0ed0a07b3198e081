#include "launch/files_beside.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "data/chat_template.h"
#include "data/tokenizer.h"

namespace bessemer::launch {
namespace {

using nlohmann::ordered_json;

constexpr const char *kGeneration = "generation_config.json", *kTemplate = "chat_template.jinja";

/// The text of generation_config.json with one more id that ends a text.
std::string with_end(const std::string& text, int64_t id) {
  auto all = text.empty() ? ordered_json::object() : ordered_json::parse(text, nullptr, false);
  if (!all.is_object()) return text;  // as it was
  auto& ends = all["eos_token_id"];
  if (ends.is_null()) ends = ordered_json::array();
  if (!ends.is_array()) ends = ordered_json::array({ends});
  if (std::find(ends.begin(), ends.end(), ordered_json(id)) == ends.end()) ends.push_back(id);
  return all.dump(2) + "\n";
}

}  // namespace

trainer::Texts files_beside(const trainer::Texts& source, const data::DataOptions& options,
                            const std::string& tokenizer) {
  trainer::Texts texts;
  // The vocabulary itself is the data's: it may have grown.
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json", kGeneration, kTemplate}) {
    if (const auto found = source.find(name); found != source.end()) texts.insert(*found);
  }
  const auto chat = data::chat_template_of(options);
  if (const std::string jinja = data::jinja_of(chat); !jinja.empty()) {
    texts[kTemplate] = jinja;
    texts[kGeneration] =
        with_end(texts[kGeneration], data::load_tokenizer(tokenizer)->special_token(end_of_turn(chat)));
  }
  return texts;
}

}  // namespace bessemer::launch
