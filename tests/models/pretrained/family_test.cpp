#include "models/pretrained/family.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "models/presets.h"
#include "parallel/error.h"

namespace bessemer::models::pretrained {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

json gpt2_config() {
  return {{"model_type", "gpt2"}, {"n_embd", 12},     {"n_head", 3},       {"n_layer", 2},
          {"n_positions", 16},    {"vocab_size", 37}, {"n_inner", json()}, {"layer_norm_epsilon", 3e-4}};
}

json llama_config() {
  return {{"model_type", "llama"},         {"hidden_size", 24},      {"num_attention_heads", 6},
          {"num_key_value_heads", 2},      {"num_hidden_layers", 2}, {"intermediate_size", 20},
          {"max_position_embeddings", 16}, {"rms_norm_eps", 2e-4},   {"vocab_size", 37},
          {"tie_word_embeddings", false}};
}

const Place& place(const std::vector<Place>& all, const std::string& name) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const Place& p) { return p.name == name; });
  EXPECT_NE(found, all.end()) << name;
  return *found;
}

void expect_refused(const json& config, const std::string& words) {
  try {
    family_of(config, "config.json").options(config);
    ADD_FAILURE() << "was taken: " << config;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kBadData);
    EXPECT_THAT(error.what(), HasSubstr(words));
  }
}

TEST(PretrainedGpt2, ReadsItsConfig) {
  const json config = gpt2_config();
  const auto o = resolve(family_of(config, "config.json").options(config));
  EXPECT_EQ(o.hidden, 12);
  EXPECT_EQ(o.ffn, 48);  // n_inner null
  EXPECT_EQ(o.norm_eps, 3e-4);
  EXPECT_EQ(o.activation, Activation::kGeluTanh);
  EXPECT_EQ(o.residual_dropout, 0.1);  // the class's default
  EXPECT_TRUE(o.tied && o.bias);
}

TEST(PretrainedGpt2, QueriesKeysAndValuesAreColumnsOfOneTransposedTensor) {
  const json config = gpt2_config();
  const Family& family = family_of(config, "config.json");
  const auto all = family.places(resolve(family.options(config)), family.prefix);
  const Place& v = place(all, "h.1.attention.v.weight");
  EXPECT_EQ(v.tensor, "transformer.h.1.attn.c_attn.weight");
  EXPECT_TRUE(v.transposed);
  EXPECT_EQ(v.first, 24);
  EXPECT_EQ(place(all, "h.1.attention.k.bias").first, 12);
  const auto shape = [&](const std::string& name) {
    for (const auto& tensor : tensors_of(all)) {
      if (tensor.name == name) return tensor.shape;
    }
    return std::vector<int64_t>();
  };
  EXPECT_THAT(shape("transformer.h.0.attn.c_attn.weight"), ElementsAre(12, 36));
  EXPECT_THAT(shape("transformer.h.0.attn.c_attn.bias"), ElementsAre(36));
  EXPECT_THAT(shape("transformer.h.0.mlp.c_fc.weight"), ElementsAre(12, 48));
  EXPECT_EQ(tensors_of(all).size(), 2u + 2 * 12 + 2);
}

TEST(PretrainedGpt2, RefusesAnotherFunction) {
  for (const auto& [field, value] : std::vector<std::pair<const char*, json>>{{"scale_attn_by_inverse_layer_idx", true},
                                                                              {"scale_attn_weights", false},
                                                                              {"add_cross_attention", true},
                                                                              {"activation_function", "tanh"},
                                                                              {"n_layer", 0},
                                                                              {"n_head", "three"},
                                                                              {"vocab_size", json()}}) {
    json config = gpt2_config();
    config[field] = value;
    expect_refused(config, field);
  }
}

