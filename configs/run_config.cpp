#include "configs/run_config.h"

#include <limits>
#include <utility>

#include "configs/values.h"
#include "parallel/error.h"

namespace bessemer::configs {
namespace {

constexpr auto kFixed = OnResume::kFixed;
constexpr auto kMayChange = OnResume::kMayChange;
constexpr double kNone = std::numeric_limits<double>::infinity();

struct Range {
  double least = -kNone;
  double most = kNone;
};

double within(double value, const Range& range, const std::string& text) {
  BESSEMER_CHECK(value >= range.least, "'", text, "' is too small; the least is ", real_text(range.least));
  BESSEMER_CHECK(value <= range.most, "'", text, "' is too large; the most is ", real_text(range.most));
  return value;
}

/// Collects the options, a method for each kind of value.
class List {
 public:
  std::vector<Option> options;

  void text(const char* name, std::string& field, const char* kind, OnResume on_resume, const char* doc) {
    add({name, kind, doc, on_resume, false, [&field] { return field; }, [&field](const std::string& t) { field = t; }});
  }
  /// A list of its own grammar.
  template <class T>
  void parsed(const char* name, std::vector<T>& field, const char* kind, OnResume on_resume, const char* doc,
              std::vector<T> (*read)(const std::string&), std::string (*write)(const std::vector<T>&)) {
    add({name, kind, doc, on_resume, false, [&field, write] { return write(field); },
         [&field, read](const std::string& t) {
           field = t.find_first_not_of(' ') == std::string::npos ? std::vector<T>() : read(t);
         }});
  }
  void yes_no(const char* name, bool& field, OnResume on_resume, const char* doc) {
    add({name, "yes|no", doc, on_resume, true, [&field] { return field ? "yes" : "no"; },
         [&field](const std::string& t) { field = parse_switch(t); }});
  }
  void count(const char* name, int64_t& field, int64_t least, OnResume on_resume, const char* doc) {
    add({name, "count", doc, on_resume, false, [&field] { return std::to_string(field); },
         [&field, least](const std::string& t) {
           const int64_t value = parse_count(t);
           within(static_cast<double>(value), {static_cast<double>(least)}, t);
           field = value;
         }});
  }
  void real(const char* name, double& field, Range range, OnResume on_resume, const char* doc) {
    add({name, "number", doc, on_resume, false, [&field] { return real_text(field); },
         [&field, range](const std::string& t) { field = within(parse_real(t), range, t); }});
  }
  /// A probability, or -1 for "as the default of its group".
  void share_or_default(const char* name, double& field, OnResume on_resume, const char* doc) {
    add({name, "share", doc, on_resume, false, [&field] { return real_text(field); },
         [&field](const std::string& t) { field = t == "-1" ? -1.0 : parse_fraction(t); }});
  }
  void share(const char* name, double& field, OnResume on_resume, const char* doc) {
    add({name, "share", doc, on_resume, false, [&field] { return real_text(field); },
         [&field](const std::string& t) { field = parse_fraction(t); }});
  }
  void duration(const char* name, double& field, OnResume on_resume, const char* doc) {
    add({name, "duration", doc, on_resume, false, [&field] { return real_text(field); },
         [&field](const std::string& t) { field = parse_duration(t); }});
  }
  void seed(const char* name, uint64_t& field, OnResume on_resume, const char* doc) {
    add({name, "seed", doc, on_resume, false, [&field] { return std::to_string(field); },
         [&field](const std::string& t) { field = parse_seed(t); }});
  }
  /// \param former  what earlier versions wrote, still read.
  template <class E>
  void choice(const char* name, E& field, std::vector<std::pair<std::string, E>> names, OnResume on_resume,
              const char* doc, std::vector<std::pair<std::string, E>> former = {}) {
    std::string all;
    for (const auto& [text, value] : names) all += (all.empty() ? "" : "|") + text;
    auto write = [&field, names] {
      for (const auto& [text, value] : names) {
        if (value == field) return text;
      }
      return std::string("?");
    };
    auto read = [&field, names, all, former](const std::string& t) {
      for (const auto& [text, value] : former) {
        if (text == t) return void(field = value);
      }
      std::vector<std::string> texts;
      for (const auto& [text, value] : names) {
        texts.push_back(text);
        if (text == t) return void(field = value);
      }
      const std::string near = nearest(t, texts);
      fail(ExitCode::kUsage, "'", t, "' is not one of ", all, near.empty() ? "" : "; did you mean " + near + "?");
    };
    add({name, all, doc, on_resume, false, write, read});
  }

