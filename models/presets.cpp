#include "models/presets.h"

#include <functional>
#include <map>

#include "parallel/error.h"

namespace bessemer::models {

namespace {

/// Source: Radford et al. 2019, table 2, and the released checkpoints (biases, tanh GELU, vocabulary 50,257). Their
/// dropout of 0.1 is left at 0, as nanoGPT pretrains.
ModelOptions gpt2(int64_t layers, int64_t hidden, int64_t heads) {
  ModelOptions o;
  o.layers = layers, o.hidden = hidden, o.heads = heads;
  o.sequence = 1024, o.vocab = 50257;
  o.activation = Activation::kGeluTanh;
  o.bias = true;
  return o;
}

/// The shape of Llama 3.2 1B (its rope scaling for longer contexts left out).
ModelOptions llama_1b() {
  ModelOptions o;
  o.layers = 16, o.hidden = 2048, o.heads = 32, o.kv_heads = 8, o.ffn = 8192;
  o.sequence = 2048, o.vocab = 128256;
  o.position = Position::kRotary, o.rope_theta = 500000.0;
  o.norm = Norm::kRmsNorm;
  o.activation = Activation::kSwiglu;
  return o;
}

/// nanoGPT's config/train_shakespeare_char.py, as its README runs it on a CPU, and on a GPU.
ModelOptions shakespeare(int64_t layers, int64_t hidden, int64_t heads, int64_t sequence, double dropout) {
  ModelOptions o;
  o.layers = layers, o.hidden = hidden, o.heads = heads, o.sequence = sequence, o.dropout = dropout;
  return o;
}

/// Devlin et al. 2019, section 3, and the released uncased checkpoints; the smallest is
/// google/bert_uncased_L-2_H-128_A-2.
ModelOptions bert(int64_t layers, int64_t hidden, int64_t heads) {
  ModelOptions o;
  o.family = Family::kBert;
  o.layers = layers, o.hidden = hidden, o.heads = heads;
  o.sequence = 512, o.vocab = 30522;
  o.norm_eps = 1e-12;
  o.bias = true, o.dropout = 0.1;
  return o;
}

/// Liu et al. 2019: no sentence pairs, one segment, a byte-level vocabulary, a table of 514 positions of which the
/// first two are no position's.
ModelOptions roberta_base() {
  ModelOptions o = bert(12, 768, 12);
  o.vocab = 50265, o.norm_eps = 1e-5, o.segments = 1, o.position_offset = 2;
  return o;
}

ModelOptions tiny() {
  ModelOptions o;
  o.layers = 2, o.hidden = 64, o.heads = 4, o.sequence = 32;
  return o;
}

const std::map<std::string, std::function<ModelOptions()>>& presets() {
  static const std::map<std::string, std::function<ModelOptions()>> all = {
      {"gpt2-124m", [] { return gpt2(12, 768, 12); }},
      {"gpt2-350m", [] { return gpt2(24, 1024, 16); }},
      {"gpt2-774m", [] { return gpt2(36, 1280, 20); }},
      {"gpt2-1.5b", [] { return gpt2(48, 1600, 25); }},
      {"llama-1b", llama_1b},
      {"shakespeare-cpu", [] { return shakespeare(4, 128, 4, 64, 0.0); }},
      {"shakespeare-gpu", [] { return shakespeare(6, 384, 6, 256, 0.2); }},
      {"bert-tiny", [] { return bert(2, 128, 2); }},
      {"bert-base", [] { return bert(12, 768, 12); }},
      {"bert-large", [] { return bert(24, 1024, 16); }},
      {"roberta-base", roberta_base},
      {"tiny", tiny},
  };
  return all;
}

/// Collects sentences; `unless(good, parts...)` adds one where the condition does not hold.
struct Problems {
  std::vector<std::string> found;
  template <class... Parts>
  bool unless(bool good, const Parts&... parts) {
    if (!good) found.push_back(concat(parts...));
    return good;
  }
};

bool check_sizes(const ModelOptions& o, Problems& p) {
  bool good = true;
  const auto positive = [&](const char* name, int64_t value) {
    good &= p.unless(value >= 1, "model.", name, " is ", value, "; choose at least 1");
  };
  positive("layers", o.layers);
  positive("hidden", o.hidden);
  positive("heads", o.heads);
  positive("kv_heads", o.kv_heads);
  positive("ffn", o.ffn);
  positive("sequence", o.sequence);
  p.unless(o.vocab >= 0, "model.vocab is ", o.vocab, "; choose at least 1, or 0 for the data's own");
  return good;
}

void check_heads(const ModelOptions& o, Problems& p) {
  p.unless(o.heads % o.kv_heads == 0, "model.heads ", o.heads, " is no multiple of model.kv_heads ", o.kv_heads,
           "; choose a divisor of ", o.heads, " (or 0: as many as heads)");
  if (!p.unless(o.head_dim > 0, "model.hidden ", o.hidden, " cannot be split over model.heads ", o.heads,
                "; choose a multiple of ", o.heads, ", for example ", (o.hidden / o.heads + 1) * o.heads,
                ", or give model.head_dim")) {
    return;
  }
  p.unless(o.position != Position::kRotary || o.head_dim % 2 == 0, "rotary positions turn pairs, but model.hidden ",
           o.hidden, " / model.heads ", o.heads, " or model.head_dim gives heads of odd width ", o.head_dim,
           "; choose an even width per head, or model.position=learned");
}

void check_numbers(const ModelOptions& o, Problems& p) {
  const auto probability = [&](const char* name, double value) {
    p.unless(value >= 0.0 && value < 1.0, "model.", name, " is ", value, "; choose from 0 (off) to below 1");
  };
  probability("embedding_dropout", o.embedding_dropout);
  probability("attention_dropout", o.attention_dropout);
  probability("residual_dropout", o.residual_dropout);
  p.unless(o.init_std > 0.0 && o.init_std < 10.0, "model.init_std is ", o.init_std,
           "; choose above 0, for example 0.02");
  p.unless(o.norm_eps > 0.0 && o.norm_eps < 1.0, "model.norm_eps is ", o.norm_eps,
           "; choose above 0, for example 1e-5");
  p.unless(o.rope_theta > 1.0, "model.rope_theta is ", o.rope_theta, "; choose above 1, for example 10000");
  p.unless(o.rope_factor >= 1.0, "model.rope_factor is ", o.rope_factor, "; choose at least 1 (off)");
  p.unless(o.rope_low < o.rope_high, "model.rope_low ", o.rope_low, " is not below model.rope_high ", o.rope_high);
}

void check_family(const ModelOptions& o, Problems& p) {
  if (o.family == Family::kGpt) {
    p.unless(o.norm_place == NormPlace::kPre, "model.norm_place is post, but a gpt is built pre-norm; leave it out");
    p.unless(!o.pair_head, "model.pair_head is a bert's; leave it out");
    p.unless(o.position_offset == 0, "model.position_offset is a bert's; leave it out");
  } else {
    p.unless(o.tied, "model.tied is no, but a bert's output matrix is its token embedding; leave it out");
    p.unless(o.window == 0, "model.window is ", o.window, ", but every position of a bert sees all; leave it out");
    p.unless(o.position_offset >= 0, "model.position_offset is ", o.position_offset, "; choose 0, or RoBERTa's 2");
    p.unless(o.position == Position::kLearned || o.position_offset == 0, "model.position_offset ", o.position_offset,
             " is of a table of learned positions; leave it out, or choose model.position=learned");
    p.unless(o.segments >= 0, "model.segments is ", o.segments, "; choose 2, or 0 for none");
    p.unless(!o.pair_head || o.segments >= 2, "model.pair_head needs model.segments of at least 2, not ", o.segments);
  }
}

void check_split(const ModelOptions& o, int64_t tp, bool sequence_parallel, Problems& p) {
  const auto split = [&](const char* name, int64_t value) {
    p.unless(value % tp == 0, "model.", name, " ", value, " cannot be split over parallel.tp ", tp,
             "; choose a tp that divides ", value);
  };
  split("heads", o.heads);
  if (o.kv_heads != o.heads) split("kv_heads", o.kv_heads);
  split("ffn", o.ffn);
  p.unless(!sequence_parallel || o.sequence % tp == 0, "model.sequence ", o.sequence,
           " cannot be split over parallel.tp ", tp, ", as parallel.sequence_parallel asks; choose a multiple of ", tp,
           ", or parallel.sequence_parallel=false");
}

}  // namespace

const std::vector<std::string>& preset_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const auto& [name, make] : presets()) list.push_back(name);
    return list;
  }();
  return names;
}

