#include "data/tokenizers/unigram_trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "tests/data/folder.h"

namespace bessemer::data {
namespace {

class UnigramTrainer : public FolderTest {
 protected:
  /// Sentences of made-up words, `n` of them.
  static NextSentence sentences(int n) {
    return [n, i = 0](std::string& out) mutable {
      if (i == n) return false;
      out.clear();
      for (int j = 0; j < 8; ++j) out += (j > 0 ? " w" : "w") + std::to_string((i * 37 + j * j * 11) % 211);
      ++i;
      return true;
    };
  }
};

/// With SentencePiece's own program, where Debian's package `sentencepiece` is installed.
class UnigramTrainerBySentencePiece : public UnigramTrainer {
 protected:
  void SetUp() override {
    if (std::system("command -v spm_train > /dev/null") != 0) GTEST_SKIP() << "spm_train is not installed";
  }
};

TEST_F(UnigramTrainerBySentencePiece, WritesAModelThatDependsOnTextAndOptionsOnly) {
  UnigramTrainerOptions options;
  options.vocab_size = 400;
  options.sample = 500;
  const auto facts = train_unigram(sentences(2000), options, at("a.model"));
  EXPECT_EQ(facts.seen, 2000u);
  EXPECT_EQ(facts.used, 500u);
  train_unigram(sentences(2000), options, at("b.model"));
  EXPECT_GT(bytes_of(at("a.model")).size(), 1000u);
  EXPECT_EQ(bytes_of(at("a.model")), bytes_of(at("b.model")));
  EXPECT_FALSE(std::filesystem::exists(at("a.model.training")));
}

TEST_F(UnigramTrainerBySentencePiece, AVocabularyThatIsTooLargeIsRefusedInItsWords) {
  UnigramTrainerOptions options;
  options.vocab_size = 100000;
  EXPECT_THAT(refusal([&] { train_unigram(sentences(50), options, at("a.model")); }),
              testing::AllOf(testing::HasSubstr("100000 ids"), testing::HasSubstr("Vocabulary size too high")));
  EXPECT_FALSE(std::filesystem::exists(at("a.model")));
}

/// A program that gives back its sample and arguments as the model.
class UnigramTrainerSample : public UnigramTrainer {
 protected:
  std::string train(UnigramTrainerOptions options, const NextSentence& next, UnigramSample* facts = nullptr) {
    options.program = write("echo_train", "#!/bin/sh\ncat sample.txt > trained.model\necho \"$@\" >> trained.model\n");
    std::filesystem::permissions(options.program, std::filesystem::perms::owner_all);
    const auto got = train_unigram(next, options, at("a.model"));
    if (facts != nullptr) *facts = got;
    return bytes_of(at("a.model"));
  }
};

TEST_F(UnigramTrainerSample, AllSentencesInOrderWhereTheyFit) {
  UnigramTrainerOptions options;
  options.vocab_size = 77;
  options.longest = 3;
  std::vector<std::string> all = {"a\nb", "long", "", "c"};
  UnigramSample facts;
  const auto got = train(
      options, [&, i = 0u](std::string& s) mutable { return i < 4 && (s = all[i++], true); }, &facts);
  EXPECT_THAT(got, testing::StartsWith("a b\n\nc\n--model_type=unigram --input=sample.txt"));
  EXPECT_THAT(got, testing::HasSubstr("--vocab_size=77 --character_coverage=0.9995 --byte_fallback=true"));
  EXPECT_EQ(facts.seen, 4u);
  EXPECT_EQ(facts.used, 3u);
  EXPECT_EQ(facts.too_long, 1u);
}

TEST_F(UnigramTrainerSample, IsEvenAndDependsOnTheSeedOnly) {
  UnigramTrainerOptions options;
  options.sample = 1000;
  const auto number = [](std::string& s, int& i) { return i < 10000 && (s = std::to_string(i++), true); };
  const auto draw = [&] { return train(options, [&, i = 0](std::string& s) mutable { return number(s, i); }); };
  const auto first = draw();
  EXPECT_EQ(first, draw());
  options.seed = 2;
  EXPECT_NE(first, draw());
  std::istringstream lines(first);
  double sum = 0;
  int value = 0, last = -1, n = 0;
  for (; lines >> value; ++n) {
    EXPECT_GT(value, last) << "in the order of the text";
    sum += last = value;
  }
  EXPECT_EQ(n, 1000);
  EXPECT_NEAR(sum / n, 5000, 500);  // five standard deviations are 430
}

TEST_F(UnigramTrainer, AProgramThatIsMissingOrFailsIsAnErrorInWords) {
  UnigramTrainerOptions options;
  options.program = at("none");
  EXPECT_THAT(refusal([&] { train_unigram(sentences(9), options, at("a.model")); }, ExitCode::kEnvironment),
              testing::HasSubstr("install Debian's package sentencepiece"));
  options.program = write("bad_train", "#!/bin/sh\necho it is broken >&2\nexit 3\n");
  std::filesystem::permissions(options.program, std::filesystem::perms::owner_all);
  EXPECT_THAT(refusal([&] { train_unigram(sentences(9), options, at("a.model")); }),
              testing::HasSubstr("it is broken"));
  EXPECT_FALSE(std::filesystem::exists(at("a.model.training")));
}

TEST_F(UnigramTrainer, RefusesInWords) {
  UnigramTrainerOptions options;
  EXPECT_THAT(refusal([&] { train_unigram(sentences(0), options, at("a.model")); }), testing::HasSubstr("no sentence"));
  options.sample = 0;
  EXPECT_THAT(refusal([&] { train_unigram(sentences(50), options, at("a.model")); }, ExitCode::kUsage),
              testing::HasSubstr("choose more"));
  options.sample = 1;
  options.character_coverage = 2;
  EXPECT_THAT(refusal([&] { train_unigram(sentences(50), options, at("a.model")); }, ExitCode::kUsage),
              testing::HasSubstr("0.98 to 1"));
}

}  // namespace
}  // namespace bessemer::data
