#include "trainer/run_state.h"

#include <ATen/Parallel.h>

#include <nlohmann/json.hpp>

#include "trainer/flat_checkpoint.h"

namespace bessemer::trainer {

namespace {

const char* name_of(Precision precision) {
  return precision == Precision::kFp16 ? "fp16" : precision == Precision::kBf16 ? "bf16" : "fp32";
}

// The step at which the learning rate has fallen; 0 where it does not.
int64_t schedule_end(const TrainerOptions& options) {
  if (options.optimizer.schedule == ScheduleKind::kConstant) return 0;
  return options.optimizer.decay_steps > 0 ? options.optimizer.decay_steps : options.train.steps;
}

// A scale belongs to fp16: a run that changes its precision begins with its own. (Format version 1 names it only in the
// configuration.)
bool was_fp16(const CheckpointReader& checkpoint) {
  const auto& layout = checkpoint.state().at("layout");
  if (layout.contains("precision")) return layout["precision"] == "fp16";
  return checkpoint.config().find("\nprecision = fp16\n") != std::string::npos;
}

}  // namespace

nlohmann::json layout_json(const Trainer& trainer) {
  const auto& topology = trainer.grid().topology;
  const auto& parallel = trainer.options().parallel;
  return {{"dp", topology.dp()},
          {"tp", topology.tp()},
          {"threads", at::get_num_threads()},
          {"precision", name_of(trainer.options().train.precision)},
          {"micro_batch", trainer.plan().micro_batch},
          {"schedule_end", schedule_end(trainer.options())},
          {"sequence_parallel", parallel.sequence_parallel},
          {"zero", parallel.zero},
          {"virtual_dp", parallel.virtual_dp}};
}

nlohmann::json state_json(const Trainer& trainer, const data::Corpus& corpus) {
  const auto counters = trainer.counters();
  const auto& scale = counters.loss_scale;
  return {{"step", counters.step},
          {"updates", counters.updates},
          {"tokens", counters.tokens},
          {"loss_scale",
           {{"scale", scale.scale},
            {"good_steps", scale.good_steps},
            {"bad_steps_left", scale.bad_steps_left},
            {"skipped", scale.skipped}}},
          {"seed", trainer.options().seed},
          {"data", {{"id", corpus.content_id()}, {"tokenizer_sha256", corpus.tokenizer_sha256()}}},
          {"layout", layout_json(trainer)}};
}

void refuse_other_data(const CheckpointReader& checkpoint, const data::Corpus& corpus) {
  const auto& data = checkpoint.state().at("data");
  BESSEMER_CHECK_DATA(data.at("id") == corpus.content_id(), checkpoint.path(), " was trained on other data (dataset ",
                      data.at("id").get<std::string>(), ", data.path holds ", corpus.content_id(),
                      "); give data.path as it was, or start a new run in another run.dir");
  BESSEMER_CHECK_DATA(data.at("tokenizer_sha256") == corpus.tokenizer_sha256(), checkpoint.path(),
                      " was trained on tokens of another tokenizer (SHA-256 ",
                      data.at("tokenizer_sha256").get<std::string>(), ", data.path has ", corpus.tokenizer_sha256(),
                      "); give data.path as it was, or start a new run in another run.dir");
}

void take_threads(const TrainerOptions& options, const CheckpointReader& checkpoint) {
  const int threads = checkpoint.state().at("layout").at("threads");
  // Sums over threads are cut by their number: the same bits want the same number.
  BESSEMER_CHECK_DATA(threads > 0 && threads <= 4096, checkpoint.path(), ": was saved with ", threads, " threads");
  if (options.parallel.threads == 0 && threads != at::get_num_threads()) at::set_num_threads(threads);
}

int64_t resume(Trainer& trainer, const RunParts& parts) try {
  if (parts.resume_from.empty()) return -1;
  const auto reader = CheckpointReader::open(parts.resume_from);
  refuse_other_data(reader, *parts.train);
  const auto& state = reader.state();
  BESSEMER_CHECK(state.at("seed") == trainer.options().seed, reader.path(), " was trained with run.seed ",
                 state.at("seed").dump(), ", this run has ", trainer.options().seed, "; set it back");
  take_threads(trainer.options(), reader);
  restore_state(trainer.flat(), reader);
  const auto& scale = state.at("loss_scale");
  Trainer::Counters counters;
  counters.step = state.at("step"), counters.updates = state.at("updates"), counters.tokens = state.at("tokens");
  counters.loss_scale = trainer.counters().loss_scale;
  if (trainer.options().train.precision == Precision::kFp16 && was_fp16(reader))
    counters.loss_scale = {scale.at("scale"), scale.at("good_steps"), scale.at("bad_steps_left"), scale.at("skipped")};
  trainer.restore(counters);
  return counters.step;
} catch (const nlohmann::json::exception& error) {
  fail(ExitCode::kBadData, parts.resume_from, ": its state is not what a checkpoint holds: ", error.what());
}

}  // namespace bessemer::trainer
