#include "configs/text.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "configs/parse.h"
#include "models/presets.h"

namespace bessemer::configs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// Gives every option a random value of its kind.
RunConfig random_config(std::mt19937_64& random) {
  RunConfig config;
  for (const auto& o : visit(config)) {
    const double share = std::uniform_real_distribution<double>(0, 1)(random);
    const auto count = std::to_string(1 + random() % (uint64_t{1} << (random() % 62)));
    if (o.kind == "yes|no")
      o.set(random() % 2 ? "yes" : "no");
    else if (o.kind == "share")
      o.set(fmt::format("{}", share));
    else if (o.kind == "number" && o.name == "loss_scale.backoff")
      o.set(fmt::format("{}", share));
    else if (o.kind == "number")
      o.set(fmt::format("{}", o.name.rfind("optimizer.beta", 0) == 0 ? share * 0.9 : 1 + share * 1e6));
    else if (o.kind == "duration")
      o.set(fmt::format("{}", share * 1e5));
    else if (o.kind == "seed")
      o.set(std::to_string(random()));
    else if (o.kind == "count")
      o.set(count);
    else if (o.kind == "SHARES")
      o.set(random() % 2 ? "" : std::to_string(1 + random() % 1000) + "M a b, 0.5 #c");
    else if (o.kind == "SETS")
      o.set(random() % 2 ? "" : "a=#b, c=d \" e");
    else if (o.kind == "STAGES")
      o.set(random() % 2 ? "" : "64x500, 128x1000");
    else if (o.name == "model.preset")
      o.set(random() % 2 ? "" : models::preset_names()[random() % models::preset_names().size()]);
    else if (o.kind == "DIR" || o.kind == "COMMAND" || o.kind == "auto|none|PATH") {
      static const std::string alphabet = "ab/. #;\"'\\\n=[]\r\t";
      std::string text;
      for (uint64_t i = random() % 12; i > 0; --i) text += alphabet[random() % alphabet.size()];
      o.set(text);
    } else {
      std::vector<std::string> choices{""};
      for (const char c : o.kind) {
        if (c == '|')
          choices.emplace_back();
        else
          choices.back() += c;
      }
      o.set(choices[random() % choices.size()]);
    }
  }
  return config;
}

TEST(Text, ReloadsToTheSameValues) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 300; ++i) {
    const RunConfig config = random_config(random);
    const auto text = to_text(config);
    const auto again = parse({"", text, {}, {}});
    ASSERT_THAT(again.problems, IsEmpty()) << text;
    ASSERT_EQ(to_text(again.config), to_text(config));
  }
}

TEST(Text, HoldsEveryOptionOnce) {
  RunConfig config;
  const auto got = parse({"", to_text(config), {}, {}});
  for (const auto& o : visit(config)) EXPECT_EQ(got.origins.at(o.name).rfind("text:", 0), 0u) << o.name;
  EXPECT_THAT(to_text(config, [](const Option& o) { return o.doc; }), HasSubstr("layers = 4  # blocks\n"));
}

TEST(Changed, NamesWhatMayNotChangeAndItsValues) {
  RunConfig before, after;
  after.model.layers = 5, after.train.steps = 7, after.train.micro_batch = 2, after.parallel.dp = 4, after.run.seed = 3,
  after.log.every = 1;
  const auto got = changed(before, after);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0].option, "run.seed");
  EXPECT_EQ(got[1].option, "model.layers");
  EXPECT_EQ(got[1].before, "4");
  EXPECT_EQ(got[1].after, "5");
}

TEST(Changed, ComparesWhatDefaultsComeTo) {
  RunConfig before, after;
  after.model.ffn = 4 * after.model.hidden;
  after.model.kv_heads = after.model.heads;
  after.model.attention_dropout = 0;
  after.model.preset = "tiny";
  EXPECT_THAT(changed(before, after), IsEmpty());
}

TEST(Changed, LetsOnlyTheDocumentedOptionsChange) {
  std::vector<std::string> free;
  RunConfig config;
  for (const auto& o : visit(config)) {
    if (o.on_resume == OnResume::kMayChange) free.push_back(o.name);
  }
  EXPECT_THAT(
      free, ElementsAre("run.dir", "run.resume", "run.init_from", "run.on_corrupt", "data.path", "data.blend",
                        "data.blend_temperature", "data.validation", "data.ahead", "data.verify", "data.fetch",
                        "data.cache", "data.cache_gb", "data.fetch_timeout", "model.preset", "model.recompute",
                        "parallel.dp", "parallel.tp", "parallel.sequence_parallel", "parallel.zero", "parallel.backend",
                        "parallel.device", "parallel.threads", "parallel.bucket_mb", "parallel.deterministic",
                        "parallel.share_gpu", "train.steps", "train.tokens", "train.epochs", "train.wall_time",
                        "train.micro_batch", "train.precision", "train.eval_every", "train.eval_batches",
                        "checkpoint.every", "checkpoint.interval", "checkpoint.keep", "checkpoint.keep_every",
                        "checkpoint.asynchronous", "checkpoint.read_back", "log.every", "log.tensorboard"));
}

}  // namespace
}  // namespace bessemer::configs
