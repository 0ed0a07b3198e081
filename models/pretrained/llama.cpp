// Source: transformers 5.23, models/llama/{configuration,modeling}_llama.py.
#include "models/pretrained/family.h"
#include "models/pretrained/fields.h"

namespace bessemer::models::pretrained {
namespace {

/// transformers 5 writes rope_parameters; before, rope_theta stood at the top, and rope_scaling beside it.
double rope_theta(const nlohmann::json& config) {
  const nlohmann::json none = nlohmann::json::object();
  for (const char* name : {"rope_parameters", "rope_scaling"}) {
    const auto& given = config.contains(name) && config.at(name).is_object() ? config.at(name) : none;
    const std::string type = given.value("rope_type", given.value("type", "default"));
    BESSEMER_CHECK_DATA(type == "default", "config.json: ", name, " asks for rope_type '", type,
                        "', and positions that are scaled are not known here");
    if (given.contains("rope_theta")) return Fields(given).get<double>("rope_theta");
  }
  return Fields(config).get("rope_theta", 10000.0);
}

ModelOptions options(const nlohmann::json& config) {
  const Fields f(config);
  ModelOptions o;
  o.layers = f.count("num_hidden_layers"), o.hidden = f.count("hidden_size"), o.heads = f.count("num_attention_heads");
  o.kv_heads = f.count("num_key_value_heads", o.heads);
  o.ffn = f.count("intermediate_size");
  o.sequence = f.count("max_position_embeddings"), o.vocab = f.count("vocab_size");
  o.position = Position::kRotary, o.rope_theta = rope_theta(config);
  o.norm = Norm::kRmsNorm, o.norm_eps = f.get("rms_norm_eps", 1e-6);
  o.activation =
      f.choice<Activation>("hidden_act", "silu", {{"silu", Activation::kSwiglu}, {"swish", Activation::kSwiglu}});
  o.tied = f.get("tie_word_embeddings", false);
  o.attention_dropout = f.get("attention_dropout", 0.0);
  o.init_std = f.get("initializer_range", 0.02);
  f.only("attention_bias", false, "a bias of attention alone");
  f.only("mlp_bias", false, "a bias of the MLP alone");
  const int64_t width = f.count("head_dim", o.hidden / o.heads);
  BESSEMER_CHECK_DATA(width * o.heads == o.hidden, "config.json: head_dim is ", width, ", not hidden_size ", o.hidden,
                      " / num_attention_heads ", o.heads, "; heads of another width are not known here");
  return o;
}

nlohmann::ordered_json config(const ModelOptions& o) {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"attention_bias", false},
          {"attention_dropout", o.attention_dropout},
          {"head_dim", o.hidden / o.heads},
          {"hidden_act", "silu"},
          {"hidden_size", o.hidden},
          {"initializer_range", o.init_std},
          {"intermediate_size", o.ffn},
          {"max_position_embeddings", o.sequence},
          {"mlp_bias", false},
          {"model_type", "llama"},
          {"num_attention_heads", o.heads},
          {"num_hidden_layers", o.layers},
          {"num_key_value_heads", o.kv_heads},
          {"rms_norm_eps", o.norm_eps},
          {"rope_theta", o.rope_theta},  // where every version of transformers finds it
          {"tie_word_embeddings", o.tied},
          {"vocab_size", o.vocab}};
}

std::string obstacle(const ModelOptions& o) {
  for (const std::string& one : {unless(o.family == models::Family::kGpt, "family", "gpt"),
                                 unless(o.position == Position::kRotary, "position", "rotary"),
                                 unless(o.norm == Norm::kRmsNorm, "norm", "rmsnorm"), unless(!o.bias, "bias", "no"),
                                 unless(o.activation == Activation::kSwiglu, "activation", "swiglu")}) {
    if (!one.empty()) return one;
  }
  return "";
}

std::vector<Place> places(const ModelOptions& o, const std::string& prefix) {
  const int64_t h = o.hidden, kv = o.kv_heads * (h / o.heads);
  std::vector<Place> all{{"embed.token.weight", {o.vocab, h}, prefix + "embed_tokens.weight"}};
  for (int64_t i = 0; i < o.layers; ++i) {
    const std::string ours = "h." + std::to_string(i) + ".", theirs = prefix + "layers." + std::to_string(i) + ".";
    const auto add = [&](const char* to, std::vector<int64_t> shape, const char* from) {
      all.push_back({ours + to + ".weight", std::move(shape), theirs + from + ".weight"});
    };
    add("norm1", {h}, "input_layernorm");
    add("attention.q", {h, h}, "self_attn.q_proj");
    add("attention.k", {kv, h}, "self_attn.k_proj");
    add("attention.v", {kv, h}, "self_attn.v_proj");
    add("attention.out", {h, h}, "self_attn.o_proj");
    add("norm2", {h}, "post_attention_layernorm");
    add("mlp.gate", {o.ffn, h}, "mlp.gate_proj");
    add("mlp.up", {o.ffn, h}, "mlp.up_proj");
    add("mlp.down", {h, o.ffn}, "mlp.down_proj");
  }
  all.push_back({"norm.weight", {h}, prefix + "norm.weight"});
  if (!o.tied) all.push_back({"head.weight", {o.vocab, h}, "lm_head.weight"});
  return all;
}

}  // namespace

Family llama() {
  return {"llama",
          "LlamaForCausalLM",
          "model.",
          options,
          config,
          obstacle,
          places,
          {{"*rotary_emb.inv_freq", "angles of the positions, computed from rope_theta"},
           {"lm_head.weight", "tied: the model uses its token embedding"}}};
}

}  // namespace bessemer::models::pretrained
