#include "data/chat.h"

#include <algorithm>

#include "data/tokenizers/unicode.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

/// As Python's str.strip, which Jinja's trim is.
std::string_view stripped(std::string_view text) {
  const auto is_blank = [](uint32_t code) { return is_space(code) || (code >= 0x1C && code <= 0x1F); };
  const char *begin = text.data(), *end = begin + text.size();
  for (const char* next = begin; begin < end && is_blank(next_code(next)); begin = next) continue;
  for (const char* next = end; begin < end && is_blank(previous_code(next)); end = next) continue;
  return {begin, static_cast<std::size_t>(end - begin)};
}

}  // namespace

std::string plain_text(const Conversation& conversation) {
  std::string text;
  for (const auto& turn : conversation.turns) {
    text += turn.text;
    if (turn.role != "assistant" && !conversation.pair) text += '\n';
  }
  return text;
}

ChatEncoder::ChatEncoder(ChatTemplate name, const Tokenizer& tokenizer, SpecialText special, bool end_of_turn)
    : template_(name), tokenizer_(tokenizer), encoder_(tokenizer.encoder(special)) {
  if (name == ChatTemplate::kChatml) find_tokens({&start_, &end_});
  if (name == ChatTemplate::kLlama3) find_tokens({&begin_, &start_, &header_end_, &end_});
  if (name == ChatTemplate::kPlain && end_of_turn && tokenizer.eod_id >= 0)
    end_ = {tokenizer.token(static_cast<uint32_t>(tokenizer.eod_id)), tokenizer.eod_id};
}

/// \param wanted  where those that special_tokens_of names are put, in its order
void ChatEncoder::find_tokens(const std::vector<Token*>& wanted) {
  const auto texts = special_tokens_of(template_);
  std::string missing;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    *wanted[i] = {texts[i], tokenizer_.special_token(texts[i])};
    if (wanted[i]->id < 0) missing += concat(missing.empty() ? "" : ", ", texts[i]);
  }
  BESSEMER_CHECK_DATA(
      missing.empty(), "--template ", name_of(template_), " needs special tokens that the tokenizer (",
      tokenizer_.kind(), ", vocabulary of ", tokenizer_.vocab_size(), ") has not: ", missing,
      "; `data build --add-tokens` puts them behind its vocabulary (the new rows of a model's embedding are ",
      "made by run.init_from), or choose another template");
}

void ChatEncoder::put(std::string_view text) {
  const std::size_t begin = text_.size();
  text_ += text;
  if (!parts_.empty() && parts_.back().token < 0)
    parts_.back().end = text_.size();
  else if (!text.empty())
    parts_.push_back({begin, text_.size(), -1});
}

void ChatEncoder::put(const Token& token) {
  if (token.id < 0) return;
  text_ += token.text;
  parts_.push_back({text_.size() - token.text.size(), text_.size(), token.id});
}

void ChatEncoder::write_chatml(const Turn& turn) {
  put(start_), put(turn.role), put("\n");
  const std::size_t begin = text_.size();
  put(turn.text), put(end_);
  if (turn.answer) answers_.emplace_back(begin, text_.size());
  put("\n");
}

void ChatEncoder::write_llama3(const Turn& turn) {
  put(start_), put(turn.role), put(header_end_), put("\n\n");
  const std::size_t begin = text_.size();
  put(stripped(turn.text)), put(end_);
  if (turn.answer) answers_.emplace_back(begin, text_.size());
}

void ChatEncoder::write_plain(const Turn& turn, bool pair) {
  const std::size_t begin = text_.size();
  put(turn.text);
  if (turn.role == "assistant")
    put(end_);
  else if (!pair)
    put("\n");
  if (turn.answer) answers_.emplace_back(begin, text_.size());
}

void ChatEncoder::write(const Conversation& conversation) {
  text_.clear(), parts_.clear(), answers_.clear();
  if (template_ == ChatTemplate::kLlama3) put(begin_);
  for (const auto& turn : conversation.turns) {
    if (template_ == ChatTemplate::kChatml)
      write_chatml(turn);
    else if (template_ == ChatTemplate::kLlama3)
      write_llama3(turn);
    else
      write_plain(turn, conversation.pair);
  }
}

