// Source: transformers 5.23, models/{llama,mistral,qwen2,qwen3}/{configuration,modeling}_*.py: one network by options.
#include <algorithm>

#include "models/pretrained/family.h"
#include "models/pretrained/fields.h"

namespace bessemer::models::pretrained {
namespace {

/// transformers 5 writes rope_parameters; before, rope_theta stood at the top, and rope_scaling beside it.
void read_rope(const nlohmann::json& config, ModelOptions& o) {
  o.rope_theta = Fields(config).get("rope_theta", 10000.0);
  for (const char* name : {"rope_scaling", "rope_parameters"}) {
    if (!config.contains(name) || !config.at(name).is_object()) continue;
    const auto& given = config.at(name);
    const Fields f(given);
    o.rope_theta = f.get("rope_theta", o.rope_theta);
    const auto type = f.get<std::string>("rope_type", f.get<std::string>("type", "default"));
    BESSEMER_CHECK_DATA(type == "default" || type == "llama3", "config.json: ", name, " asks for rope_type '", type,
                        "'; known are default and llama3");
    if (type == "default") continue;
    o.rope_factor = f.get<double>("factor");
    o.rope_low = f.get<double>("low_freq_factor"), o.rope_high = f.get<double>("high_freq_factor");
    o.rope_original = f.count("original_max_position_embeddings");
  }
}

ModelOptions common(const nlohmann::json& config) {
  const Fields f(config);
  ModelOptions o;
  o.layers = f.count("num_hidden_layers"), o.hidden = f.count("hidden_size"), o.heads = f.count("num_attention_heads");
  o.kv_heads = f.count("num_key_value_heads", o.heads);
  o.head_dim = f.count("head_dim", o.hidden / o.heads);
  o.ffn = f.count("intermediate_size");
  o.sequence = f.count("max_position_embeddings"), o.vocab = f.count("vocab_size");
  o.position = Position::kRotary;
  read_rope(config, o);
  o.norm = Norm::kRmsNorm, o.norm_eps = f.get("rms_norm_eps", 1e-6);
  o.activation =
      f.choice<Activation>("hidden_act", "silu", {{"silu", Activation::kSwiglu}, {"swish", Activation::kSwiglu}});
  o.tied = f.get("tie_word_embeddings", false);
  o.attention_dropout = f.get("attention_dropout", 0.0);
  o.init_std = f.get("initializer_range", 0.02);
  return o;
}

AttentionBias bias_of(const nlohmann::json& config) {
  return Fields(config).get("attention_bias", false) ? AttentionBias::kAll : AttentionBias::kModel;
}

ModelOptions llama_options(const nlohmann::json& config) {
  ModelOptions o = common(config);
  o.attention_bias = bias_of(config);
  Fields(config).only("mlp_bias", false, "a bias of the MLP");
  return o;
}

ModelOptions mistral_options(const nlohmann::json& config) {
  ModelOptions o = common(config);
  // Absent it is the class's default; null is none.
  o.window = config.contains("sliding_window") ? Fields(config).count("sliding_window", 0x7fffffff) : 4096;
  if (o.window >= o.sequence) o.window = 0;
  return o;
}

ModelOptions qwen_options(const nlohmann::json& config) {
  Fields(config).only("use_sliding_window", false, "a window in some of the layers");
  return common(config);
}

ModelOptions qwen2_options(const nlohmann::json& config) {
  ModelOptions o = qwen_options(config);
  o.attention_bias = AttentionBias::kQkv;
  return o;
}

ModelOptions qwen3_options(const nlohmann::json& config) {
  ModelOptions o = qwen_options(config);
  o.attention_bias = bias_of(config), o.qk_norm = true;
  return o;
}

nlohmann::ordered_json common_config(const ModelOptions& o, const char* type) {
  nlohmann::ordered_json config{{"attention_dropout", o.attention_dropout},
                                {"head_dim", o.head_dim},
                                {"hidden_act", "silu"},
                                {"hidden_size", o.hidden},
                                {"initializer_range", o.init_std},
                                {"intermediate_size", o.ffn},
                                {"max_position_embeddings", o.sequence},
                                {"model_type", type},
                                {"num_attention_heads", o.heads},
                                {"num_hidden_layers", o.layers},
                                {"num_key_value_heads", o.kv_heads},
                                {"rms_norm_eps", o.norm_eps},
                                {"rope_theta", o.rope_theta},  // where every version of transformers finds it
                                {"tie_word_embeddings", o.tied},
                                {"vocab_size", o.vocab}};
  if (o.rope_factor != 1.0) {
    config["rope_scaling"] = {{"factor", o.rope_factor},
                              {"high_freq_factor", o.rope_high},
                              {"low_freq_factor", o.rope_low},
                              {"original_max_position_embeddings", o.rope_original},
                              {"rope_type", "llama3"}};
  }
  return config;
}

nlohmann::ordered_json llama_config(const ModelOptions& o) {
  auto config = common_config(o, "llama");
  config["attention_bias"] = o.attention_bias == AttentionBias::kAll, config["mlp_bias"] = false;
  return config;
}

nlohmann::ordered_json mistral_config(const ModelOptions& o) {
  auto config = common_config(o, "mistral");
  config["sliding_window"] = o.window;
  return config;
}

nlohmann::ordered_json qwen2_config(const ModelOptions& o) { return common_config(o, "qwen2"); }

nlohmann::ordered_json qwen3_config(const ModelOptions& o) {
  auto config = common_config(o, "qwen3");
  config["attention_bias"] = o.attention_bias == AttentionBias::kAll;
  return config;
}

std::string first_of(std::initializer_list<std::string> sentences) {
  const auto* found = std::find_if(sentences.begin(), sentences.end(), [](const auto& s) { return !s.empty(); });
  return found == sentences.end() ? "" : *found;
}

std::string common_obstacle(const ModelOptions& o) {
  return first_of({unless(o.family == models::Family::kGpt, "family", "gpt"),
                   unless(o.position == Position::kRotary, "position", "rotary"),
                   unless(o.norm == Norm::kRmsNorm, "norm", "rmsnorm"), unless(!o.bias, "bias", "no"),
                   unless(o.activation == Activation::kSwiglu, "activation", "swiglu")});
}

std::string llama_obstacle(const ModelOptions& o) {
  return first_of({common_obstacle(o), unless(o.window == 0, "window", "0"), unless(!o.qk_norm, "qk_norm", "no"),
                   unless(o.attention_bias != AttentionBias::kQkv, "attention_bias", "model or all")});
}

std::string mistral_obstacle(const ModelOptions& o) {
  return first_of({common_obstacle(o), unless(o.window > 0, "window", "above 0"), unless(!o.qk_norm, "qk_norm", "no"),
                   unless(o.attention_bias == AttentionBias::kModel, "attention_bias", "model")});
}

std::string qwen2_obstacle(const ModelOptions& o) {
  return first_of({common_obstacle(o), unless(o.window == 0, "window", "0"), unless(!o.qk_norm, "qk_norm", "no"),
                   unless(o.head_dim * o.heads == o.hidden, "head_dim", "model.hidden / model.heads"),
                   unless(o.attention_bias == AttentionBias::kQkv, "attention_bias", "qkv")});
}

std::string qwen3_obstacle(const ModelOptions& o) {
  return first_of({common_obstacle(o), unless(o.window == 0, "window", "0"), unless(o.qk_norm, "qk_norm", "yes"),
                   unless(o.attention_bias != AttentionBias::kQkv, "attention_bias", "model or all")});
}

std::vector<Place> places(const ModelOptions& o, const std::string& prefix) {
  const int64_t h = o.hidden, q = o.heads * o.head_dim, kv = o.kv_heads * o.head_dim;
  std::vector<Place> all{{"embed.token.weight", {o.vocab, h}, prefix + "embed_tokens.weight"}};
  for (int64_t i = 0; i < o.layers; ++i) {
    const std::string ours = "h." + std::to_string(i) + ".", theirs = prefix + "layers." + std::to_string(i) + ".";
    const auto add = [&](const char* to, std::vector<int64_t> shape, const char* from, bool bias = false) {
      if (bias) all.push_back({ours + to + ".bias", {shape[0]}, theirs + from + ".bias"});
      all.push_back({ours + to + ".weight", std::move(shape), theirs + from + ".weight"});
    };
    const bool bias = o.attention_bias != AttentionBias::kModel;
    add("norm1", {h}, "input_layernorm");
    add("attention.q", {q, h}, "self_attn.q_proj", bias);
    add("attention.k", {kv, h}, "self_attn.k_proj", bias);
    add("attention.v", {kv, h}, "self_attn.v_proj", bias);
    add("attention.out", {h, q}, "self_attn.o_proj", o.attention_bias == AttentionBias::kAll);
    if (o.qk_norm) {
      add("attention.q_norm", {o.head_dim}, "self_attn.q_norm");
      add("attention.k_norm", {o.head_dim}, "self_attn.k_norm");
    }
    add("norm2", {h}, "post_attention_layernorm");
    add("mlp.gate", {o.ffn, h}, "mlp.gate_proj");
    add("mlp.up", {o.ffn, h}, "mlp.up_proj");
    add("mlp.down", {h, o.ffn}, "mlp.down_proj");
  }
  all.push_back({"norm.weight", {h}, prefix + "norm.weight"});
  if (!o.tied) all.push_back({"head.weight", {o.vocab, h}, "lm_head.weight"});
  return all;
}

Family family(const char* type, const char* architecture, ModelOptions (*options)(const nlohmann::json&),
              nlohmann::ordered_json (*config)(const ModelOptions&), std::string (*obstacle)(const ModelOptions&)) {
  return {type,
          architecture,
          "model.",
          options,
          config,
          obstacle,
          places,
          {{"*rotary_emb.inv_freq", "angles of the positions, computed from rope_theta"},
           {"lm_head.weight", "tied: the model uses its token embedding"}}};
}

}  // namespace

Family llama() { return family("llama", "LlamaForCausalLM", llama_options, llama_config, llama_obstacle); }
Family mistral() { return family("mistral", "MistralForCausalLM", mistral_options, mistral_config, mistral_obstacle); }
Family qwen2() { return family("qwen2", "Qwen2ForCausalLM", qwen2_options, qwen2_config, qwen2_obstacle); }
Family qwen3() { return family("qwen3", "Qwen3ForCausalLM", qwen3_options, qwen3_config, qwen3_obstacle); }

}  // namespace bessemer::models::pretrained
