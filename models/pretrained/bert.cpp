// Source: transformers 5.23, models/bert/{configuration,modeling}_bert.py, models/roberta/ likewise.
#include <algorithm>

#include "models/pretrained/family.h"
#include "models/pretrained/fields.h"

namespace bessemer::models::pretrained {
namespace {

using Words = std::vector<std::pair<const char*, Activation>>;
const char* const kWithPairs = "BertForPreTraining";

/// What both classes have alike: the encoder.
ModelOptions encoder_options(const Fields& f) {
  ModelOptions o;
  o.family = models::Family::kBert;
  o.layers = f.count("num_hidden_layers"), o.hidden = f.count("hidden_size"), o.heads = f.count("num_attention_heads");
  o.kv_heads = o.heads;
  o.ffn = f.count("intermediate_size");
  o.vocab = f.count("vocab_size"), o.segments = f.count("type_vocab_size", 2);
  o.norm_eps = f.get("layer_norm_eps", 1e-12);
  o.activation =
      f.choice("hidden_act", "gelu",
               Words{{"gelu", Activation::kGelu}, {"gelu_new", Activation::kGeluTanh}, {"relu", Activation::kRelu}});
  o.bias = true;
  o.init_std = f.get("initializer_range", 0.02);
  o.embedding_dropout = o.residual_dropout = f.get("hidden_dropout_prob", 0.1);
  o.attention_dropout = f.get("attention_probs_dropout_prob", 0.1);
  f.only("position_embedding_type", std::string("absolute"), "another kind of positions");
  f.only("is_decoder", false, "a decoder");
  f.only("add_cross_attention", false, "cross-attention");
  f.only("tie_word_embeddings", true, "an output matrix of its own");
  return o;
}

ModelOptions bert_options(const nlohmann::json& config) {
  const Fields f(config);
  ModelOptions o = encoder_options(f);
  o.sequence = f.count("max_position_embeddings");
  const auto classes = f.get("architectures", std::vector<std::string>());
  o.pair_head = std::find(classes.begin(), classes.end(), kWithPairs) != classes.end();
  return o;
}

/// Positions count from pad_token_id + 1 on (create_position_ids_from_input_ids).
ModelOptions roberta_options(const nlohmann::json& config) {
  const Fields f(config);
  ModelOptions o = encoder_options(f);
  const auto pad = f.get<int64_t>("pad_token_id", 1), rows = f.count("max_position_embeddings");
  BESSEMER_CHECK_DATA(pad >= 0 && rows > pad + 1, "config.json: pad_token_id is ", pad, ", max_position_embeddings ",
                      rows, "; positions begin at pad_token_id + 1 and must find room");
  o.position_offset = pad + 1, o.sequence = rows - o.position_offset;
  return o;
}

nlohmann::ordered_json config(const ModelOptions& o) {
  return {{"attention_probs_dropout_prob", o.attention_dropout},
          {"hidden_act", o.activation == Activation::kGelu       ? "gelu"
                         : o.activation == Activation::kGeluTanh ? "gelu_new"
                                                                 : "relu"},
          {"hidden_dropout_prob", o.residual_dropout},
          {"hidden_size", o.hidden},
          {"initializer_range", o.init_std},
          {"intermediate_size", o.ffn},
          {"layer_norm_eps", o.norm_eps},
          {"max_position_embeddings", o.position_offset + o.sequence},
          {"num_attention_heads", o.heads},
          {"num_hidden_layers", o.layers},
          {"tie_word_embeddings", true},
          {"type_vocab_size", o.segments},
          {"vocab_size", o.vocab}};
}

nlohmann::ordered_json bert_config(const ModelOptions& o) {
  nlohmann::ordered_json all{{"architectures", {o.pair_head ? kWithPairs : "BertForMaskedLM"}}, {"model_type", "bert"}};
  all.update(config(o));
  return all;
}

nlohmann::ordered_json roberta_config(const ModelOptions& o) {
  nlohmann::ordered_json all{{"model_type", "roberta"}, {"pad_token_id", o.position_offset - 1}};
  all.update(config(o));
  return all;
}

std::string encoder_obstacle(const ModelOptions& o) {
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

std::string bert_obstacle(const ModelOptions& o) {
  const std::string positions = unless(o.position_offset == 0, "position_offset", "0");
  return positions.empty() ? encoder_obstacle(o) : positions;
}

std::string roberta_obstacle(const ModelOptions& o) {
  for (const std::string& one :
       {encoder_obstacle(o), unless(o.position_offset > 0, "position_offset", "at least 1 (the id of padding, and 1)"),
        unless(!o.pair_head, "pair_head", "no")}) {
    if (!one.empty()) return one;
  }
  return "";
}

/// The layer `theirs`, its weight and bias.
void add_layer(const std::string& ours, const std::string& theirs, std::vector<int64_t> shape,
               std::vector<Place>& all) {
  all.push_back({ours + ".weight", shape, theirs + ".weight"});
  all.push_back({ours + ".bias", {shape[0]}, theirs + ".bias"});
}

std::vector<Place> encoder_places(const ModelOptions& o, const std::string& prefix) {
  const int64_t h = o.hidden;
  std::vector<Place> all;
  const auto table = [&](const char* ours, int64_t rows, const char* theirs) {
    all.push_back({std::string("embed.") + ours + ".weight", {rows, h}, prefix + "embeddings." + theirs + ".weight"});
  };
  const auto linear = [&](const std::string& ours, const std::string& theirs, int64_t out, int64_t in) {
    add_layer(ours, theirs, {out, in}, all);
  };
  const auto norm = [&](const std::string& ours, const std::string& theirs) {
    add_layer(ours, theirs + ".LayerNorm", {h}, all);
  };
  table("token", o.vocab, "word_embeddings");
  table("position", o.position_offset + o.sequence, "position_embeddings");
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
  return all;
}

std::vector<Place> bert_places(const ModelOptions& o, const std::string& prefix) {
  const int64_t h = o.hidden;
  auto all = encoder_places(o, prefix);
  if (o.pair_head) add_layer("pooler", prefix + "pooler.dense", {h, h}, all);
  all.push_back({"head.bias", {o.vocab}, "cls.predictions.bias"});
  add_layer("head.transform", "cls.predictions.transform.dense", {h, h}, all);
  add_layer("head.norm", "cls.predictions.transform.LayerNorm", {h}, all);
  if (o.pair_head) add_layer("pair", "cls.seq_relationship", {2, h}, all);
  return all;
}

std::vector<Place> roberta_places(const ModelOptions& o, const std::string& prefix) {
  const int64_t h = o.hidden;
  auto all = encoder_places(o, prefix);
  all.push_back({"head.bias", {o.vocab}, "lm_head.bias"});
  add_layer("head.transform", "lm_head.dense", {h, h}, all);
  add_layer("head.norm", "lm_head.layer_norm", {h}, all);
  return all;
}

}  // namespace

Family bert() {
  return {"bert",
          "BertForMaskedLM",
          "bert.",
          bert_options,
          bert_config,
          bert_obstacle,
          bert_places,
          {{"*embeddings.position_ids", "0, 1, 2 ..., a constant"},
           {"cls.predictions.decoder.*", "tied: the model uses its token embedding and cls.predictions.bias"},
           {"*pooler.dense.*", "no head here reads it"},
           {"cls.seq_relationship.*", "architectures names no class with a head for pairs"}}};
}

Family roberta() {
  return {"roberta",
          "RobertaForMaskedLM",
          "roberta.",
          roberta_options,
          roberta_config,
          roberta_obstacle,
          roberta_places,
          {{"*embeddings.position_ids", "0, 1, 2 ..., a constant"},
           {"lm_head.decoder.*", "tied: the model uses its token embedding and lm_head.bias"},
           {"*pooler.dense.*", "no head here reads it"}}};
}

}  // namespace bessemer::models::pretrained
