#include "data/build_inputs.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <numeric>

#include "data/file.h"
#include "data/tokenizers/hf_json.h"
#include "data/utf8.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

/// Which characters occur.
class CharacterSet final : public TakeText {
 public:
  CharacterSet(std::vector<bool>& seen, std::mutex& lock, std::atomic<uint64_t>& raw)
      : seen_(seen), lock_(lock), raw_(raw) {}
  ~CharacterSet() override {
    const std::lock_guard guard(lock_);
    for (std::size_t code = 0; code < mine_.size(); ++code) {
      if (mine_[code]) seen_[code] = true;
    }
  }
  void text(std::string_view text) override {
    for (std::size_t at = 0; at < text.size();) {
      uint32_t code = 0;
      at += static_cast<std::size_t>(decode_utf8(text.substr(at), code));  // the reader has checked it
      if (!mine_[code]) mine_[code] = true;
    }
  }
  void end_document() override {}
  void drop_document() override {}
  void reject(Reject) override {}  // told when it is read again
  void progress(uint64_t bytes) override { raw_ += bytes; }

 private:
  std::vector<bool> mine_ = std::vector<bool>(kCodePoints);
  std::vector<bool>& seen_;
  std::mutex& lock_;
  std::atomic<uint64_t>& raw_;
};

std::unique_ptr<Tokenizer> characters_of(const BuildOptions& options, const Inputs& inputs,
                                         const TellProgress& progress) {
  std::vector<bool> seen(kCodePoints);
  std::mutex lock;
  std::atomic<uint64_t> raw = 0;
  const auto work = [&](std::size_t unit) {
    CharacterSet characters(seen, lock, raw);
    for (const auto& part : inputs.units[unit])
      read_stretch(inputs.sources[part.source], part.stretch, read_options(options), characters);
  };
  std::vector<std::size_t> all(inputs.units.size());
  std::iota(all.begin(), all.end(), 0);
  if (!run_units(all, options.workers, work, [&] { return progress({"reading", raw, inputs.bytes, 0}); })) stopped();
  std::vector<std::string> characters;
  for (uint32_t code = 0; code < kCodePoints; ++code) {
    if (seen[code]) characters.push_back(encode_utf8(code));
  }
  return make_chars_tokenizer(characters);
}

/// Where a line begins behind another: a sentence ends there. 0: nowhere.
std::size_t behind_a_line(std::string_view text) {
  for (std::size_t at = text.size(); at-- > 1;) {
    if (text[at - 1] == '\n' && text[at] != '\n') return at;
  }
  return 0;
}

void add_tokens(const BuildOptions& options, Inputs& inputs) {
  const auto texts = special_tokens_of(options.chat);
  const auto before = std::move(inputs.tokenizer);
  inputs.tokenizer = with_special_tokens(*before, texts);
  for (const auto& text : texts) {
    if (before->special_token(text) < 0) inputs.added_tokens.emplace_back(text, inputs.tokenizer->special_token(text));
  }
}

void refuse_texts(const std::vector<TextSource>& sources) {
  for (const auto& source : sources)
    BESSEMER_CHECK_DATA(source.jsonl, source.path, ": holds text; --template is for conversations, lines of JSON in ",
                        ".jsonl files: build texts into a data set of their own, and blend the two (data.blend)");
}

}  // namespace

void stopped() { fail(ExitCode::kStopped, "stopped: start the same command again, it goes on where it was"); }

ReadOptions read_options(const BuildOptions& options) {
  ReadOptions read;
  read.documents = options.documents, read.text_field = options.text_field, read.utf8 = options.tokenizer == "chars";
  read.chat = options.chat != ChatTemplate::kNone;
  return read;
}

Inputs find_inputs(const BuildOptions& options, const TellProgress& progress) {
  Inputs inputs;
  inputs.sources = find_sources(options.inputs, inputs.skipped);
  for (const auto& source : inputs.sources) inputs.bytes += source.bytes;
  if (options.chat != ChatTemplate::kNone) refuse_texts(inputs.sources);
  const bool chars = options.tokenizer == "chars";
  if (!chars) inputs.tokenizer = open_tokenizer_spec(options.tokenizer);
  inputs.units = plan_units(inputs.sources, options.documents, options.unit_bytes, [&](std::string_view text) {
    if (options.sentences) return behind_a_line(text);
    if (options.parse_special) return std::size_t{0};  // a special text might lie across it
    return chars ? whole_characters(text) : inputs.tokenizer->safe_cut(text);
  });
  if (chars) inputs.tokenizer = characters_of(options, inputs, progress);
  if (options.add_tokens) add_tokens(options, inputs);
  if (options.chat != ChatTemplate::kNone)
    ChatEncoder(options.chat, *inputs.tokenizer, SpecialText::kPlain, true);  // it refuses what lacks its tokens
  return inputs;
}

void hash_inputs(Inputs& inputs, const BuildOptions& options, const TellProgress& progress) {
  inputs.sha256.resize(inputs.sources.size());
  std::vector<std::size_t> todo;
  for (std::size_t i = 0; i < inputs.sources.size(); ++i) {
    if (inputs.sha256[i].empty()) todo.push_back(i);
  }
  std::atomic<uint64_t> done = 0;
  const auto work = [&](std::size_t i) {
    inputs.sha256[i] = sha256_of_file(inputs.sources[i].path);
    done += inputs.sources[i].bytes;
  };
  if (!run_units(todo, options.workers, work, [&] { return progress({"reading", done, inputs.bytes, 0}); })) stopped();
}

}  // namespace bessemer::data