/// The ids of the text from a part's beginning to `end`, which lies in no token.
void ChatEncoder::encode_from(std::size_t part, std::size_t end, TokenIds& ids) {
  std::vector<TextPart> parts;
  for (; part < parts_.size() && parts_[part].begin < end; ++part) {
    const auto& [begin, part_end, token] = parts_[part];
    parts.push_back({std::string_view(text_).substr(begin, std::min(end, part_end) - begin), token});
  }
  ids.clear();
  encoder_->encode_parts(parts, ids);
}

void ChatEncoder::encode(const Conversation& conversation, TokenIds& ids, std::vector<uint8_t>& mask) {
  write(conversation);
  encode_from(0, text_.size(), ids);
  if (!mark_by_bytes(ids, mask)) mark_by_fronts(ids, mask);
}

void ChatEncoder::encode_prompt(const Conversation& conversation, TokenIds& ids) {
  write(conversation);
  if (template_ == ChatTemplate::kChatml) put(start_), put("assistant\n");
  if (template_ == ChatTemplate::kLlama3) put(start_), put("assistant"), put(header_end_), put("\n\n");
  encode_from(0, text_.size(), ids);
}

/// Where tokens are the bytes of the text one after another, each has its place. False: they are not.
bool ChatEncoder::mark_by_bytes(const TokenIds& ids, std::vector<uint8_t>& mask) const {
  mask.assign(ids.size(), 0);
  std::size_t begin = 0;
  auto answer = answers_.begin();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::string bytes = tokenizer_.token(ids[i]);
    if (std::string_view(text_).substr(begin, bytes.size()) != bytes) return false;
    while (answer != answers_.end() && begin >= answer->second) ++answer;
    mask[i] = answer != answers_.end() && begin + bytes.size() > answer->first;
    begin += bytes.size();
  }
  return begin == text_.size();
}

/// One alone where their ids are not those of the whole.
std::vector<ChatEncoder::Stretch> ChatEncoder::stretches(const TokenIds& ids) {
  std::vector<Stretch> all;
  TokenIds own;
  for (std::size_t part = 0, id = 0; part < parts_.size(); id += own.size()) {
    all.push_back({part, id});
    for (++part; part < parts_.size() && parts_[part].token < 0;) ++part;
    encode_from(all.back().part, part < parts_.size() ? parts_[part].begin : text_.size(), own);
    const bool same = id + own.size() <= ids.size() &&
                      std::equal(own.begin(), own.end(), ids.begin() + static_cast<std::ptrdiff_t>(id));
    if (!same || (part == parts_.size() && id + own.size() != ids.size())) return {Stretch()};
  }
  return all;
}

/// A tokenizer that rewrites its text (spaces as U+2581, lower case): the tokens that do not change when the text ends
/// there lie before a place.
void ChatEncoder::mark_by_fronts(const TokenIds& ids, std::vector<uint8_t>& mask) {
  mask.assign(ids.size(), 0);
  const auto all = stretches(ids);
  TokenIds front;
  std::size_t held = 0;  // of front: what the whole has there too
  // The first id that is not before `place`, of the stretch that `place` lies in or ends.
  const auto id_at = [&](std::size_t place) {
    auto stretch = std::partition_point(all.begin() + 1, all.end(),
                                        [&](const Stretch& s) { return parts_[s.part].begin < place; });
    --stretch;
    encode_from(stretch->part, place, front);
    const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(stretch->id);
    held = static_cast<std::size_t>(std::mismatch(front.begin(), front.end(), begin, ids.end()).first - front.begin());
    return stretch->id + held;
  };
  for (const auto& [begin, end] : answers_) {
    const std::size_t first = id_at(begin);
    std::size_t last = id_at(end);
    if (held < front.size()) last = std::min(last + 1, ids.size());  // it holds the answer's end and what follows
    for (std::size_t i = first; i < last; ++i) mask[i] = 1;
  }
}

}  // namespace bessemer::data
