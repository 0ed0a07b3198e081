#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace bessemer::models {

class Model;

/// How the next token is chosen from the model's probabilities.
struct SamplingOptions {
  int64_t tokens = 256;      ///< at most so many new ones
  double temperature = 1.0;  ///< logits are divided by it; 0 = always the likeliest token
  int64_t top_k = 0;         ///< only among the k likeliest; 0 = all
  double top_p = 1.0;        ///< only among the likeliest that together reach this probability (Holtzman et al. 2020)
  uint64_t seed = 1337;      ///< the same seed, prompt and weights give the same text
  int64_t stop = -1;         ///< a token that ends the text (it is not returned); -1 = none
};

/// Sees each token as it is chosen; false ends the text there.
using OnToken = std::function<bool(int64_t token)>;

/// Continues `prompt`: the new tokens, without it. Collective over the model's tp: every rank draws the same.
///
/// The model sees at most `sequence` tokens: of a longer prompt the newest; and where the window is full it goes on
/// with the newest half of it, so that a long text costs the same per token as a short one. Errors: Error (64) for an
/// empty prompt, a token outside of the vocabulary, or options out of range; (65) where the model's logits are not
/// finite.
std::vector<int64_t> generate(Model& model, std::span<const int64_t> prompt, const SamplingOptions& options,
                              const OnToken& on_token = {});

/// Chooses one token: `uniform` in [0, 1) picks its place in the cumulative probabilities.
int64_t sample(std::span<const float> logits, const SamplingOptions& options, double uniform);

}  // namespace bessemer::models
