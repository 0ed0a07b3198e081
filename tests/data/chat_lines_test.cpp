#include "data/chat_lines.h"

#include <gmock/gmock.h>

namespace bessemer::data {
namespace {

using testing::HasSubstr;

std::string why_not(const std::string& line) {
  Reject reject;
  EXPECT_FALSE(ChatLines().read(line, reject)) << line;
  return reject.kind + ": " + reject.message;
}

TEST(ChatLines, BothFormsAreRead) {
  Reject reject;
  ChatLines lines;
  const auto chat = lines.read(
      R"({"id": 7, "messages": [{"role": "system", "content": ""}, {"role": "user", "content": "a\u00e9\n"},
          {"role": "assistant", "content": "b", "weight": 0}, {"role": "tool", "content": "c", "name": "t"},
          {"role": "assistant", "content": "d", "weight": 1}]})",
      reject);
  ASSERT_TRUE(chat) << reject.message;
  ASSERT_EQ(chat->turns.size(), 5u);
  EXPECT_EQ(chat->turns[1].text, "aé\n");
  EXPECT_FALSE(chat->turns[1].answer);
  EXPECT_FALSE(chat->turns[2].answer);
  EXPECT_TRUE(chat->turns[4].answer);
  EXPECT_FALSE(chat->pair);
  const auto parts = lines.read(
      R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"text": "b\n", "type": "text"}]},
          {"role": "assistant", "content": [{"type": "text", "text": "c"}]}]})",
      reject);
  ASSERT_TRUE(parts) << reject.message;
  EXPECT_EQ(plain_text(*parts), "ab\n\nc");
  const auto pair = lines.read(R"({"prompt": "2 + 2 =", "completion": " 4"})", reject);
  ASSERT_TRUE(pair) << reject.message;
  EXPECT_TRUE(pair->pair);
  EXPECT_EQ(plain_text(*pair), "2 + 2 = 4");
}

TEST(ChatLines, ThatAreToBeAnsweredEndWithAnothersTurn) {
  Reject reject;
  ChatLines lines(true);
  const auto chat =
      lines.read(R"({"messages": [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]})", reject);
  ASSERT_TRUE(chat) << reject.message;
  EXPECT_EQ(chat->turns.size(), 2u);
  EXPECT_FALSE(lines.read(R"({"messages": [{"role": "assistant", "content": "a"}]})", reject));
  EXPECT_THAT(reject.message, HasSubstr("the last turn is the assistant's"));
}

TEST(ChatLines, WhatIsNoConversationSaysWhy) {
  EXPECT_THAT(why_not("{"), HasSubstr("not JSON"));
  EXPECT_THAT(why_not(R"({"text": "a"})"), HasSubstr("'messages', or with 'prompt' and 'completion', is expected"));
  EXPECT_THAT(why_not("[1]"), HasSubstr("no conversation"));
  EXPECT_THAT(why_not(R"({"messages": "a"})"), HasSubstr("an array 'messages'"));
  EXPECT_THAT(why_not(R"({"messages": []})"), HasSubstr("'messages' is empty"));
  EXPECT_THAT(why_not(R"({"messages": [{"role": "user", "content": "a"}]})"), HasSubstr("the last turn is the user's"));
  EXPECT_THAT(why_not(R"({"messages": [{"role": "human", "content": "a"}]})"), HasSubstr("message 1: role 'human'"));
  EXPECT_THAT(why_not(R"({"messages": [{"role": "user"}]})"), HasSubstr("a text 'content' is expected, there is none"));
  EXPECT_THAT(why_not(R"({"messages": [{"role": "user", "content": 1}]})"), HasSubstr("it is none"));
  EXPECT_THAT(why_not(R"({"messages": [{"role": "user", "content": ["a"]}]})"),
              HasSubstr(R"(a part of 'content' is "a"; {"type": "text", "text": ...} is expected)"));
  EXPECT_THAT(why_not(R"({"messages": [{"role": "user", "content": [{"type": "image_url", "text": "a"}]}]})"),
              HasSubstr("image_url"));
  EXPECT_THAT(why_not(R"({"messages": [{"role": ["user"], "content": "a"}]})"), HasSubstr("a text 'role'"));
  EXPECT_THAT(why_not(R"({"messages": [{"role": "assistant", "content": []}]})"), HasSubstr("content is empty"));
  EXPECT_THAT(why_not(R"({"messages": [{"role": "assistant", "content": ""}]})"), HasSubstr("content is empty"));
  EXPECT_THAT(why_not(R"({"messages": [{"role": "assistant", "content": "a", "weight": 0}]})"), HasSubstr("weight 0"));
  EXPECT_THAT(why_not(R"({"messages": [{"role": "assistant", "content": "a", "weight": 0.5}]})"),
              HasSubstr("weight 0.5"));
  EXPECT_THAT(why_not(R"({"messages": [{"role": "assistant", "content": "a", "weight": "0"}]})"),
              HasSubstr("weight \"0\""));
  EXPECT_THAT(why_not(R"({"messages": [{"role": "assistant", "content": "a", "weight": false}]})"),
              HasSubstr("every answer has weight 0"));
  EXPECT_THAT(why_not(R"({"prompt": "a"})"), HasSubstr("'completion' is expected"));
  EXPECT_THAT(why_not(R"({"prompt": "a", "completion": ""})"), HasSubstr("'completion' is empty"));
  EXPECT_THAT(why_not(R"({"prompt": "a\u0000", "completion": "b"})"), HasSubstr("NUL"));
}

}  // namespace
}  // namespace bessemer::data
