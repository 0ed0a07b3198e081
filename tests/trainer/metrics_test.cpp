#include "trainer/metrics.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "tests/support/temporary_directory.h"

namespace bessemer::trainer {
namespace {

std::string line(const std::string& name, decltype(Metric::value) value) {
  return to_json(std::vector<Metric>{{name, value}});
}

TEST(Metrics, NamesAreWrittenAsJsonText) { EXPECT_EQ(line("set", std::string("a\"b")), R"({"set":"a\"b"})"); }

TEST(Metrics, NumbersComeBackBitForBit) {
  for (const double value : {0.1, 1.0 / 3, 1e300, -0.0, 5e-324, 1.0, 123456789.125, 0.1 + 0.2}) {
    const auto back = nlohmann::json::parse(line("x", value))["x"].get<double>();
    EXPECT_EQ(std::bit_cast<uint64_t>(back), std::bit_cast<uint64_t>(value)) << line("x", value);
  }
  EXPECT_EQ(line("loss", 0.1f), "{\"loss\":0.1}");
  EXPECT_EQ(line("tokens", int64_t{1} << 62), "{\"tokens\":4611686018427387904}");
  EXPECT_EQ(to_json({}), "{}");
}

TEST(Metrics, WhatIsNotFiniteIsNullWithAFlag) {
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(line("loss", std::nan("")), "{\"loss\":null,\"loss_nonfinite\":\"nan\"}");
  EXPECT_EQ(line("loss", -inf), "{\"loss\":null,\"loss_nonfinite\":\"-inf\"}");
  EXPECT_EQ(line("loss", static_cast<float>(inf)), "{\"loss\":null,\"loss_nonfinite\":\"inf\"}");
}

void write_steps(MetricsLog& log, int64_t from, int64_t to) {
  for (int64_t step = from; step <= to; ++step) log.write(std::vector<Metric>{{"step", step}, {"loss", 0.5}});
}

std::string steps(int64_t to) {
  std::string text;
  for (int64_t step = 1; step <= to; ++step) text += "{\"step\":" + std::to_string(step) + ",\"loss\":0.5}\n";
  return text;
}

TEST(Metrics, AreCutBackToTheCheckpointsStep) {
  tests::TemporaryDirectory dir;
  const auto path = dir.file("metrics.jsonl");
  {
    MetricsLog log(path, -1);
    write_steps(log, 1, 5);
    log.sync();
  }
  {
    MetricsLog log(path, 3);
    EXPECT_EQ(read_text(path), steps(3));
    write_steps(log, 4, 6);
  }
  EXPECT_EQ(read_text(path), steps(6));
  MetricsLog(path, -1);
  EXPECT_EQ(read_text(path), "");
}

TEST(Metrics, KnowWhetherTheLastStepWasEvaluated) {
  tests::TemporaryDirectory dir;
  const auto path = dir.file("metrics.jsonl");
  EXPECT_FALSE(MetricsLog(path, 2).evaluated());
  write_text_synced(
      path, steps(2) + "{\"step\":2,\"set\":\"a\",\"eval_loss\":1.5}\n{\"step\":2,\"set\":\"b\"}\n" + "{\"step\":3}\n");
  EXPECT_FALSE(MetricsLog(path, 3).evaluated());
  EXPECT_TRUE(MetricsLog(path, 2).evaluated());
  EXPECT_FALSE(MetricsLog(path, 1).evaluated());
  EXPECT_FALSE(MetricsLog(path, 1).evaluated());
}

TEST(Metrics, ATornLastLineIsDropped) {
  tests::TemporaryDirectory dir;
  const auto path = dir.file("metrics.jsonl");
  const auto whole = steps(3);
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    write_text_synced(path, whole.substr(0, size));
    MetricsLog(path, 100);
    const auto last = whole.substr(0, size).rfind('\n');
    ASSERT_EQ(read_text(path), last == std::string::npos ? "" : whole.substr(0, last + 1));
  }
}

}  // namespace
}  // namespace bessemer::trainer
