#include "models/generate.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "parallel/error.h"
#include "tests/models/gpt_cases.h"

namespace bessemer::models {

namespace {

const std::vector<float> kLogits = {std::log(0.1f), std::log(0.4f), std::log(0.2f), std::log(0.3f)};

SamplingOptions options(double temperature, int64_t top_k = 0, double top_p = 1.0) {
  SamplingOptions o;
  o.temperature = temperature, o.top_k = top_k, o.top_p = top_p;
  return o;
}

std::vector<int64_t> counts(const SamplingOptions& o) {
  std::vector<int64_t> hits(kLogits.size());
  for (int i = 0; i < 1000; ++i) ++hits[static_cast<size_t>(sample(kLogits, o, (i + 0.5) / 1000))];
  return hits;
}

}  // namespace

TEST(Sample, FollowsTheProbabilities) { EXPECT_EQ(counts(options(1.0)), (std::vector<int64_t>{100, 400, 200, 300})); }

TEST(Sample, TemperatureZeroTakesTheLikeliest) {
  EXPECT_EQ(counts(options(0.0)), (std::vector<int64_t>{0, 1000, 0, 0}));
}

TEST(Sample, TemperatureHalfSquaresTheProbabilities) {
  const auto hits = counts(options(0.5));  // 1 : 16 : 4 : 9 of 30
  EXPECT_NEAR(hits[1], 1000 * 16.0 / 30, 1);
  EXPECT_NEAR(hits[0], 1000 * 1.0 / 30, 1);
}

TEST(Sample, TopKKeepsTheKLikeliest) {
  const auto hits = counts(options(1.0, 2));
  EXPECT_EQ(hits[0] + hits[2], 0);
  EXPECT_NEAR(hits[1], 1000 * 4.0 / 7, 1);
  EXPECT_EQ(counts(options(1.0, 1)), (std::vector<int64_t>{0, 1000, 0, 0}));
  EXPECT_EQ(counts(options(1.0, 99)), counts(options(1.0)));
}

TEST(Sample, TopPKeepsTheFewestThatReachIt) {
  EXPECT_EQ(counts(options(1.0, 0, 0.3)), (std::vector<int64_t>{0, 1000, 0, 0}));
  const auto hits = counts(options(1.0, 0, 0.65));
  EXPECT_EQ(hits[0] + hits[2], 0);
  EXPECT_NEAR(hits[1], 1000 * 4.0 / 7, 1);
}

TEST(Sample, RefusesLogitsThatAreNotFinite) {
  EXPECT_THROW(sample(std::vector<float>{0.0f, std::nanf("")}, options(1.0), 0.5), Error);
}

TEST(Generate, GivesTheSameTextForTheSameSeedAndStreamsIt) {
  auto model = build(small());
  SamplingOptions o;
  o.tokens = 30;  // longer than the model's sequence
  std::vector<int64_t> streamed;
  const std::vector<int64_t> prompt = {3};
  const auto text = generate(*model, prompt, o, [&](int64_t token) { return streamed.push_back(token), true; });
  EXPECT_EQ(text.size(), 30u);
  EXPECT_EQ(text, streamed);
  EXPECT_EQ(text, generate(*model, prompt, o));
  o.seed = 2;
  EXPECT_NE(text, generate(*model, prompt, o));
}

TEST(Generate, WithACacheEqualsWithoutUpToTheSequence) {
  auto model = build(small());
  SamplingOptions o;
  o.temperature = 0.0, o.tokens = small().sequence - 2;
  std::vector<int64_t> text = {5, 6};
  const auto cached = generate(*model, text, o);
  for (const int64_t token : cached) {
    auto fresh = model->make_cache(small().sequence);
    const at::Tensor logits = model->next_logits(at::tensor(text, at::kLong).unsqueeze(0), {fresh.get()});
    ASSERT_EQ(logits.argmax().item<int64_t>(), token) << "after " << text.size();
    text.push_back(token);
  }
}

TEST(Generate, GoesOnWithTheNewestHalfWhereTheWindowIsFull) {
  auto model = build(small());
  const int64_t s = small().sequence;
  SamplingOptions o;
  o.temperature = 0.0, o.tokens = 2;
  std::vector<int64_t> prompt;
  for (int64_t i = 0; i < s + 5; ++i) prompt.push_back(i);
  const auto text = generate(*model, prompt, o);
  std::vector<int64_t> half(prompt.end() - (s / 2 - 1), prompt.end());
  half.push_back(text[0]);
  auto fresh = model->make_cache(s);
  EXPECT_EQ(model->next_logits(at::tensor(half, at::kLong).unsqueeze(0), {fresh.get()}).argmax().item<int64_t>(),
            text[1]);
}

TEST(Generate, StopsAtTheStopTokenAndWhereTheCallerSaysSo) {
  auto model = build(small());
  SamplingOptions o;
  o.tokens = 10;
  const std::vector<int64_t> prompt = {3};
  const auto text = generate(*model, prompt, o);
  o.ends = {36, text[4]};
  const auto first = std::find_if(text.begin(), text.end(), [&](int64_t t) { return t == 36 || t == text[4]; });
  EXPECT_EQ(generate(*model, prompt, o), std::vector<int64_t>(text.begin(), first));
  o.ends.clear();
  EXPECT_EQ(generate(*model, prompt, o, [](int64_t) { return false; }), std::vector<int64_t>{text[0]});
}

TEST(Generate, RowsTogetherBecomeWhatEachBecomesAlone) {
  ModelOptions llama = small();
  llama.position = Position::kRotary, llama.kv_heads = 2, llama.norm = Norm::kRmsNorm, llama.window = 5;
  const std::vector<std::vector<int64_t>> prompts = {{3}, {1, 2, 3, 4, 5, 6, 7}, {36, 0}, {5, 5, 5, 9}, {8}};
  for (const auto& shape : {small(), llama}) {
    auto model = build(shape);
    for (const double temperature : {0.0, 1.0}) {
      SamplingOptions o;
      o.temperature = temperature, o.tokens = 40, o.repetition_penalty = 1.2;  // longer than the model's sequence
      auto second = o;
      ++second.seed;
      o.ends = {generate(*model, prompts[1], second)[17]};
      std::vector<std::vector<int64_t>> texts(prompts.size());
      std::vector<size_t> ended;
      RowEvents events;
      events.on_token = [&](size_t row, int64_t token) { return texts[row].push_back(token), true; };
      events.on_end = [&](size_t row) { ended.push_back(row); };
      generate(*model, prompts, o, 3, events);
      for (size_t row = 0; row < prompts.size(); ++row, ++o.seed)
        EXPECT_EQ(texts[row], generate(*model, prompts[row], o)) << row;
      EXPECT_LT(texts[1].size(), 40u);
      std::sort(ended.begin(), ended.end());
      EXPECT_EQ(ended, (std::vector<size_t>{0, 1, 2, 3, 4}));
    }
  }
}

TEST(Generate, WithAWindowAndACacheEqualsWithoutACache) {
  ModelOptions shape = small();
  shape.position = Position::kRotary, shape.window = 4;
  auto model = build(shape);
  SamplingOptions o;
  o.temperature = 0.0, o.tokens = shape.sequence - 7;
  std::vector<int64_t> text = {5, 6, 7, 8, 9, 10, 11};  // longer than the window
  for (const int64_t token : generate(*model, text, o)) {
    data::Batch batch;
    batch.tensors["tokens"] = at::tensor(text, at::kLong).unsqueeze(0);
    const at::Tensor all = model->outputs(batch).at("logits")[0];
    EXPECT_EQ(all[-1].argmax().item<int64_t>(), token) << "after " << text.size();
    text.push_back(token);
  }
}

TEST(PenalizeRepetition, DividesWhatIsPositiveAndMultipliesWhatIsNot) {
  std::vector<float> logits = {1.0f, -1.0f, 3.0f, -3.0f};
  penalize_repetition(logits, {true, true, false, false}, 2.0);
  EXPECT_EQ(logits, (std::vector<float>{0.5f, -2.0f, 3.0f, -3.0f}));
}

TEST(Generate, PenalizesWhatPromptAndTextHold) {
  auto model = build(small());
  SamplingOptions o;
  o.temperature = 0.0, o.tokens = small().sequence - 2, o.repetition_penalty = 1e6;
  const std::vector<int64_t> prompt = {3, 4};
  const auto text = generate(*model, prompt, o);  // so strong that no token comes twice while positive logits are left
  std::vector<int64_t> all(prompt);
  all.insert(all.end(), text.begin(), text.end());
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end());
}

TEST(Generate, RefusesWhatMakesNoSense) {
  auto model = build(small());
  const std::vector<int64_t> none, good = {1}, foreign = {37};
  EXPECT_THROW(generate(*model, none, {}), Error);
  EXPECT_THROW(generate(*model, foreign, {}), Error);
  EXPECT_THROW(generate(*model, good, options(-1.0)), Error);
  EXPECT_THROW(generate(*model, good, options(1.0, -1)), Error);
  EXPECT_THROW(generate(*model, good, options(1.0, 0, 0.0)), Error);
  SamplingOptions penalty;
  penalty.repetition_penalty = 0.0;
  EXPECT_THROW(generate(*model, good, penalty), Error);
  SamplingOptions zero;
  zero.tokens = 0;
  EXPECT_TRUE(generate(*model, good, zero).empty());
}

}  // namespace bessemer::models
