#include "configs/check.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "data/remote.h"
#include "models/presets.h"
#include "parallel/error.h"

namespace bessemer::configs {
namespace {

/// Collects sentences where a condition does not hold.
struct Rules {
  std::vector<std::string> broken;
  template <class... Parts>
  bool must(bool good, const Parts&... sentence) {
    if (!good) broken.push_back(concat(sentence...));
    return good;
  }
};

bool power_of_two(int64_t n) { return n > 0 && (n & (n - 1)) == 0; }

/// dp x tp is the number of ranks; false where the axes cannot be told.
bool check_grid(const parallel::ParallelOptions& o, int64_t ranks, Rules& rules) {
  using namespace parallel;
  rules.must(
      o.backend != BackendKind::kNccl || o.device != DeviceKind::kCpu,
      "parallel.backend = nccl carries device tensors, but parallel.device = cpu; choose mpi or shm, or device cuda");
  const bool host_only = o.backend == BackendKind::kMpi || o.backend == BackendKind::kShm;
  rules.must(!host_only || o.device != DeviceKind::kCuda,
             "parallel.backend = ", o.backend == BackendKind::kMpi ? "mpi" : "shm",
             " carries host tensors, but parallel.device = cuda; choose nccl or auto");
  if (ranks == 0) return true;
  if (o.dp == 0) {
    return rules.must(ranks % o.tp == 0, "parallel.tp ", o.tp, " does not divide the ", ranks,
                      " ranks of this job; start a multiple of ", o.tp, ", or choose a divisor of ", ranks);
  }
  return rules.must(o.dp * o.tp == ranks, "parallel.dp ", o.dp, " x parallel.tp ", o.tp, " = ", o.dp * o.tp,
                    " ranks, but this job has ", ranks, "; start `mpirun -n ", o.dp * o.tp,
                    "`, or leave parallel.dp at 0");
}

/// The stages of a ramp-up, once the full batch has been found good (trainer::plan_of).
void check_ramp(const RunConfig& c, int64_t dp, Rules& rules) {
  const int64_t shares = c.parallel.virtual_dp > 0 ? c.parallel.virtual_dp : dp;
  const int64_t full = c.train.micro_batch > 0 ? c.train.micro_batch : c.train.global_batch / shares;
  for (const auto& stage : c.train.batch_ramp) {
    if (!rules.must(stage.value % shares == 0, "train.batch_ramp ", stage.value, " is not a multiple of ",
                    c.parallel.virtual_dp > 0 ? "parallel.virtual_dp " : "dp ", shares, "; choose for example ",
                    (stage.value / shares + 1) * shares))
      continue;
    rules.must(stage.value <= c.train.global_batch, "train.batch_ramp ", stage.value, " is above train.global_batch ",
               c.train.global_batch, "; a ramp goes up to it");
    const int64_t micro = std::min(full, stage.value / shares);
    rules.must(stage.value / shares % micro == 0, "train.batch_ramp ", stage.value, " / ", shares, " = ",
               stage.value / shares, " sequences are not a multiple of the micro-batch ", micro,
               "; choose another stage, or a train.micro_batch that divides it");
  }
}

void check_batch(const RunConfig& c, int64_t ranks, Rules& rules) {
  const int64_t dp = layout(c, ranks).dp, batch = c.train.global_batch, v = c.parallel.virtual_dp,
                micro = c.train.micro_batch;
  if (v > 0) {
    if (!rules.must(power_of_two(v), "parallel.virtual_dp ", v, " is not a power of two; choose 1, 2, 4, 8 ..."))
      return;
    if (!rules.must(v % dp == 0, "parallel.virtual_dp ", v, " is not a multiple of dp ", dp,
                    "; choose a multiple, or another number of ranks"))
      return;
    if (!rules.must(batch % v == 0, "train.global_batch ", batch, " is not a multiple of parallel.virtual_dp ", v,
                    "; choose for example ", (batch / v + 1) * v))
      return;
    rules.must(micro == 0 || (batch / v) % micro == 0, "train.global_batch ", batch, " / parallel.virtual_dp ", v,
               " = ", batch / v, " sequences per virtual rank are not a multiple of train.micro_batch ", micro,
               "; choose a divisor of ", batch / v, ", or 0");
    return;
  }
  if (!rules.must(batch % dp == 0, "train.global_batch ", batch, " is not a multiple of dp ", dp,
                  "; choose for example ", (batch / dp + 1) * dp))
    return;
  rules.must(micro == 0 || (batch / dp) % micro == 0, "train.global_batch ", batch, " is not train.micro_batch ", micro,
             " x dp ", dp, " x a whole number of micro-steps; choose a micro-batch that divides ", batch / dp,
             ", or 0");
}

void check_groups(const RunConfig& c, Rules& rules) {
  if (!c.data.group_by_length) return;
  rules.must(c.data.mode == data::Mode::kPadded,
             "data.group_by_length is for data.mode = padded, a document to a row; leave one of them out");
  rules.must(
      c.train.sequence_ramp.empty(),
      "data.group_by_length cuts rows to their documents, train.sequence_ramp into pieces; leave one of them out");
  rules.must(!c.parallel.sequence_parallel || 8 % c.parallel.tp == 0,
             "data.group_by_length cuts rows to multiples of 8 positions, which parallel.tp ", c.parallel.tp,
             " does not divide; leave parallel.sequence_parallel out");
}

void check_pairs(const RunConfig& c, Rules& rules) {
  const auto model = models::resolve(c.model);
  const bool pairs = c.data.pairs != data::PairKind::kNone;
  rules.must(pairs || !model.pair_head,
             "model.pair_head learns from sentence pairs, and data.pairs = none; choose next-sentence or "
             "sentence-order, or --model.pair_head=no");
  if (!pairs) return;
  rules.must(c.data.objective == data::ObjectiveKind::kMasked,
             "data.pairs is for data.objective = masked; leave one of them out");
  rules.must(model.pair_head, "data.pairs gives sentence pairs, and model.pair_head = no; choose yes");
  rules.must(model.segments >= 2, "data.pairs gives two segments, and model.segments is ", model.segments,
             "; choose 2");
  rules.must(model.sequence >= 5, "data.pairs needs a model.sequence of 5 or more, it is ", model.sequence);
  rules.must(c.data.mode == data::Mode::kStream && !c.data.document_mask,
             "data.pairs makes rows of its own; leave data.mode and data.document_mask out");
  rules.must(c.train.sequence_ramp.empty(),
             "train.sequence_ramp would cut the rows of data.pairs; leave one of them out");
}

void check_training(const RunConfig& c, Rules& rules) {
  const auto& o = c.optimizer;
  const int64_t sequence = models::resolve(c.model).sequence, cut = c.parallel.sequence_parallel ? c.parallel.tp : 1;
  for (const auto& stage : c.train.sequence_ramp) {
    rules.must(sequence % stage.value == 0 && stage.value % cut == 0, "train.sequence_ramp ", stage.value,
               " is no divisor of model.sequence ", sequence,
               cut > 1 ? concat(" that parallel.tp ", cut, " divides (parallel.sequence_parallel)") : "");
  }
  const bool bert = models::resolve(c.model).family == models::Family::kBert;
  const bool masked = c.data.objective == data::ObjectiveKind::kMasked;
  rules.must(bert == masked, "model.family = ", bert ? "bert" : "gpt",
             " does not learn from data.objective = ", masked ? "masked" : "causal or prefix", "; choose ",
             bert ? "masked" : "causal");
  rules.must(c.data.objective != data::ObjectiveKind::kPrefix || models::resolve(c.model).window == 0,
             "data.objective = prefix shows all of a prefix, model.window ", models::resolve(c.model).window,
             " hides some of it; leave one of them out");
  rules.must(!masked || c.data.mask_probability > 0, "data.mask_probability is 0; choose for example 0.15");
  check_pairs(c, rules);
  rules.must(o.lr > 0, "optimizer.lr is 0; nothing would be learned; choose for example 3e-4");
  rules.must(o.schedule == trainer::ScheduleKind::kConstant || o.min_lr <= o.lr, "optimizer.min_lr ", o.min_lr,
             " is above optimizer.lr ", o.lr);
  rules.must(o.eps > 0, "optimizer.eps is 0; choose above 0, for example 1e-8");
  rules.must(c.run.dir != "", "run.dir is empty; name the directory of the run");
  rules.must(c.run.resume != "", "run.resume is empty; choose auto, none or a checkpoint's path");
  if (c.train.precision != trainer::Precision::kFp16) return;
  rules.must(c.loss_scale.floor <= c.loss_scale.initial, "loss_scale.floor ", c.loss_scale.floor,
             " is above loss_scale.initial ", c.loss_scale.initial);
  rules.must(c.loss_scale.growth > 1, "loss_scale.growth ", c.loss_scale.growth,
             " never grows the scale; choose above 1, for example 2");
  rules.must(c.loss_scale.backoff > 0 && c.loss_scale.backoff < 1, "loss_scale.backoff ", c.loss_scale.backoff,
             " never lowers the scale; choose between 0 and 1, for example 0.5");
}

}  // namespace

Layout layout(const RunConfig& config, int64_t ranks) {
  const auto& p = config.parallel;
  Layout l;
  l.tp = p.tp;
  if (ranks == 0) ranks = std::max<int64_t>(1, p.dp) * p.tp;
  l.ranks = ranks;
  l.dp = p.dp > 0 ? p.dp : std::max<int64_t>(1, ranks / p.tp);
  l.virtual_dp = p.virtual_dp;
  // Virtual ranks reduce in a tree whatever dp is, so a micro-batch must not reach over two of them.
  const int64_t shares = p.virtual_dp > 0 ? p.virtual_dp : l.dp;
  l.micro_batch = config.train.micro_batch > 0 ? config.train.micro_batch
                                               : std::max<int64_t>(1, config.train.global_batch / shares);
  l.micro_steps = config.train.global_batch / (l.dp * l.micro_batch);
  return l;
}

std::vector<std::string> check(const RunConfig& config, int64_t ranks) {
  Rules rules;
  rules.broken = models::problems(config.model, config.parallel.tp, config.parallel.sequence_parallel);
  if (check_grid(config.parallel, ranks, rules)) {
    const auto before = rules.broken.size();
    check_batch(config, ranks, rules);
    if (rules.broken.size() == before) check_ramp(config, layout(config, ranks).dp, rules);
  }
  check_groups(config, rules);
  check_training(config, rules);
  return rules.broken;
}

std::vector<std::string> check_data(const RunConfig& config) {
  Rules rules;
  const auto& o = config.data;
  const auto directory = [&](const char* option, const std::string& path) {
    std::error_code ignored;
    if (data::is_remote(path, o)) {
      rules.must(!o.fetch.empty(), option, " ", path,
                 " is not of this machine's file systems; say with data.fetch how its files are copied, for example "
                 "--data.fetch='aws s3 cp {src} {dst}'");
      return;
    }
    rules.must(std::filesystem::is_directory(path, ignored), option, " ", path,
               " is no directory; `bessemer data build` makes one");
  };
  rules.must(
      !o.path.empty() || !o.blend.empty(),
      "data.path is not given; make a directory with `bessemer data build --input texts/ --out DIR --tokenizer bytes` and "
      "name it with --data.path=DIR");
  rules.must(o.path.empty() || o.blend.empty(), "data.path and data.blend are both given; leave one out");
  if (!o.path.empty()) directory("data.path", o.path);
  for (const auto& share : o.blend) directory("data.blend", share.path);
  for (const auto& set : o.validation) directory("data.validation", set.path);
  for (const char* word : {"{src}", "{dst}"}) {
    const auto at = o.fetch.find(word);
    if (o.fetch.empty() || !rules.must(at != std::string::npos, "data.fetch has no ", word,
                                       "; write a command with {src} and {dst}, for example cp {src} {dst}"))
      continue;
    rules.must(at == 0 || (o.fetch[at - 1] != '\'' && o.fetch[at - 1] != '"'), "data.fetch has ", word,
               " in quotes; leave them out, it becomes a quoted word");
  }
  rules.must(o.cache_gb > 0, "data.cache_gb is 0; choose at least the size of a shard for each process of a host");
  rules.must(o.fetch_timeout > 0, "data.fetch_timeout is 0; choose for example 300");
  rules.must(o.blend_temperature == 1 || (!o.blend.empty() && o.blend.front().share == 0),
             "data.blend_temperature is for a data.blend without shares; leave the shares out, or it at 1");
  return rules.broken;
}

std::vector<std::string> with_origins(std::vector<std::string> sentences,
                                      const std::map<std::string, std::string>& origins) {
  const auto inside_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.'; };
  for (auto& sentence : sentences) {
    std::string behind;
    for (const auto& [name, where] : origins) {
      const auto at = sentence.find(name);
      if (where == "default" || at == std::string::npos) continue;
      const auto end = at + name.size();
      if ((at > 0 && inside_word(sentence[at - 1])) || (end < sentence.size() && inside_word(sentence[end]))) continue;
      behind += (behind.empty() ? "" : ", ") + name + ": " + where;
    }
    if (!behind.empty()) sentence += " [" + behind + "]";
  }
  return sentences;
}

}  // namespace bessemer::configs
