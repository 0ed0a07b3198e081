// Source: transformers 5.23, models/bert/{configuration,modeling}_bert.py.
#include <algorithm>

#include "models/pretrained/family.h"
#include "models/pretrained/fields.h"

namespace bessemer::models::pretrained {
namespace {

using Words = std::vector<std::pair<const char*, Activation>>;
const char* const kWithPairs = "BertForPreTraining";

ModelOptions options(const nlohmann::json& config) {
  const Fields f(config);
  ModelOptions o;
  o.family = models::Family::kBert;
  o.layers = f.count("num_hidden_layers"), o.hidden = f.count("hidden_size"), o.heads = f.count("num_attention_heads");
  o.kv_heads = o.heads;
  o.ffn = f.count("intermediate_size");
  o.sequence = f.count("max_position_embeddings"), o.vocab = f.count("vocab_size");
  o.segments = f.count("type_vocab_size", 2);
  o.norm_eps = f.get("layer_norm_eps", 1e-12);
  o.activation =
      f.choice("hidden_act", "gelu",
               Words{{"gelu", Activation::kGelu}, {"gelu_new", Activation::kGeluTanh}, {"relu", Activation::kRelu}});
  o.bias = true;
  o.init_std = f.get("initializer_range", 0.02);
  o.embedding_dropout = o.residual_dropout = f.get("hidden_dropout_prob", 0.1);
  o.attention_dropout = f.get("attention_probs_dropout_prob", 0.1);
  const auto classes = f.get("architectures", std::vector<std::string>());
  o.pair_head = std::find(classes.begin(), classes.end(), kWithPairs) != classes.end();
  f.only("position_embedding_type", std::string("absolute"), "another kind of positions");
  f.only("is_decoder", false, "a decoder");
  f.only("add_cross_attention", false, "cross-attention");
  f.only("tie_word_embeddings", true, "an output matrix of its own");
  return o;
}

nlohmann::ordered_json config(const ModelOptions& o) {
  return {{"architectures", {o.pair_head ? kWithPairs : "BertForMaskedLM"}},
          {"attention_probs_dropout_prob", o.attention_dropout},
          {"hidden_act", o.activation == Activation::kGelu       ? "gelu"
                         : o.activation == Activation::kGeluTanh ? "gelu_new"
                                                                 : "relu"},
          {"hidden_dropout_prob", o.residual_dropout},
          {"hidden_size", o.hidden},
          {"initializer_range", o.init_std},
          {"intermediate_size", o.ffn},
          {"layer_norm_eps", o.norm_eps},
          {"max_position_embeddings", o.sequence},
          {"model_type", "bert"},
          {"num_attention_heads", o.heads},
          {"num_hidden_layers", o.layers},
          {"tie_word_embeddings", true},
          {"type_vocab_size", o.segments},
          {"vocab_size", o.vocab}};
}

std::string obstacle(const ModelOptions& o) {
  const bool activation =
      o.activation == Activation::kGelu || o.activation == Activation::kGeluTanh || o.activation == Activation::kRelu;
  for (const std::string& one :
       {unless(o.family == models::Family::kBert, "family", "bert"),
        unless(o.norm_place == NormPlace::kPost, "norm_place", "post"),
        unless(o.position == Position::kLearned, "position", "learned"),
        unless(o.norm == Norm::kLayerNorm, "norm", "layernorm"), unless(o.bias, "bias", "yes"),
        unless(o.kv_heads == o.heads, "kv_heads", "model.heads"), unless(o.segments > 0, "segments", "at least 1"),
        unless(o.window == 0, "window", "0"), unless(!o.qk_norm, "qk_norm", "no"),
        unless(o.head_dim * o.heads == o.hidden, "head_dim", "model.hidden / model.heads"),
        unless(activation, "activation", "gelu, gelu_tanh or relu")}) {
    if (!one.empty()) return one;
  }
  return "";
}

std::vector<Place> places(const ModelOptions& o, const std::string& prefix) {
  const int64_t h = o.hidden;
  std::vector<Place> all;
  const auto table = [&](const char* ours, int64_t rows, const char* theirs) {
    all.push_back({std::string("embed.") + ours + ".weight", {rows, h}, prefix + "embeddings." + theirs + ".weight"});
  };
  const auto linear = [&](const std::string& ours, const std::string& theirs, int64_t out, int64_t in) {
    all.push_back({ours + ".weight", {out, in}, theirs + ".weight"});
    all.push_back({ours + ".bias", {out}, theirs + ".bias"});
  };
  const auto norm = [&](const std::string& ours, const std::string& theirs) {
    all.push_back({ours + ".weight", {h}, theirs + ".LayerNorm.weight"});
    all.push_back({ours + ".bias", {h}, theirs + ".LayerNorm.bias"});
  };
  table("token", o.vocab, "word_embeddings");
  table("position", o.sequence, "position_embeddings");
  table("segment", o.segments, "token_type_embeddings");
  norm("embed.norm", prefix + "embeddings");
  for (int64_t i = 0; i < o.layers; ++i) {
    const std::string ours = "h." + std::to_string(i) + ".",
                      theirs = prefix + "encoder.layer." + std::to_string(i) + ".";
    linear(ours + "attention.q", theirs + "attention.self.query", h, h);
    linear(ours + "attention.k", theirs + "attention.self.key", h, h);
    linear(ours + "attention.v", theirs + "attention.self.value", h, h);
    linear(ours + "attention.out", theirs + "attention.output.dense", h, h);
    norm(ours + "norm1", theirs + "attention.output");
    linear(ours + "mlp.up", theirs + "intermediate.dense", o.ffn, h);
    linear(ours + "mlp.down", theirs + "output.dense", h, o.ffn);
    norm(ours + "norm2", theirs + "output");
  }
  if (o.pair_head) linear("pooler", prefix + "pooler.dense", h, h);
  all.push_back({"head.bias", {o.vocab}, "cls.predictions.bias"});
  linear("head.transform", "cls.predictions.transform.dense", h, h);
  norm("head.norm", "cls.predictions.transform");
  if (o.pair_head) linear("pair", "cls.seq_relationship", 2, h);
  return all;
}

}  // namespace

Family bert() {
  return {"bert",
          "BertForMaskedLM",
          "bert.",
          options,
          config,
          obstacle,
          places,
          {{"*embeddings.position_ids", "0, 1, 2 ..., a constant"},
           {"cls.predictions.decoder.*", "tied: the model uses its token embedding and cls.predictions.bias"},
           {"*pooler.dense.*", "no head here reads it"},
           {"cls.seq_relationship.*", "architectures names no class with a head for pairs"}}};
}

}  // namespace bessemer::models::pretrained
