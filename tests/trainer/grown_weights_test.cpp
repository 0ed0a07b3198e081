#include "trainer/grown_weights.h"

#include <gmock/gmock.h>

#include "parallel/error.h"

namespace bessemer::trainer {
namespace {

using testing::ElementsAre;

/// Tables whose element [i, j] is 10 i + j; asked for no more than they have.
class Tables final : public WeightSource {
 public:
  const std::string& path() const override { return path_; }
  std::vector<std::string> weights() const override { return {"embed.token.weight", "head.bias", "norm.weight"}; }
  bool has_weight(const std::string& name) const override { return shapes_.contains(name); }
  const std::vector<int64_t>& weight_shape(const std::string& name) const override { return shapes_.at(name); }
  void read_weight(const std::string& name, int64_t dim, int64_t begin, int64_t end, int64_t first, int64_t count,
                   float* out) const override {
    const auto& shape = shapes_.at(name);
    const int64_t columns = shape.size() > 1 ? shape[1] : 1, width = dim == 0 ? columns : end - begin;
    ASSERT_LE(end, dim == 0 ? shape[0] : columns);
    ASSERT_LE(first + count, dim == 0 ? (end - begin) * columns : shape[0] * width);
    for (int64_t i = first; i < first + count; ++i)
      out[i - first] =
          static_cast<float>(10 * (i / width + (dim == 0 ? begin : 0)) + i % width + (dim == 0 ? 0 : begin));
  }

 private:
  std::string path_ = "tables";
  std::map<std::string, std::vector<int64_t>> shapes_{
      {"embed.token.weight", {3, 4}}, {"head.bias", {3}}, {"norm.weight", {3}}};
};

class Grown : public testing::Test {
 protected:
  std::vector<float> read(const std::string& name, int64_t dim, int64_t begin, int64_t end, int64_t first,
                          int64_t count) const {
    std::vector<float> out(static_cast<std::size_t>(count), -1);
    grown_.read_weight(name, dim, begin, end, first, count, out.data());
    return out;
  }
  Tables tables_;
  GrownWeights grown_{tables_, 5};
};

TEST_F(Grown, NewRowsAreTheMeanOfTheOld) {
  EXPECT_EQ(grown_.old_vocab(), 3);
  EXPECT_THAT(grown_.weight_shape("embed.token.weight"), ElementsAre(5, 4));
  EXPECT_THAT(grown_.weight_shape("norm.weight"), ElementsAre(3)) << "no table of the vocabulary";
  EXPECT_THAT(read("embed.token.weight", 0, 0, 5, 0, 20),
              ElementsAre(0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23, 10, 11, 12, 13, 10, 11, 12, 13));
  EXPECT_THAT(read("head.bias", 0, 0, 5, 0, 5), ElementsAre(0, 10, 20, 10, 10));
  EXPECT_THAT(read("norm.weight", 0, 0, 3, 0, 3), ElementsAre(0, 10, 20));
}

TEST_F(Grown, EverySliceIsThatOfTheWhole) {
  const auto whole = read("embed.token.weight", 0, 0, 5, 0, 20);
  for (int64_t begin = 0; begin < 5; ++begin) {
    for (int64_t end = begin + 1; end <= 5; ++end) {
      for (int64_t first = 0; first < (end - begin) * 4; ++first) {
        const int64_t count = std::min<int64_t>(5, (end - begin) * 4 - first), at = begin * 4 + first;
        EXPECT_EQ(read("embed.token.weight", 0, begin, end, first, count),
                  std::vector<float>(whole.begin() + at, whole.begin() + at + count))
            << begin << " " << end << " " << first;
      }
    }
  }
  EXPECT_THAT(read("embed.token.weight", 1, 1, 3, 3, 7), ElementsAre(12, 21, 22, 11, 12, 11, 12)) << "split by columns";
}

TEST(GrownWeights, OfTheSameSizeIsTheSourceAndASmallerOneIsRefused) {
  const Tables tables;
  const GrownWeights same(tables, 3);
  EXPECT_THAT(same.weight_shape("head.bias"), ElementsAre(3));
  EXPECT_THROW(GrownWeights(tables, 2), Error);
}

}  // namespace
}  // namespace bessemer::trainer
