#pragma once
#include <cmath>
#include <limits>

#include "models/ops/attention.h"
#include "tests/models/ops/compare.h"

namespace bessemer::models::ops {

struct AttentionCase {
  int64_t queries, keys, b, heads, kv_heads, d;
};

/// Head by head, query by query, the definition.
inline at::Tensor attention_reference(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool causal,
                                      const at::Tensor& starts = {}, const at::Tensor& ends = {}) {
  std::vector<at::Tensor> heads;
  for (int64_t a = 0; a < q.size(2); ++a) {
    const int64_t kv = a / (q.size(2) / k.size(2));
    const auto qa = q.select(2, a).transpose(0, 1), ka = k.select(2, kv).transpose(0, 1),
               va = v.select(2, kv).transpose(0, 1);
    auto scores = at::bmm(qa, ka.transpose(1, 2)) / std::sqrt(static_cast<double>(q.size(3)));  // [b, s_q, s_k]
    if (causal) {
      const auto i = at::arange(q.size(0)).unsqueeze(1), j = at::arange(k.size(0)).unsqueeze(0);
      auto hidden = j > i + (k.size(0) - q.size(0));
      if (ends.defined()) hidden = hidden.logical_and(j >= ends.unsqueeze(2));
      scores = scores.masked_fill(hidden, -std::numeric_limits<double>::infinity());
    }
    if (starts.defined())
      scores =
          scores.masked_fill(starts.unsqueeze(2).ne(starts.unsqueeze(1)), -std::numeric_limits<double>::infinity());
    heads.push_back(at::bmm(at::softmax(scores, -1), va));
  }
  return at::stack(heads, 2).transpose(0, 1).flatten(2);
}

inline void attention_matches_reference(at::Device device) {
  at::manual_seed(12);
  const AttentionCase cases[]{{1, 1, 1, 1, 1, 8}, {5, 5, 2, 3, 3, 8},   {64, 64, 2, 4, 4, 32},  {7, 7, 2, 6, 2, 16},
                              {1, 9, 2, 4, 1, 8}, {3, 10, 1, 2, 2, 24}, {130, 130, 1, 2, 1, 64}};
  for (auto dtype : dtypes()) {
    for (bool causal : {true, false}) {
      for (const auto& c : cases) {
        expect_matches([&](const auto& x) { return attention(x[0], x[1], x[2], {causal}); },
                       [&](const auto& x) { return attention_reference(x[0], x[1], x[2], causal); },
                       {random({c.queries, c.b, c.heads, c.d}), random({c.keys, c.b, c.kv_heads, c.d}),
                        random({c.keys, c.b, c.kv_heads, c.d})},
                       dtype, device);
      }
    }
  }
}

inline void packed_attention_matches_reference(at::Device device) {
  at::manual_seed(13);
  const AttentionCase cases[]{{1, 1, 1, 1, 1, 8},    {5, 5, 2, 3, 3, 8},    {64, 64, 3, 4, 4, 32},
                              {17, 17, 2, 6, 2, 16}, {33, 33, 2, 4, 1, 10}, {130, 130, 1, 2, 1, 64},
                              {64, 64, 2, 2, 2, 128}};
  for (auto dtype : dtypes()) {
    for (bool causal : {true, false}) {
      for (const auto& c : cases) {
        const auto parts = [&](const at::Tensor& x) {
          return x.view({c.queries, c.b, c.heads + 2 * c.kv_heads, c.d})
              .split_with_sizes({c.heads, c.kv_heads, c.kv_heads}, 2);
        };
        expect_matches([&](const auto& x) { return packed_attention(x[0], c.heads, c.kv_heads, {causal}); },
                       [&](const auto& x) {
                         const auto p = parts(x[0]);
                         return attention_reference(p[0], p[1], p[2], causal);
                       },
                       {random({c.queries, c.b, (c.heads + 2 * c.kv_heads) * c.d})}, dtype, device);
      }
    }
  }
}

/// Rows of documents of random lengths, one of a single token and one across the kernel's blocks among them.
inline at::Tensor random_starts(int64_t b, int64_t s) {
  auto starts = at::zeros({b, s}, at::kLong);
  for (int64_t row = 0; row < b; ++row) {
    int64_t begin = 0;
    for (int64_t i = 0; i < s; ++i) {
      if (i == 1 || at::randint(0, 20, {1}).item<int64_t>() == 0) begin = i;
      starts[row][i] = begin;
    }
  }
  return starts;
}

inline void packed_attention_keeps_documents_apart(at::Device device) {
  at::manual_seed(16);
  const AttentionCase cases[]{{1, 1, 1, 1, 1, 8}, {5, 5, 2, 3, 3, 8}, {130, 130, 3, 2, 1, 16}, {64, 64, 2, 4, 4, 32}};
  for (auto dtype : dtypes()) {
    for (bool causal : {true, false}) {
      for (const auto& c : cases) {
        const auto starts = random_starts(c.b, c.queries);
        expect_matches(
            [&](const auto& x) {
              return packed_attention(x[0], c.heads, c.kv_heads, {causal, starts.to(x[0].device())});
            },
            [&](const auto& x) {
              const auto p = x[0].view({c.queries, c.b, c.heads + 2 * c.kv_heads, c.d})
                                 .split_with_sizes({c.heads, c.kv_heads, c.kv_heads}, 2);
              return attention_reference(p[0], p[1], p[2], causal, starts.to(x[0].device()));
            },
            {random({c.queries, c.b, (c.heads + 2 * c.kv_heads) * c.d})}, dtype, device);
      }
    }
  }
}

/// For each document of each row where a prefix of it ends.
inline at::Tensor random_ends(const at::Tensor& starts) {
  auto ends = at::zeros_like(starts);
  for (int64_t row = 0; row < starts.size(0); ++row) {
    const int64_t s = starts.size(1);
    for (int64_t begin = 0, end = 0; begin < s; begin = end) {
      for (end = begin; end < s && starts[row][end].equal(starts[row][begin]);) ++end;
      ends[row].narrow(0, begin, end - begin).fill_(begin + at::randint(0, end - begin + 1, {1}).item<int64_t>());
    }
  }
  return ends;
}

inline void packed_attention_sees_prefixes(at::Device device) {
  at::manual_seed(18);
  const AttentionCase cases[]{{1, 1, 1, 1, 1, 8}, {5, 5, 2, 3, 3, 8}, {130, 130, 3, 2, 1, 16}, {64, 64, 2, 4, 4, 32}};
  for (auto dtype : dtypes()) {
    for (bool documents : {true, false}) {
      for (const auto& c : cases) {
        const auto drawn = documents ? random_starts(c.b, c.queries) : at::zeros({c.b, c.queries}, at::kLong);
        const auto starts = documents ? drawn.to(device) : at::Tensor(), ends = random_ends(drawn).to(device);
        expect_matches(
            [&](const auto& x) {
              return packed_attention(x[0], c.heads, c.kv_heads, {true, starts, ends});
            },
            [&](const auto& x) {
              const auto p = x[0].view({c.queries, c.b, c.heads + 2 * c.kv_heads, c.d})
                                 .split_with_sizes({c.heads, c.kv_heads, c.kv_heads}, 2);
              return attention_reference(p[0], p[1], p[2], true, starts, ends);
            },
            {random({c.queries, c.b, (c.heads + 2 * c.kv_heads) * c.d})}, dtype, device);
      }
    }
  }
}

}  // namespace bessemer::models::ops
