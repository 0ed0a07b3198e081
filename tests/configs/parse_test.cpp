#include "configs/parse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "configs/text.h"
#include "parallel/error.h"
#include "tests/configs/support.h"

namespace bessemer::configs {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Strings = std::vector<std::string>;

Parsed arguments(const Strings& words) { return parse({"", "", {}, words}); }
Parsed variable(const std::string& name, const std::string& value) { return parse({"", "", {{name, value}}, {}}); }

/// A value that is not the default and that the option accepts.
std::string other_value(const Option& option) {
  if (option.name == "model.preset") return "tiny";
  if (option.kind == "yes|no") return option.text() == "yes" ? "no" : "yes";
  if (option.kind == "share") return "0.25";
  if (option.kind == "DIR" || option.kind == "auto|none|PATH") return "some where/#1";
  if (option.kind == "number") return option.text() == "0.5" ? "0.25" : "0.5";
  if (option.kind == "count" || option.kind == "seed") return "7";
  if (option.kind == "duration") return "90";
  if (option.kind == "SHARES") return "7 some where, 3 else";
  if (option.kind == "SETS") return "a=some where, b=else";
  if (option.kind == "STAGES") return "4x10, 8x20";
  const auto bar = option.kind.rfind('|');  // the last choice
  return bar == std::string::npos ? option.kind : option.kind.substr(bar + 1);
}

TEST(Parse, ReachesEveryOptionFromFileEnvironmentAndCommandLine) {
  Files files;
  RunConfig defaults;
  for (const auto& option : visit(defaults)) {
    std::string value = other_value(option);
    if (option.name.rfind("loss_scale.", 0) == 0 && option.kind == "number" && option.name != "loss_scale.backoff")
      value = "3";
    if (option.name == "loss_scale.backoff") value = "0.25";
    if (option.name == "model.rope_theta" || option.name == "model.rope_factor") value = "3";
    const auto file =
        files.write("f.ini", "[" + option.section() + "]\n" + option.key() + " = " + ini_value(value) + "\n");
    for (Parsed got : {parse({file, "", {}, {}}), variable(variable_name(option.name), value),
                       arguments({"--" + option.name + "=" + value})}) {
      EXPECT_THAT(got.problems, IsEmpty()) << option.name;
      for (const auto& o : visit(got.config)) {
        if (o.name != option.name) continue;
        EXPECT_EQ(o.text(), value) << option.name;
      }
      EXPECT_NE(got.origins.at(option.name), "default");
    }
  }
}

TEST(Parse, LaterSourcesWin) {
  Files files;
  const auto file = files.write("run.ini", "[model]\nlayers = 3\nhidden = 32\nheads = 2\npreset = tiny\n");
  const auto got =
      parse({file, "", {{"BESSEMER_MODEL_HIDDEN", "48"}, {"BESSEMER_MODEL_HEADS", "3"}}, {"--model.heads=6"}});
  EXPECT_THAT(got.problems, IsEmpty());
  EXPECT_EQ(got.config.model.sequence, 32);  // tiny's
  EXPECT_EQ(got.config.model.layers, 3);     // the file's, over tiny's 2
  EXPECT_EQ(got.config.model.hidden, 48);    // the environment's
  EXPECT_EQ(got.config.model.heads, 6);      // the command line's
  EXPECT_EQ(got.config.train.steps, 1000);
  EXPECT_EQ(got.origins.at("model.sequence"), "preset tiny");
  EXPECT_EQ(got.origins.at("model.layers"), file + ":2");
  EXPECT_EQ(got.origins.at("model.hidden"), "environment variable BESSEMER_MODEL_HIDDEN");
  EXPECT_EQ(got.origins.at("model.heads"), "command line");
  EXPECT_EQ(got.origins.at("train.steps"), "default");
}

TEST(Parse, PresetOfTheCommandLineReplacesTheFiles) {
  Files files;
  const auto got = parse({files.write("run.ini", "[model]\npreset = tiny\n"), "", {}, {"--model.preset=gpt2-124m"}});
  EXPECT_EQ(got.config.model.layers, 12);
  EXPECT_EQ(got.config.model.preset, "gpt2-124m");
}

TEST(Parse, SuggestsForUnknownOptionsWithTheirPlace) {
  Files files;
  const auto file = files.write("run.ini", "steps = 3\n[model]\n\nlayres = 3\n[foo]\nbar = 1\n");
  const auto got = parse({file,
                          "",
                          {{"BESSEMER_MODEL_LAYRES", "3"}, {"BESSEMER_LIBTORCH", "/x"}, {"BESSEMER_TRIAN_STEPS", "1"}},
                          {"--model.hiden=64", "--resume=none", "--model.lay=3", "stray"}});
  EXPECT_THAT(got.problems, Contains(AllOf(HasSubstr(file + ":4: unknown option model.layres"),
                                           HasSubstr("did you mean model.layers?"))));
  EXPECT_THAT(got.problems, Contains(AllOf(HasSubstr(file + ":1: unknown option steps (outside of any [section])"),
                                           HasSubstr("did you mean train.steps?"))));
  EXPECT_THAT(got.problems, Contains(HasSubstr(file + ":6: unknown option foo.bar")));
  EXPECT_THAT(
      got.problems,
      Contains(HasSubstr("unknown environment variable BESSEMER_MODEL_LAYRES; did you mean BESSEMER_MODEL_LAYERS?")));
  EXPECT_THAT(
      got.problems,
      Contains(HasSubstr("unknown environment variable BESSEMER_TRIAN_STEPS; did you mean BESSEMER_TRAIN_STEPS?")));
  EXPECT_THAT(got.problems,
              Contains(HasSubstr("unknown option --model.hiden (command line); did you mean model.hidden?")));
  EXPECT_THAT(got.problems, Contains(HasSubstr("unknown option --resume (command line); did you mean run.resume?")));
  EXPECT_THAT(got.problems,
              Contains(HasSubstr("unknown option --model.lay (command line)")));  // abbreviations are not guessed
  EXPECT_THAT(got.problems, Contains(HasSubstr("unexpected argument 'stray'")));
  EXPECT_THAT(got.problems, testing::SizeIs(9));
}

TEST(Parse, NamesOptionPlaceAndReasonOfABadValue) {
  Files files;
  const auto file = files.write("run.ini", "[model]\nlayers = -1\nactivation = gulu\ntied = perhaps\ndropout = 1.5\n");
  const auto got = parse(
      {file, "", {{"BESSEMER_TRAIN_STEPS", "1e3x"}}, {"--optimizer.lr=fast", "--model.heads=0", "--run.seed=-1"}});
  EXPECT_THAT(
      got.problems,
      ElementsAre(
          HasSubstr(file + ":2: model.layers = '-1' is negative"),
          HasSubstr(file +
                    ":3: model.activation = 'gulu' is not one of gelu|gelu_tanh|swiglu|relu|relu2; did you mean gelu?"),
          HasSubstr(file + ":4: model.tied = 'perhaps' is neither yes nor no"),
          HasSubstr(file + ":5: model.dropout = '1.5' is not a share"),
          HasSubstr("environment variable BESSEMER_TRAIN_STEPS: train.steps = '1e3x' is not a count"),
          HasSubstr("command line: optimizer.lr = 'fast' is not a number"),
          HasSubstr("command line: model.heads = '0' is too small; the least is 1"),
          HasSubstr("command line: run.seed = '-1' is not a seed")));
}

TEST(Parse, ShowsBothValuesOfAnOptionGivenTwice) {
  EXPECT_THAT(arguments({"--train.steps=1", "--train.steps=2"}).problems,
              ElementsAre("--train.steps is given twice on the command line, as '1' and as '2'"));
}

TEST(Parse, RefusesAnUnknownPreset) {
  EXPECT_THAT(arguments({"--model.preset=gpt2-125m"}).problems, ElementsAre(HasSubstr("did you mean gpt2-124m?")));
}

TEST(Parse, TakesABareSwitchAsYes) {
  EXPECT_TRUE(arguments({"--parallel.zero"}).config.parallel.zero);
  EXPECT_FALSE(arguments({"--parallel.zero=off"}).config.parallel.zero);
  EXPECT_EQ(arguments({"--train.steps", "2k"}).config.train.steps, 2000);
}

TEST(Help, NamesEveryOption) {
  RunConfig defaults;
  const std::string help = options_help();
  for (const auto& o : visit(defaults)) EXPECT_THAT(help, HasSubstr("--" + o.name + "="));
  EXPECT_THAT(help, HasSubstr("fp32|bf16|fp16"));
}

TEST(Refuse, ThrowsAllSentencesAtOnce) {
  EXPECT_NO_THROW(refuse({}));
  try {
    refuse({"a", "b"});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::kUsage);
    EXPECT_STREQ(e.what(), "a\nb");
  }
}

}  // namespace
}  // namespace bessemer::configs
