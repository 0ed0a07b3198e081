#include "trainer/trainer.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <deque>
#include <span>

#include "parallel/error.h"
#include "parallel/exact_sum.h"
#include "trainer/optimizer.h"
#include "trainer/schedule.h"

namespace bessemer::trainer {
namespace {

/// Adds the time since its last reading to a counter, in milliseconds.
class Stopwatch {
 public:
  void lap(double& into) {
    const auto now = std::chrono::steady_clock::now();
    into += std::chrono::duration<double, std::milli>(now - last_).count();
    last_ = now;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

FlatState::Options flat_options(const TrainerOptions& options) {
  FlatState::Options flat;
  flat.precision = options.train.precision;
  flat.zero = options.parallel.zero;
  flat.bucket_elements = options.parallel.bucket_mb * (1 << 20) / static_cast<int64_t>(sizeof(float));
  flat.seed = options.seed;
  return flat;
}

}  // namespace

BatchPlan plan_batch(const TrainOptions& train, int64_t virtual_dp, int64_t dp) {
  BatchPlan plan;
  plan.shards = virtual_dp > 0 ? virtual_dp : dp;
  BESSEMER_CHECK(virtual_dp == 0 || std::has_single_bit(static_cast<uint64_t>(virtual_dp)),
                 "parallel.virtual_dp = ", virtual_dp, " is not a power of two; choose 1, 2, 4, 8 ...");
  BESSEMER_CHECK(plan.shards % dp == 0, "parallel.virtual_dp = ", plan.shards, " cannot be shared by ", dp,
                 " data-parallel ranks; choose a multiple of ", dp, " or another parallel.dp");
  BESSEMER_CHECK(train.global_batch > 0 && train.global_batch % plan.shards == 0,
                 "train.global_batch = ", train.global_batch, " cannot be split over ", plan.shards,
                 virtual_dp > 0 ? " virtual shards (parallel.virtual_dp)" : " data-parallel ranks",
                 "; choose a multiple of ", plan.shards);
  const int64_t per_shard = train.global_batch / plan.shards;
  plan.micro_batch = train.micro_batch > 0 ? train.micro_batch : per_shard;
  BESSEMER_CHECK(per_shard % plan.micro_batch == 0, "train.micro_batch = ", plan.micro_batch, " does not divide the ",
                 per_shard, " sequences of a shard (train.global_batch ", train.global_batch, " / ", plan.shards,
                 "); choose a divisor of ", per_shard);
  plan.local_shards = plan.shards / dp;
  plan.accumulation = per_shard / plan.micro_batch;
  for (const auto& stage : train.batch_ramp) plan_of(plan, stage.value);
  return plan;
}

BatchPlan plan_of(const BatchPlan& full, int64_t batch) {
  BatchPlan plan = full;
  BESSEMER_CHECK(batch % plan.shards == 0, "a stage of train.batch_ramp has a global batch of ", batch,
                 ", which cannot be split over ", plan.shards, " shards; choose a multiple of ", plan.shards);
  const int64_t per_shard = batch / plan.shards;
  plan.micro_batch = std::min(full.micro_batch, per_shard);
  BESSEMER_CHECK(per_shard % plan.micro_batch == 0, "a stage of train.batch_ramp has ", per_shard,
                 " sequences of a shard, no multiple of train.micro_batch ", plan.micro_batch,
                 "; choose another stage, or a divisor as micro-batch");
  plan.accumulation = per_shard / plan.micro_batch;
  return plan;
}

data::Ramp batch_of(const TrainOptions& train) { return {train.batch_ramp, train.global_batch}; }

/// What all ranks must agree on before the update.
struct Trainer::Totals {
  struct Term {
    std::string name;
    parallel::ExactSum sum;
    int64_t weight = 0;
    bool part = false;
    double mean() const { return sum.value() / static_cast<double>(weight); }
  };
  parallel::ExactSum loss, squares;
  int64_t weight = 0, tokens = 0;
  std::vector<Term> terms;
  Votes votes;
  double nominal = 1;  ///< tokens of a full global batch

