#include "data/sentences.h"

#include <gmock/gmock.h>

namespace bessemer::data {
namespace {

std::vector<std::string> sentences(std::string_view text) {
  std::vector<std::string> all;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = sentence_end(text, begin);
    all.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
  return all;
}

TEST(Sentences, EndWhereReadersStop) {
  using testing::ElementsAre;
  EXPECT_THAT(sentences("One. Two! \"Three?\" Four"), ElementsAre("One.", " Two!", " \"Three?\"", " Four"));
  EXPECT_THAT(sentences("Dr. A. Smith paid 3.50 to U.S. banks. He left."),
              ElementsAre("Dr. A. Smith paid 3.50 to U.S. banks.", " He left."));
  EXPECT_THAT(sentences("A line\n\nanother. one\n"), ElementsAre("A line\n\n", "another. one\n"));
  EXPECT_THAT(sentences("\xE4\xB8\x80\xE3\x80\x82\xE4\xBA\x8C\xEF\xBC\x81"),
              ElementsAre("\xE4\xB8\x80\xE3\x80\x82", "\xE4\xBA\x8C\xEF\xBC\x81"));
  EXPECT_THAT(sentences(""), ElementsAre());
  EXPECT_EQ(last_sentence("One. Two. Thr"), 9u);
  EXPECT_EQ(last_sentence("One"), 0u);
}

}  // namespace
}  // namespace bessemer::data
