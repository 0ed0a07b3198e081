#pragma once
#include <cstdint>
#include <string>

namespace bessemer::models {

enum class Family { kGpt, kBert };  ///< later: transformer, vit, swin, detr, setr, image_transformer
enum class Position { kLearned, kRotary };
/// Norms at the head of each branch, or behind the sum with it; the family's own: gpt pre, bert post.
enum class NormPlace { kFamily, kPre, kPost };
enum class Norm { kLayerNorm, kRmsNorm };
enum class AttentionBias { kModel, kQkv, kAll };  ///< as ModelOptions::bias; of q, k and v alone; of the output, too
enum class Recompute { kNone, kFull };
enum class Activation { kGelu, kGeluTanh, kSwiglu, kRelu, kRelu2 };

/// [model]: the shape of the network.
struct ModelOptions {
  Family family = Family::kGpt;
  std::string preset;  ///< fills what is not given: gpt2-124m, llama-1b, shakespeare-cpu, tiny ...
  int64_t layers = 4;
  int64_t hidden = 128;   ///< h
  int64_t heads = 4;      ///< a; hidden must be a multiple
  int64_t kv_heads = 0;   ///< key-value heads (GQA); 0 = heads
  int64_t head_dim = 0;   ///< d, width of one head; 0 = hidden / heads
  int64_t ffn = 0;        ///< f; 0 = 4 hidden
  int64_t sequence = 64;  ///< s
  int64_t vocab = 0;      ///< v; 0 = the data's
  Position position = Position::kLearned;
  int64_t position_offset = 0;  ///< learned: rows of the table before that of the first position (RoBERTa's 2)
  double rope_theta = 10000.0;
  // Llama 3's scaling for longer contexts: slow pairs turn rope_factor times slower, fast ones as they did.
  double rope_factor = 1.0;  ///< 1 = none
  double rope_low = 1.0;     ///< pairs of fewer turns in rope_original positions are slow
  double rope_high = 4.0;    ///< pairs of more are fast
  int64_t rope_original = 8192;
  int64_t window = 0;    ///< a position sees itself and window - 1 before it; 0 = all
  bool qk_norm = false;  ///< RMSNorm of each head's query and key
  AttentionBias attention_bias = AttentionBias::kModel;
  Norm norm = Norm::kLayerNorm;
  NormPlace norm_place = NormPlace::kFamily;
  double norm_eps = 1e-5;
  Activation activation = Activation::kGelu;
  bool bias = false;                ///< biases in linear layers and LayerNorm
  bool tied = true;                 ///< the output projection is the token embedding
  double dropout = 0.0;             ///< default of the three below
  double embedding_dropout = -1.0;  ///< -1 = dropout
  double attention_dropout = -1.0;
  double residual_dropout = -1.0;
  Recompute recompute = Recompute::kNone;  ///< full: a block keeps its input alone and runs again in backward
  double init_std = 0.02;  ///< pre-norm residual projections: init_std / sqrt(2 layers), as GPT-2
  int64_t segments = 2;    ///< bert: segment (token type) embeddings; 0: none
  bool pair_head = false;  ///< bert: a pooler and a head that tells whether two segments belong together
};

}  // namespace bessemer::models