  /// Waits for a GPU.
  void add(const models::LossSum& part) {
    loss.add(part.sum.item<float>());
    weight += part.weight, tokens += part.tokens;
    terms.resize(part.terms.size());
    for (std::size_t i = 0; i < terms.size(); ++i) {
      terms[i].name = part.terms[i].name;
      terms[i].sum.add(part.terms[i].sum.item<double>());
      terms[i].weight += part.terms[i].weight;
      terms[i].part = part.terms[i].part;
    }
  }
  /// What people see as the loss: the mean over what was counted, or the sum of the means of its parts.
  double mean_loss() const {
    double sum = 0;
    bool parts = false;
    for (const auto& term : terms) {
      if (term.part && term.weight > 0) sum += term.mean(), parts = true;
    }
    return parts ? sum : loss.value() / static_cast<double>(weight);
  }
  double token_loss() const {
    const auto first = std::find_if(terms.begin(), terms.end(), [](const Term& t) { return t.part && t.weight > 0; });
    return first != terms.end() ? first->mean() : mean_loss();
  }
  /// Those that anything was counted in.
  std::vector<std::pair<std::string, double>> means() const {
    std::vector<std::pair<std::string, double>> out;
    for (const auto& term : terms) {
      if (term.weight > 0) out.emplace_back(term.name, term.mean());
    }
    return out;
  }
};

Trainer::Trainer(models::Model& model, const TrainerOptions& options, const parallel::Grid& grid)
    : model_(model), options_(options), grid_(grid),
      plan_(plan_batch(options.train, options.parallel.virtual_dp, grid.dp.size())),
      flat_(model, grid, flat_options(options)), gradients_(flat_, grid, plan_.local_shards),
      loss_scale_(options.train.precision == Precision::kFp16 ? LossScale(options.loss_scale) : LossScale()) {}

StepResult Trainer::step(const NextBatch& next, const Votes& votes) {
  StepResult result;
  Stopwatch whole, lap;
  Totals totals;
  const int64_t batch = batch_of(options_.train).at(step_);
  totals.nominal = static_cast<double>(batch * model_.options().sequence);
  forward_backward(next, plan_of(plan_, batch), totals, result.times);
  lap = Stopwatch();
  gradients_.finish();
  lap.lap(result.times.communication);
  totals.squares = gradients_.own_squares();
  totals.votes = votes;
  sum_over_ranks(totals);

  // Gradients are of loss_scale * sum / nominal; what is wanted is the mean over the tokens that counted.
  const double scale = loss_scale_.scale();
  const double count = static_cast<double>(totals.weight);
  BESSEMER_CHECK_DATA(
      count > 0, "step ", step_ + 1,
      ": no target of its rows counts: their documents have one token each, or their loss_mask is 0 everywhere; use other data, a larger "
      "train.global_batch, or data.mode = packed");
  const double unscale = totals.nominal / (count * scale);
  result.loss = totals.mean_loss();
  result.grad_norm = std::sqrt(totals.squares.value()) * unscale;
  result.loss_scale = scale;
  result.lr = learning_rate(options_.optimizer, options_.train.steps, step_);
  result.skipped = !std::isfinite(result.grad_norm) || !std::isfinite(result.loss);
  if (result.skipped && options_.train.precision != Precision::kFp16) refuse_non_finite(totals);
  if (result.skipped) {
    gradients_.clear();
  } else {
    const double clip = options_.optimizer.clip;
    const double clipped = clip > 0 ? std::min(1.0, clip / (result.grad_norm + 1e-6)) : 1.0;
    update(unscale * clipped, result.lr);
  }
  loss_scale_.update(result.skipped);
  tokens_ += totals.tokens;
  result.terms = totals.means();
  result.step = ++step_;
  result.tokens = tokens_;
  result.votes = totals.votes;
  lap.lap(result.times.optimizer);
  whole.lap(result.times.total);
  return result;
}

void Trainer::forward_backward(const NextBatch& next, const BatchPlan& plan, Totals& totals, StepTimes& times) {
  models::Context context{options_.seed, step_, true};
  const auto seed = at::full({}, loss_scale_.scale() / totals.nominal, at::TensorOptions().device(grid_.device));
  std::vector<models::LossSum> losses;
  Stopwatch lap;
  std::deque<data::Batch> read;
  read.push_back(next());
  if (read.front().targets >= 0) {
    while (static_cast<int64_t>(read.size()) < plan.micro_steps()) read.push_back(next());
    context.targets_per_label = targets_of_step(read) / static_cast<double>(batch_of(options_.train).at(step_));
  }
  for (int64_t m = 0; m < plan.micro_steps(); ++m) {
    if (read.empty()) read.push_back(next());
    const auto batch = std::move(read.front());
    read.pop_front();
    lap.lap(times.data);
    auto loss = model_.loss(batch, context);
    lap.lap(times.forward);
    gradients_.begin((m + 1) % plan.accumulation == 0, m + 1 > plan.micro_steps() - plan.accumulation);
    loss.sum.backward(seed);
    gradients_.end();
    loss.sum = loss.sum.detach();
    losses.push_back(std::move(loss));
    lap.lap(times.backward);
  }
  for (const auto& loss : losses) totals.add(loss);  // a GPU is waited for once, here
}

double Trainer::targets_of_step(const std::deque<data::Batch>& batches) const {
  int64_t count = 0;
  for (const auto& batch : batches) count += batch.targets;
  if (grid_.world.size() == 1) return static_cast<double>(count);
  auto all = at::full({1}, grid_.tp.rank() == 0 ? count : 0, at::kLong);
  grid_.world.all_reduce(all);
  return static_cast<double>(all.item<int64_t>());
}

void Trainer::sum_over_ranks(Totals& totals) const {
  if (grid_.world.size() == 1) return;
  // One collective for all: the loss counts once per dp rank, that is on tp rank 0.
  const bool counted = grid_.tp.rank() == 0;
  if (!counted) totals.loss = {}, totals.weight = totals.tokens = 0;
  Votes& votes = totals.votes;
  std::vector<parallel::ExactSum*> sums{&totals.loss, &totals.squares};
  std::vector<int64_t*> counts{&totals.weight, &totals.tokens,  &votes.stop,
                               &votes.save,    &votes.finished, &votes.failed};
  for (auto& term : totals.terms) {
    if (!counted) term.sum = {}, term.weight = 0;
    sums.push_back(&term.sum), counts.push_back(&term.weight);
  }
  std::vector<int64_t> packed;
  for (const auto* sum : sums) {
    const auto words = sum->words();
    packed.insert(packed.end(), words.begin(), words.end());
  }
  const std::size_t n = packed.size() / sums.size();
  for (const int64_t* count : counts) packed.push_back(*count);
  auto all = at::from_blob(packed.data(), {static_cast<int64_t>(packed.size())}, at::kLong);
  grid_.world.all_reduce(all);
  for (std::size_t i = 0; i < sums.size(); ++i)
    *sums[i] = parallel::ExactSum::from_words(std::span<const int64_t>(packed).subspan(i * n, n));
  for (std::size_t i = 0; i < counts.size(); ++i) *counts[i] = packed[sums.size() * n + i];
}

void Trainer::update(double factor, double lr) {
  const auto& o = options_.optimizer;
  const auto t = static_cast<double>(++updates_);
  AdamStep adam;
  adam.lr = static_cast<float>(lr), adam.beta1 = static_cast<float>(o.beta1), adam.beta2 = static_cast<float>(o.beta2);
  adam.eps = static_cast<float>(o.eps), adam.gradient_factor = static_cast<float>(factor);
  adam.bias1 = static_cast<float>(1.0 - std::pow(o.beta1, t));
  adam.bias2_sqrt = static_cast<float>(std::sqrt(1.0 - std::pow(o.beta2, t)));
  adam.weight_decay = static_cast<float>(o.weight_decay);
  if (o.kind == OptimizerKind::kLamb) {
    update_lamb(flat_, adam, grid_);
  } else {
    update_adamw(flat_, adam);
  }
  if (!flat_.zero()) return;
  gradients_.clear();  // the parts of others were read by nobody here
  flat_.share_weights(grid_.dp);
}

void Trainer::refuse_non_finite(const Totals& totals) const {
  std::string where;
  for (const auto& slot : flat_.layout().slots()) {
    const bool weight = !at::isfinite(slot.parameter->value).all().item<bool>();
    const bool gradient = !at::isfinite(flat_.grads.narrow(0, slot.offset, slot.count)).all().item<bool>();
    if (!weight && !gradient) continue;
    where = concat(weight ? "; first non-finite weight: " : "; first non-finite gradient (from the output backwards): ",
                   slot.parameter->name);
    break;
  }
  fail(ExitCode::kLossPolicy, "step ", step_ + 1, ": the ",
       std::isfinite(totals.loss.value()) ? "gradient norm" : "loss", " is not finite (loss sum ", totals.loss.value(),
       " over ", totals.weight, " tokens)", where, ". The weights of step ", step_,
       " are untouched. Lower optimizer.lr, lengthen optimizer.warmup, or lower optimizer.clip");
}

Evaluation Trainer::evaluate(const NextBatch& next, int64_t batches) {
  const at::NoGradGuard no_grad;
  const models::Context context{options_.seed, step_, false};
  Totals totals;
  for (int64_t i = 0; i < batches; ++i) totals.add(model_.loss(next(), context));
  sum_over_ranks(totals);
  BESSEMER_CHECK_DATA(
      totals.weight > 0,
      "no target of a validation set counts: its documents have one token each, or their loss_mask is 0; "
      "choose a larger train.eval_batches, or leave the set out");
  return {totals.mean_loss(), totals.token_loss(), totals.means()};
}

const Trainer::Counters Trainer::counters() const { return {step_, updates_, tokens_, loss_scale_.state()}; }

void Trainer::restore(const Counters& counters) {
  step_ = counters.step, updates_ = counters.updates, tokens_ = counters.tokens;
  loss_scale_.restore(counters.loss_scale);
  flat_.publish_weights(grid_.dp);
}

}  // namespace bessemer::trainer
