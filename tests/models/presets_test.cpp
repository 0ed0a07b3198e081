#include "models/presets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "parallel/error.h"

namespace bessemer::models {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Presets, AreEachGoodOnOneRank) {
  for (const auto& name : preset_names()) {
    EXPECT_THAT(problems(preset(name), 1, true), IsEmpty()) << name;
    EXPECT_EQ(preset(name).preset, name);
  }
}

TEST(Presets, Gpt2HasThePublishedSize) {
  const ModelOptions o = resolve(preset("gpt2-124m"));
  const int64_t h = o.hidden;
  const int64_t block = 12 * h * h + 13 * h;  // matrices; biases and norms
  EXPECT_EQ((o.vocab + o.sequence) * h + o.layers * block + 2 * h, 124439808);
}

TEST(Presets, AnUnknownNameIsAnsweredWithTheNearest) {
  try {
    preset("gpt2-125m");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    EXPECT_THAT(error.what(), HasSubstr("did you mean gpt2-124m?"));
  }
}

TEST(Resolve, FillsOnlyWhatIsLeftOpen) {
  ModelOptions o;
  o.heads = 8, o.hidden = 64, o.dropout = 0.1, o.attention_dropout = 0.0;
  o = resolve(o);
  EXPECT_EQ(o.kv_heads, 8);
  EXPECT_EQ(o.ffn, 256);
  EXPECT_EQ(o.residual_dropout, 0.1);
  EXPECT_EQ(o.attention_dropout, 0.0);
}

TEST(Problems, AreToldAllAtOnceWithValues) {
  ModelOptions o;
  o.hidden = 130, o.heads = 4, o.kv_heads = 3, o.ffn = 130, o.sequence = 63, o.dropout = 1.0, o.attention_dropout = 0.0;
  EXPECT_THAT(problems(o, 4, true),
              ElementsAre(HasSubstr("heads 4 is no multiple of model.kv_heads 3"), HasSubstr("hidden 130"),
                          HasSubstr("embedding_dropout is 1"), HasSubstr("residual_dropout is 1"),
                          HasSubstr("kv_heads 3 cannot be split over parallel.tp 4"), HasSubstr("ffn 130"),
                          HasSubstr("sequence 63")));
}

TEST(Problems, NameTpWhereHeadsDoNotFit) {
  EXPECT_THAT(problems(preset("gpt2-1.5b"), 2, false),
              ElementsAre(HasSubstr("heads 25 cannot be split over parallel.tp 2")));
  EXPECT_THAT(problems(preset("gpt2-1.5b"), 5, false), IsEmpty());
}

TEST(Problems, RotaryNeedsHeadsOfEvenWidth) {
  ModelOptions o;
  o.hidden = 12, o.heads = 4, o.position = Position::kRotary;
  EXPECT_THAT(problems(o, 1, false), ElementsAre(HasSubstr("odd width 3")));
}

TEST(Problems, OfOneFamilyAreNotSilentlyIgnoredByTheOther) {
  ModelOptions bert = preset("bert-tiny"), gpt = preset("tiny");
  bert.window = 8;
  EXPECT_THAT(problems(bert, 1, false), ElementsAre(HasSubstr("model.window is 8")));
  bert.window = 0, bert.position_offset = 2, bert.position = Position::kRotary;
  EXPECT_THAT(problems(bert, 1, false), ElementsAre(HasSubstr("model.position_offset 2 is of a table")));
  gpt.position_offset = 2;
  EXPECT_THAT(problems(gpt, 1, false), ElementsAre(HasSubstr("model.position_offset is a bert's")));
}

TEST(Problems, ZeroNegativeAndNotANumberAreRefused) {
  ModelOptions o;
  o.layers = 0, o.heads = -1, o.dropout = std::nan(""), o.init_std = std::nan("");
  EXPECT_THAT(problems(o, 0, false),
              ElementsAre(HasSubstr("layers is 0"), HasSubstr("heads is -1"), HasSubstr("kv_heads is -1"),
                          HasSubstr("tp is 0"), HasSubstr("embedding_dropout"), HasSubstr("attention_dropout"),
                          HasSubstr("residual_dropout"), HasSubstr("init_std")));
}

}  // namespace bessemer::models