ModelOptions preset(const std::string& name) {
  const auto found = presets().find(name);
  if (found == presets().end()) {
    std::string all;
    for (const auto& each : preset_names()) all += (all.empty() ? "" : ", ") + each;
    const std::string near = nearest(name, preset_names());
    fail(ExitCode::kUsage, "model.preset ", name, " is unknown", near.empty() ? "" : "; did you mean " + near + "?",
         " There are: ", all);
  }
  ModelOptions options = found->second();
  options.preset = name;
  return options;
}

ModelOptions resolve(ModelOptions o) {
  if (o.kv_heads == 0) o.kv_heads = o.heads;
  if (o.head_dim == 0 && o.heads > 0 && o.hidden % o.heads == 0) o.head_dim = o.hidden / o.heads;
  if (o.ffn == 0) o.ffn = 4 * o.hidden;
  if (o.norm_place == NormPlace::kFamily) o.norm_place = o.family == Family::kBert ? NormPlace::kPost : NormPlace::kPre;
  for (double* p : {&o.embedding_dropout, &o.attention_dropout, &o.residual_dropout}) {
    if (*p == -1.0) *p = o.dropout;
  }
  return o;
}

std::vector<std::string> problems(const ModelOptions& options, int64_t tp, bool sequence_parallel) {
  const ModelOptions o = resolve(options);
  Problems p;
  const bool sizes = check_sizes(o, p);
  const bool ranks = p.unless(tp >= 1, "parallel.tp is ", tp, "; choose at least 1");
  if (sizes) check_heads(o, p);
  check_numbers(o, p);
  check_family(o, p);
  if (sizes && ranks) check_split(o, tp, sequence_parallel, p);
  return p.found;
}

}  // namespace bessemer::models
