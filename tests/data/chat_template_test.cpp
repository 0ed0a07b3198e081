#include "data/chat_template.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <sstream>

#include "data/chat.h"
#include "data/chat_lines.h"
#include "data/file.h"
#include "tests/data/folder.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"

namespace bessemer::data {
namespace {

TEST(ChatTemplate, IsKnownByItsName) {
  for (const auto name : {ChatTemplate::kChatml, ChatTemplate::kLlama3, ChatTemplate::kPlain})
    EXPECT_EQ(chat_template_named(name_of(name)), name);
  EXPECT_EQ(chat_template_named("vicuna"), ChatTemplate::kNone);
  EXPECT_EQ(end_of_turn(ChatTemplate::kLlama3), "<|eot_id|>");
  EXPECT_EQ(end_of_turn(ChatTemplate::kPlain), "");
  EXPECT_EQ(jinja_of(ChatTemplate::kPlain), "");
}

class Jinja : public FolderTest, public testing::WithParamInterface<ChatTemplate> {};

TEST_P(Jinja, GivesInTransformersTheIdsThatWereLearned) {
  const char* python = std::getenv("BESSEMER_ORACLE_PYTHON");
  const auto run = [&](std::vector<std::string> words) {
    words.insert(words.begin(), python);
    return tests::Process(words, at("log")).wait();
  };
  if (python == nullptr || run({"-c", "import transformers"}).code != 0)
    GTEST_SKIP() << "BESSEMER_ORACLE_PYTHON is not set, or has no transformers";
  const std::string oracle = tests::kSourceDir + "/tests/oracles/";
  write("hf/tokenizer.json", read_file(oracle + "chat/bytes.json"));
  write("hf/tokenizer_config.json", R"({"tokenizer_class": "PreTrainedTokenizerFast"})");
  write("hf/chat_template.jinja", jinja_of(GetParam()));
  const std::string lines = read_file(oracle + "chat/chats.jsonl") +
                            R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, )" +
                            R"({"type": "text", "text": " b\n"}]}, {"role": "assistant", "content": "c"}]})" + "\n";
  const auto ended = run({oracle + "hf_chat.py", at("hf"), write("chats.jsonl", lines)});
  ASSERT_EQ(ended.code, 0) << ended.text;
  const auto tokenizer = open_tokenizer_spec("hf:" + at("hf"));
  ChatEncoder encoder(GetParam(), *tokenizer, SpecialText::kPlain, true);
  ChatLines chats;
  std::istringstream said(ended.text), asked(lines);
  int compared = 0;
  for (std::string theirs, line; std::getline(said, theirs);) {
    if (!theirs.starts_with("{\"ids")) continue;  // a warning of theirs
    ASSERT_TRUE(std::getline(asked, line));
    Reject reject;
    auto chat = chats.read(line, reject);
    ASSERT_TRUE(chat) << reject.message;
    const auto out = nlohmann::json::parse(theirs);
    TokenIds ids;
    std::vector<uint8_t> mask;
    encoder.encode(*chat, ids, mask);
    EXPECT_EQ(ids, out.at("ids").get<TokenIds>()) << encoder.text();
    chat->turns.pop_back();
    encoder.encode_prompt(*chat, ids);
    EXPECT_EQ(encoder.text(), out.at("prompt"));
    ++compared;
  }
  EXPECT_EQ(compared, std::count(lines.begin(), lines.end(), '\n'));
}

INSTANTIATE_TEST_SUITE_P(Templates, Jinja, testing::Values(ChatTemplate::kChatml, ChatTemplate::kLlama3),
                         [](const auto& name) { return name_of(name.param); });

}  // namespace
}  // namespace bessemer::data
