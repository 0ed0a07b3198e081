#include "models/generate.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "models/model.h"
#include "parallel/error.h"
#include "parallel/random.h"

namespace bessemer::models {

namespace {

void check(const SamplingOptions& o, std::span<const int64_t> prompt, int64_t vocab) {
  BESSEMER_CHECK(!prompt.empty(), "the prompt is empty; give at least one token");
  for (const int64_t token : prompt) {
    BESSEMER_CHECK(token >= 0 && token < vocab, "the prompt holds token ", token, ", the model's vocabulary has ",
                   vocab, "; use the tokenizer that the model was trained with");
  }
  BESSEMER_CHECK(o.tokens >= 0, "tokens is ", o.tokens, "; choose at least 0");
  BESSEMER_CHECK(o.temperature >= 0.0 && std::isfinite(o.temperature), "temperature is ", o.temperature,
                 "; choose 0 (the likeliest token) or more");
  BESSEMER_CHECK(o.top_k >= 0, "top-k is ", o.top_k, "; choose at least 1, or 0 for all tokens");
  BESSEMER_CHECK(o.top_p > 0.0 && o.top_p <= 1.0, "top-p is ", o.top_p, "; choose above 0, at most 1");
}

/// The tokens that top-k and top-p leave, in an order that does not depend on the sort.
std::vector<int64_t> candidates(std::span<const float> logits, const SamplingOptions& o) {
  std::vector<int64_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto n = static_cast<int64_t>(ids.size());
  const int64_t k = o.top_k > 0 ? std::min(o.top_k, n) : n;
  if (k == n && o.top_p >= 1.0) return ids;
  const auto likelier = [&](int64_t a, int64_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; };
  std::partial_sort(ids.begin(), ids.begin() + k, ids.end(), likelier);
  ids.resize(static_cast<size_t>(k));
  if (o.top_p >= 1.0) return ids;
  std::vector<double> weights;
  for (const int64_t id : ids) weights.push_back(std::exp((logits[id] - logits[ids[0]]) / o.temperature));
  const double enough = o.top_p * std::accumulate(weights.begin(), weights.end(), 0.0);
  size_t kept = 0;
  for (double sum = 0.0; kept < ids.size() && sum < enough; ++kept) sum += weights[kept];
  ids.resize(std::max<size_t>(kept, 1));
  return ids;
}

/// What the model has seen, and the cache that remembers it.
class Window {
 public:
  Window(Model& model, std::span<const int64_t> prompt)
      : model_(model), capacity_(model.options().sequence), pending_(newest(prompt, capacity_)) {
    cache_ = model_.make_cache(1, capacity_);
  }
  std::vector<float> next_logits() {
    const at::Tensor tokens = at::tensor(pending_, at::kLong).unsqueeze(0).to(device());
    const at::Tensor logits = model_.next_logits(tokens, *cache_).to(at::kCPU).contiguous();
    seen_.insert(seen_.end(), pending_.begin(), pending_.end());
    pending_.clear();
    return {logits.const_data_ptr<float>(), logits.const_data_ptr<float>() + logits.numel()};
  }
  void append(int64_t token) {
    pending_ = {token};
    if (static_cast<int64_t>(seen_.size()) < capacity_) return;
    seen_.push_back(token);
    pending_ = newest(seen_, std::max<int64_t>(capacity_ / 2, 1));
    seen_.clear();
    cache_ = model_.make_cache(1, capacity_);
  }

 private:
  static std::vector<int64_t> newest(std::span<const int64_t> tokens, int64_t n) {
    const auto kept = tokens.last(std::min(tokens.size(), static_cast<size_t>(n)));
    return {kept.begin(), kept.end()};
  }
  at::Device device() { return model_.parameters().front()->value.device(); }

  Model& model_;
  int64_t capacity_;
  std::vector<int64_t> seen_;     ///< in the cache
  std::vector<int64_t> pending_;  ///< not yet
  std::unique_ptr<Cache> cache_;
};

}  // namespace

int64_t sample(std::span<const float> logits, const SamplingOptions& o, double uniform) {
  const auto top = std::max_element(logits.begin(), logits.end());
  const bool finite = std::all_of(logits.begin(), logits.end(), [](float x) { return std::isfinite(x); });
  BESSEMER_CHECK_DATA(!logits.empty() && finite,
                      "the model's logits are not finite: its weights are damaged, "
                      "or training diverged; choose an earlier checkpoint");
  if (o.temperature == 0.0) return top - logits.begin();
  const auto ids = candidates(logits, o);
  std::vector<double> cumulative;
  double sum = 0.0;
  for (const int64_t id : ids) cumulative.push_back(sum += std::exp((logits[id] - *top) / o.temperature));
  const auto chosen = std::upper_bound(cumulative.begin(), cumulative.end(), uniform * sum);
  return ids[std::min<size_t>(chosen - cumulative.begin(), ids.size() - 1)];
}

std::vector<int64_t> generate(Model& model, std::span<const int64_t> prompt, const SamplingOptions& options,
                              const OnToken& on_token) {
  check(options, prompt, model.options().vocab);
  const uint64_t key = parallel::stream_key(options.seed, "generate");
  std::vector<int64_t> text;
  Window window(model, prompt);
  while (static_cast<int64_t>(text.size()) < options.tokens) {
    float uniform = 0.0f;
    parallel::fill_uniform(key, text.size(), {&uniform, 1});
    const int64_t token = sample(window.next_logits(), options, uniform);
    if (token == options.stop) break;
    text.push_back(token);
    if (on_token && !on_token(token)) break;
    if (static_cast<int64_t>(text.size()) < options.tokens) window.append(token);
  }
  return text;
}

}  // namespace bessemer::models
