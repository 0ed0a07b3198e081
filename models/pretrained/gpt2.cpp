// Source: transformers 5.23, models/gpt2/{configuration,modeling}_gpt2.py.
#include "models/pretrained/family.h"
#include "models/pretrained/fields.h"

namespace bessemer::models::pretrained {
namespace {

using Words = std::vector<std::pair<const char*, Activation>>;

ModelOptions options(const nlohmann::json& config) {
  const Fields f(config);
  ModelOptions o;
  o.layers = f.count("n_layer"), o.hidden = f.count("n_embd"), o.heads = f.count("n_head");
  o.kv_heads = o.heads;
  o.ffn = f.count("n_inner", 4 * o.hidden);
  o.sequence = f.count("n_positions"), o.vocab = f.count("vocab_size");
  o.norm_eps = f.get("layer_norm_epsilon", 1e-5);
  o.activation = f.choice("activation_function", "gelu_new",
                          Words{{"gelu_new", Activation::kGeluTanh},
                                {"gelu_pytorch_tanh", Activation::kGeluTanh},
                                {"gelu", Activation::kGelu},
                                {"relu", Activation::kRelu}});
  o.bias = true;
  o.tied = f.get("tie_word_embeddings", true);
  o.init_std = f.get("initializer_range", 0.02);
  o.embedding_dropout = f.get("embd_pdrop", 0.1), o.attention_dropout = f.get("attn_pdrop", 0.1);
  o.residual_dropout = f.get("resid_pdrop", 0.1);
  f.only("scale_attn_weights", true, "attention without its scale");
  f.only("scale_attn_by_inverse_layer_idx", false, "a scale of attention that depends on the layer");
  f.only("add_cross_attention", false, "cross-attention");
  return o;
}

nlohmann::ordered_json config(const ModelOptions& o) {
  return {{"activation_function", o.activation == Activation::kGeluTanh ? "gelu_new"
                                  : o.activation == Activation::kGelu   ? "gelu"
                                                                        : "relu"},
          {"attn_pdrop", o.attention_dropout},
          {"embd_pdrop", o.embedding_dropout},
          {"initializer_range", o.init_std},
          {"layer_norm_epsilon", o.norm_eps},
          {"model_type", "gpt2"},
          {"n_ctx", o.sequence},
          {"n_embd", o.hidden},
          {"n_head", o.heads},
          {"n_inner", o.ffn},
          {"n_layer", o.layers},
          {"n_positions", o.sequence},
          {"resid_pdrop", o.residual_dropout},
          {"tie_word_embeddings", o.tied},
          {"vocab_size", o.vocab}};
}

std::string obstacle(const ModelOptions& o) {
  const bool activation =
      o.activation == Activation::kGeluTanh || o.activation == Activation::kGelu || o.activation == Activation::kRelu;
  for (const std::string& one :
       {unless(o.family == models::Family::kGpt, "family", "gpt"),
        unless(o.position == Position::kLearned, "position", "learned"),
        unless(o.norm == Norm::kLayerNorm, "norm", "layernorm"),
        unless(o.kv_heads == o.heads, "kv_heads", "model.heads"), unless(o.window == 0, "window", "0"),
        unless(o.head_dim * o.heads == o.hidden, "head_dim", "model.hidden / model.heads"),
        unless(!o.qk_norm, "qk_norm", "no"),
        unless(o.bias || o.attention_bias == AttentionBias::kModel, "attention_bias", "model"),
        unless(activation, "activation", "gelu_tanh, gelu or relu")}) {
    if (!one.empty()) return one;
  }
  return "";
}

std::vector<Place> places(const ModelOptions& o, const std::string& prefix) {
  const int64_t h = o.hidden;
  std::vector<Place> all;
  const auto bias = [&](const std::string& ours, const std::string& theirs, int64_t size, int64_t first = 0) {
    all.push_back({o.bias ? ours + ".bias" : "", {size}, theirs + ".bias", false, first});
  };
  const auto norm = [&](const std::string& ours, const std::string& theirs) {
    all.push_back({ours + ".weight", {h}, theirs + ".weight"});
    bias(ours, theirs, h);
  };
  // Conv1D: weights are [in, out], so their outputs (and q | k | v) are columns.
  const auto linear = [&](const std::string& ours, const std::string& theirs, int64_t out, int64_t in,
                          int64_t first = 0) {
    all.push_back({ours + ".weight", {out, in}, theirs + ".weight", true, first});
    bias(ours, theirs, out, first);
  };
  all = {{"embed.token.weight", {o.vocab, h}, prefix + "wte.weight"},
         {"embed.position.weight", {o.sequence, h}, prefix + "wpe.weight"}};
  for (int64_t i = 0; i < o.layers; ++i) {
    const std::string ours = "h." + std::to_string(i) + ".", theirs = prefix + ours;
    norm(ours + "norm1", theirs + "ln_1");
    int64_t first = 0;
    for (const char* part : {"q", "k", "v"}) {
      linear(ours + "attention." + part, theirs + "attn.c_attn", h, h, first);
      first += h;
    }
    linear(ours + "attention.out", theirs + "attn.c_proj", h, h);
    norm(ours + "norm2", theirs + "ln_2");
    linear(ours + "mlp.up", theirs + "mlp.c_fc", o.ffn, h);
    linear(ours + "mlp.down", theirs + "mlp.c_proj", h, o.ffn);
  }
  norm("norm", prefix + "ln_f");
  if (!o.tied) all.push_back({"head.weight", {o.vocab, h}, "lm_head.weight"});
  return all;
}

}  // namespace

Family gpt2() {
  return {"gpt2",
          "GPT2LMHeadModel",
          "transformer.",
          options,
          config,
          obstacle,
          places,
          {{"*h.*.attn.bias", "the causal mask, a constant"},
           {"*h.*.attn.masked_bias", "a constant of the causal mask"},
           {"lm_head.weight", "tied: the model uses its token embedding"}}};
}

}  // namespace bessemer::models::pretrained