 private:
  void add(Option option) { options.push_back(std::move(option)); }
};

void list(List& v, trainer::RunOptions& o) {
  v.text("run.dir", o.dir, "DIR", kMayChange, "directory of the run: metrics.jsonl, checkpoints, events");
  v.seed("run.seed", o.seed, kFixed, "seed of initial weights, order of data and dropout");
  v.text(
      "run.resume", o.resume, "auto|none|PATH", kMayChange,
      "auto: go on from the newest complete checkpoint, if any; none: refuse where one exists; or a checkpoint's path");
  v.text(
      "run.init_from", o.init_from, "PATH", kMayChange,
      "a new run's first weights, and the [model] that is not given: a checkpoint, a run (its newest), or a directory of Hugging Face's");
  v.choice<trainer::OnCorrupt>("run.on_corrupt", o.on_corrupt,
                               {{"previous", trainer::OnCorrupt::kPrevious}, {"stop", trainer::OnCorrupt::kStop}},
                               kMayChange, "the newest checkpoint is damaged: go on from the one before, or end (65)");
}

/// What is learned from rows.
void list_objective(List& v, data::DataOptions& o) {
  v.choice<data::ObjectiveKind>("data.objective", o.objective,
                                {{"causal", data::ObjectiveKind::kCausal},
                                 {"masked", data::ObjectiveKind::kMasked},
                                 {"prefix", data::ObjectiveKind::kPrefix}},
                                kFixed,
                                "each next token is predicted (gpt), or masked ones (bert), or each next one behind a "
                                "prefix of random length that all of its document sees (gpt)");
  v.share("data.mask_probability", o.mask_probability, kFixed, "masked: share of the tokens that are to be predicted");
  v.choice<data::MaskUnit>(
      "data.mask_unit", o.mask_unit,
      {{"token", data::MaskUnit::kToken}, {"word", data::MaskUnit::kWord}, {"span", data::MaskUnit::kSpan}}, kFixed,
      "masked: single tokens, whole words, or spans of 1 to 10 words");
  v.choice<data::PairKind>(
      "data.pairs", o.pairs,
      {{"none", data::PairKind::kNone},
       {"next-sentence", data::PairKind::kNextSentence},
       {"sentence-order", data::PairKind::kSentenceOrder}},
      kFixed,
      "masked: rows are [CLS] A [SEP] B [SEP], and whether B follows A (else it is of another "
      "document), or whether they stand in their order, is learned too (model.pair_head); the data "
      "needs `data build --sentences`");
  v.share("data.short_pairs", o.short_pairs, kFixed, "pairs: share of them that are of random length");
}

void list(List& v, data::DataOptions& o) {
  v.text("data.path", o.path, "DIR", kMayChange,
         "directory of token shards that `bessemer data build` made; a resume checks that they are the same tokens");
  v.parsed("data.blend", o.blend, "SHARES", kMayChange,
           "several such directories in shares: 0.7 data/web, 0.3 data/code; or 3B data/web, 1B data/code; without "
           "numbers by their sizes; each goes on where it stands when the shares change",
           data::parse_blend, data::blend_text);
  v.real("data.blend_temperature", o.blend_temperature, {1e-3, 1e6}, kMayChange,
         "shares by size are tokens ^ (1 / this): 1 as they are, above flatter");
  v.parsed(
      "data.validation", o.validation, "SETS", kMayChange,
      "validation sets by name: web=data/web, code=data/code (their val splits); empty: of data.path or data.blend",
      data::parse_named_paths, data::named_paths_text);
  list_objective(v, o);
  v.count("data.ahead", o.ahead, 1, kMayChange, "steps that are read before they are needed");
  v.choice<data::Mode>(
      "data.mode", o.mode,
      {{"stream", data::Mode::kStream}, {"packed", data::Mode::kPacked}, {"padded", data::Mode::kPadded}}, kFixed,
      "rows are windows over all documents, whole documents side by side, or a document each");
  v.yes_no("data.document_mask", o.document_mask, kFixed,
           "stream: attention and positions begin anew with each document, as they always do in the other modes");
  v.yes_no(
      "data.group_by_length", o.group_by_length, kFixed,
      "padded: the documents of a global batch are about as long as each other, and no row is longer than they are");
  v.choice<data::BlockCheck>(
      "data.verify", o.verify,
      {{"touch", data::BlockCheck::kTouch}, {"all", data::BlockCheck::kAll}, {"off", data::BlockCheck::kOff}},
      kMayChange, "check a block's checksum when it is first read, at every read, or never",
      {{"no", data::BlockCheck::kTouch}, {"yes", data::BlockCheck::kAll}});
  v.text(
      "data.fetch", o.fetch, "COMMAND", kMayChange,
      "copies a file of a remote source (s3://bucket/web): a shell command with {src} and {dst}, which need no quotes, "
      "for example aws s3 cp {src} {dst}");
  v.text("data.cache", o.cache, "DIR", kMayChange,
         "where copies of remote shards are kept, for all processes of a host; empty: bessemer/shards in "
         "$XDG_CACHE_HOME or ~/.cache");
  v.real("data.cache_gb", o.cache_gb, {0}, kMayChange,
         "most that data.cache may hold, 10^9 bytes; the shards that were used least recently go first");
  v.duration("data.fetch_timeout", o.fetch_timeout, kMayChange,
             "a data.fetch that copies nothing for so long is ended, and tried again");
}

void list(List& v, models::ModelOptions& o) {
  using namespace models;
  v.choice<Family>("model.family", o.family, {{"gpt", Family::kGpt}, {"bert", Family::kBert}}, kFixed,
                   "kind of network");
  v.text("model.preset", o.preset, "NAME", kMayChange,
         "fills every [model] option that is not given, for example gpt2-124m, llama-1b, shakespeare-cpu, tiny");
  v.count("model.layers", o.layers, 1, kFixed, "blocks");
  v.count("model.hidden", o.hidden, 1, kFixed, "width of the residual stream; a multiple of model.heads");
  v.count("model.heads", o.heads, 1, kFixed, "attention heads");
  v.count("model.kv_heads", o.kv_heads, 0, kFixed, "key-value heads (grouped-query attention); 0: as model.heads");
  v.count("model.head_dim", o.head_dim, 0, kFixed, "width of one head; 0: model.hidden / model.heads");
  v.count("model.ffn", o.ffn, 0, kFixed, "width of the feed-forward part; 0: 4 x model.hidden");
  v.count("model.sequence", o.sequence, 1, kFixed, "tokens per sequence");
  v.count("model.vocab", o.vocab, 0, kFixed, "size of the vocabulary; 0: that of the data");
  v.choice<Position>("model.position", o.position, {{"learned", Position::kLearned}, {"rotary", Position::kRotary}},
                     kFixed, "how positions enter");
  v.count("model.position_offset", o.position_offset, 0, kFixed,
          "rows of the learned table before the first position's (RoBERTa: 2)");
  v.real("model.rope_theta", o.rope_theta, {1}, kFixed, "base of the rotary frequencies");
  v.real("model.rope_factor", o.rope_factor, {1}, kFixed, "slow rotary pairs turn so much slower (Llama 3); 1: off");
  v.real("model.rope_low", o.rope_low, {0}, kFixed, "slow: fewer turns than this in model.rope_original positions");
  v.real("model.rope_high", o.rope_high, {0}, kFixed, "fast, and left alone: more turns than this");
  v.count("model.rope_original", o.rope_original, 1, kFixed, "context that the rotary frequencies were made for");
  v.count("model.window", o.window, 0, kFixed, "positions that a query sees, its own included; 0: all before it");
  v.yes_no("model.qk_norm", o.qk_norm, kFixed, "RMSNorm of each head's query and key");
  v.choice<Norm>("model.norm", o.norm, {{"layernorm", Norm::kLayerNorm}, {"rmsnorm", Norm::kRmsNorm}}, kFixed,
                 "normalization");
  v.choice<NormPlace>("model.norm_place", o.norm_place,
                      {{"family", NormPlace::kFamily}, {"pre", NormPlace::kPre}, {"post", NormPlace::kPost}}, kFixed,
                      "norms before each branch or behind its sum; family: gpt pre, bert post");
  v.real("model.norm_eps", o.norm_eps, {0}, kFixed, "added to the variance in a norm");
  v.choice<Activation>("model.activation", o.activation,
                       {{"gelu", Activation::kGelu},
                        {"gelu_tanh", Activation::kGeluTanh},
                        {"swiglu", Activation::kSwiglu},
                        {"relu", Activation::kRelu},
                        {"relu2", Activation::kRelu2}},
                       kFixed, "of the feed-forward part");
  v.yes_no("model.bias", o.bias, kFixed, "biases in linear layers and LayerNorm");
  v.choice<AttentionBias>(
      "model.attention_bias", o.attention_bias,
      {{"model", AttentionBias::kModel}, {"qkv", AttentionBias::kQkv}, {"all", AttentionBias::kAll}}, kFixed,
      "biases of attention: as model.bias; of q, k and v; of its output, too");
  v.yes_no("model.tied", o.tied, kFixed, "the output projection is the token embedding");
  v.count("model.segments", o.segments, 0, kFixed, "bert: segment embeddings (token types); 0: none");
  v.yes_no("model.pair_head", o.pair_head, kFixed, "bert: a head that tells whether two segments belong together");
  v.share("model.dropout", o.dropout, kFixed, "probability; default of the three below");
  v.share_or_default("model.embedding_dropout", o.embedding_dropout, kFixed, "probability; -1: as model.dropout");
  v.share_or_default("model.attention_dropout", o.attention_dropout, kFixed, "probability; -1: as model.dropout");
  v.share_or_default("model.residual_dropout", o.residual_dropout, kFixed, "probability; -1: as model.dropout");
  v.choice<Recompute>("model.recompute", o.recompute, {{"none", Recompute::kNone}, {"full", Recompute::kFull}},
                      kMayChange,
                      "full: a layer keeps its input alone and runs again in backward; less memory, the same bits");
  v.real("model.init_std", o.init_std, {0}, kFixed,
         "standard deviation of initial weights; residual projections: / sqrt(2 x layers)");
}

void list(List& v, parallel::ParallelOptions& o) {
  using namespace parallel;
  v.count("parallel.dp", o.dp, 0, kMayChange, "data-parallel size; 0: ranks / parallel.tp");
  v.count("parallel.tp", o.tp, 1, kMayChange, "tensor-parallel size");
  v.yes_no("parallel.sequence_parallel", o.sequence_parallel, kMayChange,
           "split norms and dropout along the sequence over tp");
  v.yes_no("parallel.zero", o.zero, kMayChange, "ZeRO-1: split the optimizer's state over dp");
  v.count("parallel.virtual_dp", o.virtual_dp, 0, kFixed,
          "the same bits on every dp that divides it, a power of two; 0: off");
  v.choice<BackendKind>("parallel.backend", o.backend,
                        {{"auto", BackendKind::kAuto},
                         {"mpi", BackendKind::kMpi},
                         {"shm", BackendKind::kShm},
                         {"nccl", BackendKind::kNccl}},
                        kMayChange, "what carries sums between ranks");
  v.choice<DeviceKind>("parallel.device", o.device,
                       {{"auto", DeviceKind::kAuto}, {"cpu", DeviceKind::kCpu}, {"cuda", DeviceKind::kCuda}},
                       kMayChange, "where tensors live; auto: a GPU where this binary and machine have one");
  v.count("parallel.threads", o.threads, 0, kMayChange,
          "compute threads per rank; 0: usable cores / ranks on this host");
  v.count("parallel.bucket_mb", o.bucket_mb, 1, kMayChange, "size of a gradient bucket, MiB");
  v.yes_no("parallel.deterministic", o.deterministic, kMayChange,
           "on GPUs: same run, same bits; no: faster attention (GPT-2 on an H200: 7 to 16 % more tokens/s)");
  v.yes_no("parallel.share_gpu", o.share_gpu, kMayChange,
           "several ranks on one GPU: only to try NCCL on a machine that has one");
}

void list(List& v, trainer::TrainOptions& o) {
  using trainer::Precision;
  v.count("train.steps", o.steps, 1, kMayChange, "optimizer updates in all");
  v.count("train.tokens", o.tokens, 0, kMayChange, "stop after so many tokens; 0: no limit");
  v.real("train.epochs", o.epochs, {0}, kMayChange, "stop after so many passes over the data; 0: no limit");
  v.duration("train.wall_time", o.wall_time, kMayChange,
             "stop this process after so long, exit 75; seconds or 2h; 0: no limit");
  v.count("train.global_batch", o.global_batch, 1, kFixed, "sequences per step over all ranks");
  v.parsed("train.batch_ramp", o.batch_ramp, "STAGES", kFixed,
           "global batches to begin with: 64x500, 128x1000 is 64 for 500 steps, then 128 for 1000, then "
           "train.global_batch",
           data::parse_stages, data::stages_text);
  v.parsed(
      "train.sequence_ramp", o.sequence_ramp, "STAGES", kFixed,
      "shorter sequences to begin with: 128x500, 256x500 cuts each row of the first 500 steps into sequences of 128 "
      "tokens, of the next 500 into 256; divisors of model.sequence",
      data::parse_stages, data::stages_text);
  v.count("train.micro_batch", o.micro_batch, 0, kMayChange,
          "sequences per forward on one rank; 0: all of its share of a step at once");
  v.choice<Precision>("train.precision", o.precision,
                      {{"fp32", Precision::kFp32}, {"bf16", Precision::kBf16}, {"fp16", Precision::kFp16}}, kMayChange,
                      "of parameters and gradients; the optimizer's state is fp32");
  v.count("train.eval_every", o.eval_every, 0, kMayChange, "steps between evaluations; 0: never");
  v.count("train.eval_batches", o.eval_batches, 1, kMayChange, "global batches per evaluation");
}

void list(List& v, trainer::OptimizerOptions& o) {
  using trainer::ScheduleKind;
  constexpr double kBelowOne = 0.9999999999;
  v.choice<trainer::OptimizerKind>(
      "optimizer.kind", o.kind, {{"adamw", trainer::OptimizerKind::kAdamW}, {"lamb", trainer::OptimizerKind::kLamb}},
      kFixed, "AdamW, or LAMB: each matrix moves in proportion to its norm (large batches)");
  v.real("optimizer.lr", o.lr, {0}, kFixed, "peak learning rate, before the schedule");
  v.real("optimizer.min_lr", o.min_lr, {0}, kFixed, "learning rate at the end of the schedule");
  v.real("optimizer.beta1", o.beta1, {0, kBelowOne}, kFixed, "decay of the momentum");
  v.real("optimizer.beta2", o.beta2, {0, kBelowOne}, kFixed, "decay of the variance");
  v.real("optimizer.eps", o.eps, {0}, kFixed, "added to the root of the variance");
  v.real("optimizer.weight_decay", o.weight_decay, {0}, kFixed, "of matrices; vectors have none");
  v.real("optimizer.clip", o.clip, {0}, kFixed, "largest global gradient norm; 0: off");
  v.choice<ScheduleKind>("optimizer.schedule", o.schedule,
                         {{"cosine", ScheduleKind::kCosine},
                          {"linear", ScheduleKind::kLinear},
                          {"wsd", ScheduleKind::kWsd},
                          {"constant", ScheduleKind::kConstant}},
                         kFixed, "of the learning rate after the warm-up");
  v.count("optimizer.warmup", o.warmup, 0, kFixed, "steps of linear warm-up");
  v.count("optimizer.decay_steps", o.decay_steps, 0, kFixed, "step at which min_lr is reached; 0: train.steps");
  v.share("optimizer.wsd_decay", o.wsd_decay, kFixed, "wsd: share of decay_steps in the final decay");
}

void list(List& v, trainer::LossScaleOptions& o) {
  v.real("loss_scale.initial", o.initial, {1}, kFixed, "fp16: the loss is multiplied by this before backward");
  v.real("loss_scale.growth", o.growth, {1}, kFixed, "factor after growth_every good steps");
  v.real("loss_scale.backoff", o.backoff, {0, 1}, kFixed, "factor after hysteresis bad steps");
  v.count("loss_scale.growth_every", o.growth_every, 1, kFixed, "good steps before the scale grows");
  v.count("loss_scale.hysteresis", o.hysteresis, 1, kFixed, "bad steps before it backs off");
  v.real("loss_scale.floor", o.floor, {0}, kFixed, "an overflow at this scale stops the run, exit 77");
}

void list(List& v, trainer::CheckpointOptions& o) {
  v.count("checkpoint.every", o.every, 0, kMayChange, "steps between checkpoints; 0: only at the end");
  v.duration("checkpoint.interval", o.interval, kMayChange,
             "time between checkpoints, besides checkpoint.every; seconds or 30m; 0: not by time");
  v.count("checkpoint.keep", o.keep, 1, kMayChange, "newest kept; the best by validation loss besides");
  v.count("checkpoint.keep_every", o.keep_every, 0, kMayChange,
          "checkpoints of steps that this divides are never removed; 0: none");
  v.yes_no("checkpoint.asynchronous", o.asynchronous, kMayChange,
           "write while training goes on, from a copy in memory (12 / dp bytes per parameter); no: training waits");
  v.yes_no("checkpoint.read_back", o.read_back, kMayChange,
           "each rank reads its part back from disk and compares before the checkpoint counts");
}

void list(List& v, trainer::LogOptions& o) {
  v.count("log.every", o.every, 1, kMayChange, "steps between progress lines in a log; metrics.jsonl has every step");
  v.yes_no("log.tensorboard", o.tensorboard, kMayChange, "write TensorBoard event files");
}

}  // namespace

std::vector<Option> visit(RunConfig& config) {
  List v;
  list(v, config.run);
  list(v, config.data);
  list(v, config.model);
  list(v, config.parallel);
  list(v, config.train);
  list(v, config.optimizer);
  list(v, config.loss_scale);
  list(v, config.checkpoint);
  list(v, config.log);
  return std::move(v.options);
}

}  // namespace bessemer::configs
