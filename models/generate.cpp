#include "models/generate.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <numeric>

#include "models/model.h"
#include "parallel/error.h"
#include "parallel/random.h"

namespace bessemer::models {

namespace {

void check(const SamplingOptions& o) {
  BESSEMER_CHECK(o.tokens >= 0, "tokens is ", o.tokens, "; choose at least 0");
  BESSEMER_CHECK(o.temperature >= 0.0 && std::isfinite(o.temperature), "temperature is ", o.temperature,
                 "; choose 0 (the likeliest token) or more");
  BESSEMER_CHECK(o.top_k >= 0, "top-k is ", o.top_k, "; choose at least 1, or 0 for all tokens");
  BESSEMER_CHECK(o.top_p > 0.0 && o.top_p <= 1.0, "top-p is ", o.top_p, "; choose above 0, at most 1");
  BESSEMER_CHECK(o.repetition_penalty >= 0.01 && o.repetition_penalty <= 1e9, "repetition-penalty is ",
                 o.repetition_penalty, "; choose 1 (off) or more, for example 1.2");
}

void check(std::span<const int64_t> prompt, int64_t vocab) {
  BESSEMER_CHECK(!prompt.empty(), "the prompt is empty; give at least one token");
  for (const int64_t token : prompt) {
    BESSEMER_CHECK(token >= 0 && token < vocab, "the prompt holds token ", token, ", the model's vocabulary has ",
                   vocab, "; use the tokenizer that the model was trained with");
  }
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

/// One text: what the model has seen of it, what is still to be shown, and the cache that remembers.
class Row {
 public:
  Row(Model& model, std::span<const int64_t> prompt, const SamplingOptions& options, uint64_t seed)
      : model_(&model), options_(&options), capacity_(model.options().sequence), pending_(newest(prompt, capacity_)),
        cache_(new_cache()), key_(parallel::stream_key(seed, "generate")) {
    if (options.repetition_penalty == 1.0) return;
    held_.resize(static_cast<size_t>(model.options().vocab));
    for (const int64_t token : prompt) held_[static_cast<size_t>(token)] = true;
  }
  const std::vector<int64_t>& pending() const { return pending_; }
  Cache* cache() const { return cache_.get(); }
  bool full() const { return length_ >= options_->tokens; }

  /// \param logits  of what follows `pending`, changed
  int64_t choose(std::span<float> logits) {
    seen_.insert(seen_.end(), pending_.begin(), pending_.end());
    pending_.clear();
    if (!held_.empty()) penalize_repetition(logits, held_, options_->repetition_penalty);
    float uniform = 0.0f;
    parallel::fill_uniform(key_, static_cast<uint64_t>(length_), {&uniform, 1});
    return sample(logits, *options_, uniform);
  }
  void append(int64_t token) {
    ++length_;
    if (!held_.empty()) held_[static_cast<size_t>(token)] = true;
    pending_ = {token};
    if (full() || static_cast<int64_t>(seen_.size()) < capacity_) return;
    seen_.push_back(token);
    pending_ = newest(seen_, std::max<int64_t>(capacity_ / 2, 1));
    seen_.clear();
    cache_ = new_cache();
  }

 private:
  std::unique_ptr<Cache> new_cache() const {
    auto cache = model_->make_cache(capacity_);
    cache->prefix = options_->prefix;
    return cache;
  }
  static std::vector<int64_t> newest(std::span<const int64_t> tokens, int64_t n) {
    const auto kept = tokens.last(std::min(tokens.size(), static_cast<size_t>(n)));
    return {kept.begin(), kept.end()};
  }

  Model* model_;
  const SamplingOptions* options_;
  int64_t capacity_, length_ = 0;  ///< of the model's sequence; of the new text
  std::vector<int64_t> seen_;      ///< in the cache
  std::vector<int64_t> pending_;   ///< not yet
  std::vector<bool> held_;         ///< by token, where repetition is penalized
  std::unique_ptr<Cache> cache_;
  uint64_t key_;
};

/// fp32 [b, v] on the host: of rows with equally many pending tokens.
at::Tensor next_logits(Model& model, const std::vector<Row*>& rows) {
  std::vector<int64_t> tokens;
  std::vector<Cache*> caches;
  for (const Row* row : rows) {
    tokens.insert(tokens.end(), row->pending().begin(), row->pending().end());
    caches.push_back(row->cache());
  }
  const at::Device device = model.parameters().front()->value.device();
  const at::Tensor ids = at::tensor(tokens, at::kLong).view({static_cast<int64_t>(rows.size()), -1}).to(device);
  return model.next_logits(ids, caches).to(at::kCPU).contiguous();
}

/// The rows that are shown to the model in one call: those that go on by one token together, others each alone, so that
/// a prompt is read as it is alone.
std::vector<std::vector<Row*>> calls(std::map<size_t, Row>& rows) {
  std::vector<std::vector<Row*>> all(1);
  for (auto& [number, row] : rows) {
    if (row.pending().size() == 1)
      all.front().push_back(&row);
    else
      all.push_back({&row});
  }
  if (all.front().empty()) all.erase(all.begin());
  return all;
}

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

void penalize_repetition(std::span<float> logits, const std::vector<bool>& seen, double penalty) {
  const auto p = static_cast<float>(penalty);
  for (size_t id = 0; id < logits.size(); ++id) {
    if (seen[id]) logits[id] = logits[id] < 0.0f ? logits[id] * p : logits[id] / p;
  }
}

void generate(Model& model, std::span<const std::vector<int64_t>> prompts, const SamplingOptions& options,
              int64_t together, const RowEvents& events) {
  check(options);
  BESSEMER_CHECK(together >= 1, "batch is ", together, "; choose at least 1");
  for (const auto& prompt : prompts) check(prompt, model.options().vocab);
  std::map<size_t, Row> rows;  // by the prompt's number
  size_t next = 0;
  const auto ends = [&](size_t number, Row& row, int64_t token) {
    if (std::find(options.ends.begin(), options.ends.end(), token) != options.ends.end()) return true;
    row.append(token);
    return (events.on_token && !events.on_token(number, token)) || row.full();
  };
  while (next < prompts.size() || !rows.empty()) {
    for (; next < prompts.size() && static_cast<int64_t>(rows.size()) < together; ++next) {
      if (options.tokens > 0)
        rows.try_emplace(next, model, prompts[next], options, options.seed + next);
      else if (events.on_end)
        events.on_end(next);
    }
    std::map<const Row*, int64_t> chosen;
    for (const auto& call : calls(rows)) {
      const at::Tensor logits = next_logits(model, call);
      for (size_t i = 0; i < call.size(); ++i) {
        const at::Tensor own = logits[static_cast<int64_t>(i)];
        chosen[call[i]] = call[i]->choose({own.mutable_data_ptr<float>(), static_cast<size_t>(own.numel())});
      }
    }
    for (auto at = rows.begin(); at != rows.end();) {
      const size_t number = at->first;
      const bool ended = ends(number, at->second, chosen.at(&at->second));
      at = ended ? rows.erase(at) : std::next(at);
      if (ended && events.on_end) events.on_end(number);
    }
  }
}

std::vector<int64_t> generate(Model& model, std::span<const int64_t> prompt, const SamplingOptions& options,
                              const OnToken& on_token) {
  const std::vector<std::vector<int64_t>> one{{prompt.begin(), prompt.end()}};
  std::vector<int64_t> text;
  RowEvents events;
  events.on_token = [&](std::size_t, int64_t token) {
    text.push_back(token);
    return !on_token || on_token(token);
  };
  generate(model, one, options, 1, events);
  return text;
}

}  // namespace bessemer::models