TEST(PretrainedLlama, ReadsItsConfigAndBothSpellingsOfRope) {
  json config = llama_config();
  const Family& family = family_of(config, "config.json");
  EXPECT_EQ(family.options(config).rope_theta, 10000.0);
  EXPECT_EQ(family.options(config).kv_heads, 2);
  config["rope_theta"] = 500000;
  EXPECT_EQ(family.options(config).rope_theta, 500000.0);
  config["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 1234.5}};
  EXPECT_EQ(family.options(config).rope_theta, 1234.5);
  config["rope_parameters"] = {{"rope_type", "yarn"}, {"rope_theta", 1234.5}};
  expect_refused(config, "yarn");
  config = llama_config();
  config["rope_scaling"] = {{"type", "linear"}, {"factor", 2.0}};
  expect_refused(config, "linear");
  config = llama_config();
  config["hidden_act"] = "gelu";
  expect_refused(config, "hidden_act");
}

TEST(Pretrained, EveryFamilyReadsTheConfigItWrites) {
  ModelOptions gpt2 = preset("gpt2-124m"), llama = preset("llama-1b");
  gpt2.norm_eps = 3e-4, llama.rope_theta = 1234.5, llama.tied = false;
  ModelOptions scaled = llama, mistral = llama, qwen2 = llama, qwen3 = llama;
  scaled.rope_factor = 8.0, scaled.rope_high = 5.0, scaled.attention_bias = AttentionBias::kAll;
  mistral.window = 11;
  qwen2.attention_bias = AttentionBias::kQkv;
  qwen3.qk_norm = true, qwen3.head_dim = 96;
  for (const auto& options : {resolve(gpt2), resolve(llama), resolve(scaled), resolve(mistral), resolve(qwen2),
                              resolve(qwen3), resolve(preset("bert-base")), resolve(preset("roberta-base"))}) {
    const Family& family = family_for(options);
    const json config = family.config(options);
    const auto again = resolve(family_of(config, "again").options(config));
    EXPECT_EQ(again.hidden, options.hidden);
    EXPECT_EQ(again.kv_heads, options.kv_heads);
    EXPECT_EQ(again.ffn, options.ffn);
    EXPECT_EQ(again.norm_eps, options.norm_eps);
    EXPECT_EQ(again.rope_theta, options.rope_theta);
    EXPECT_EQ(again.tied, options.tied);
    EXPECT_EQ(again.head_dim, options.head_dim);
    EXPECT_EQ(again.window, options.window);
    EXPECT_EQ(again.position_offset, options.position_offset);
    EXPECT_EQ(again.sequence, options.sequence);
    EXPECT_EQ(again.qk_norm, options.qk_norm);
    EXPECT_EQ(again.attention_bias, options.attention_bias);
    EXPECT_EQ(again.rope_factor, options.rope_factor);
    EXPECT_EQ(again.rope_high, options.rope_factor == 1.0 ? 4.0 : options.rope_high);
    EXPECT_EQ(again.activation, options.activation);
    EXPECT_EQ(config.at("model_type"), family.model_type);
  }
}

TEST(Pretrained, AShapeThatNoClassHoldsIsRefusedWithTheReasons) {
  ModelOptions options = preset("llama-1b");
  options.norm = Norm::kLayerNorm;
  try {
    family_for(resolve(options));
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("GPT2LMHeadModel: model.position is not learned"),
                                             HasSubstr("LlamaForCausalLM: model.norm is not rmsnorm")));
  }
  expect_refused({{"model_type", "mamba"}}, "known are gpt2, llama, mistral, qwen2, qwen3, bert, roberta");
}

TEST(Pretrained, BiasesThatAModelHasNotAreZeroInTheFile) {
  const auto all = gpt2().places(resolve(preset("tiny")), "transformer.");
  const auto nameless = std::count_if(all.begin(), all.end(), [](const Place& p) { return p.name.empty(); });
  EXPECT_EQ(nameless, 2 * 8 + 1);
  std::set<std::string> names;
  for (const auto& p : all) EXPECT_TRUE(p.name.empty() || names.insert(p.name).second) << p.name;
}

}  // namespace
}  // namespace bessemer::models::pretrained
