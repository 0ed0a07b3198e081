#include "trainer/grown_weights.h"

#include <algorithm>

#include "parallel/error.h"

namespace bessemer::trainer {
namespace {

int64_t width_of(const std::vector<int64_t>& shape) {
  int64_t width = 1;
  for (std::size_t i = 1; i < shape.size(); ++i) width *= shape[i];
  return width;
}

}  // namespace

GrownWeights::GrownWeights(const WeightSource& source, int64_t vocab) : source_(source), old_vocab_(vocab) {
  for (const char* name : {"embed.token.weight", "head.weight", "head.bias"}) {
    if (!source.has_weight(name)) continue;
    auto shape = source.weight_shape(name);
    old_vocab_ = shape.at(0);
    BESSEMER_CHECK(old_vocab_ <= vocab, "model.vocab ", vocab, " is smaller than the vocabulary of ", source.path(),
                   ", ", old_vocab_, "; leave it at 0, or choose at least ", old_vocab_);
    if (old_vocab_ == vocab) continue;
    shape[0] = vocab;
    shapes_[name] = std::move(shape);
  }
}

const std::vector<int64_t>& GrownWeights::weight_shape(const std::string& name) const {
  const auto grown = shapes_.find(name);
  return grown == shapes_.end() ? source_.weight_shape(name) : grown->second;
}

const std::vector<float>& GrownWeights::mean_row(const std::string& name) const {
  auto& mean = means_[name];
  if (!mean.empty()) return mean;
  const int64_t width = width_of(source_.weight_shape(name)), step = std::max<int64_t>(1, (1 << 20) / width);
  std::vector<double> sum(static_cast<std::size_t>(width));
  std::vector<float> rows;
  for (int64_t row = 0; row < old_vocab_; row += step) {
    const int64_t n = std::min(step, old_vocab_ - row);
    rows.resize(static_cast<std::size_t>(n * width));
    source_.read_weight(name, 0, 0, old_vocab_, row * width, n * width, rows.data());
    for (std::size_t i = 0; i < rows.size(); ++i) sum[i % sum.size()] += static_cast<double>(rows[i]);
  }
  for (const double s : sum) mean.push_back(static_cast<float>(s / static_cast<double>(old_vocab_)));
  return mean;
}

void GrownWeights::read_weight(const std::string& name, int64_t dim, int64_t begin, int64_t end, int64_t first,
                               int64_t count, float* out) const {
  if (!shapes_.contains(name)) return source_.read_weight(name, dim, begin, end, first, count, out);
  const bool by_rows = dim == 0;
  const int64_t width = by_rows ? width_of(source_.weight_shape(name)) : end - begin;
  const int64_t old_rows = by_rows ? std::max<int64_t>(0, old_vocab_ - begin) : old_vocab_;  // in the slice and beyond
  const int64_t old = std::clamp<int64_t>(old_rows * width - first, 0, count);
  if (old > 0) source_.read_weight(name, dim, begin, by_rows ? std::min(end, old_vocab_) : end, first, old, out);
  if (old == count) return;
  const auto& mean = mean_row(name);
  for (int64_t i = old; i < count; ++i)
    out[i] = mean[static_cast<std::size_t>((by_rows ? 0 : begin) + (first + i) % width)];
}

}  // namespace bessemer::trainer
