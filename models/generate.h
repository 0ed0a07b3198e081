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
  /// A logit of a token that prompt or text hold already is divided by it where positive, else multiplied (Keskar et
  /// al. 2019, as Hugging Face's RepetitionPenaltyLogitsProcessor); 1 = off.
  double repetition_penalty = 1.0;
  uint64_t seed = 1337;       ///< the same seed, prompt and weights give the same text
  bool prefix = false;        ///< all of a prompt sees all of it: the model learned so (data.objective = prefix)
  std::vector<int64_t> ends;  ///< tokens that end the text (they are not returned)
};

/// Sees each token as it is chosen; false ends the text there.
using OnToken = std::function<bool(int64_t token)>;

/// Continues `prompt`: the new tokens, without it. Collective over the model's tp: every rank draws the same, and
/// `on_token` must answer alike on all.
///
/// The model sees at most `sequence` tokens: of a longer prompt the newest; and where they are full it goes on with the
/// newest half of them, so that a long text costs the same per token as a short one. Errors: Error (64) for an empty
/// prompt, a token outside of the vocabulary, or options out of range; (65) where the model's logits are not finite.
std::vector<int64_t> generate(Model& model, std::span<const int64_t> prompt, const SamplingOptions& options,
                              const OnToken& on_token = {});

/// What is told of the texts of several prompts; `row` is the prompt's number.
struct RowEvents {
  std::function<bool(std::size_t row, int64_t token)> on_token;  ///< as OnToken
  std::function<void(std::size_t row)> on_end;                   ///< the row's text is complete
};

/// Continues several prompts, up to `together` at a time; where one ends, the next takes its place. Each becomes what
/// it becomes alone with the same options and a seed greater by its number, up to the last bits of the logits (a
/// product of many rows may be rounded otherwise than that of one). Errors: as above, before the first token.
void generate(Model& model, std::span<const std::vector<int64_t>> prompts, const SamplingOptions& options,
              int64_t together, const RowEvents& events);

/// Chooses one token: `uniform` in [0, 1) picks its place in the cumulative probabilities.
int64_t sample(std::span<const float> logits, const SamplingOptions& options, double uniform);

/// \param seen  by token: whether prompt or text hold it. `logits` are changed; the same length.
void penalize_repetition(std::span<float> logits, const std::vector<bool>& seen, double penalty);

}  // namespace bessemer::models
