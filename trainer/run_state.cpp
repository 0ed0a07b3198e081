#include "trainer/run_state.h"

#include <ATen/Parallel.h>

#include <nlohmann/json.hpp>

#include "trainer/flat_checkpoint.h"

namespace bessemer::trainer {

nlohmann::json state_json(const Trainer& trainer, const data::Corpus& corpus) {
  const auto counters = trainer.counters();
  const auto& scale = counters.loss_scale;
  const auto& topology = trainer.grid().topology;
  return {
      {"step", counters.step},
      {"updates", counters.updates},
      {"tokens", counters.tokens},
      {"loss_scale",
       {{"scale", scale.scale},
        {"good_steps", scale.good_steps},
        {"bad_steps_left", scale.bad_steps_left},
        {"skipped", scale.skipped}}},
      {"seed", trainer.options().seed},
      {"data",
       {{"id", corpus.content_id()}, {"tokenizer_sha256", corpus.tokenizer_sha256()}, {"next_step", counters.step}}},
      {"layout", {{"dp", topology.dp()}, {"tp", topology.tp()}, {"threads", at::get_num_threads()}}}};
}

void refuse_other_data(const CheckpointReader& checkpoint, const data::Corpus& corpus) {
  const auto& data = checkpoint.state().at("data");
  BESSEMER_CHECK_DATA(data.at("id") == corpus.content_id(), checkpoint.path(), " was trained on other data (dataset ",
                      data.at("id").get<std::string>(), ", data.path holds ", corpus.content_id(),
                      "); give data.path as it was, or start a new run in another run.dir");
}

int64_t resume(Trainer& trainer, const RunParts& parts) {
  if (parts.resume_from.empty()) return -1;
  const auto reader = CheckpointReader::open(parts.resume_from);
  refuse_other_data(reader, *parts.train);
  const auto& state = reader.state();
  const int threads = state.at("layout").at("threads");
  // Sums over threads are cut by their number: the same bits want the same number.
  if (trainer.options().parallel.threads == 0 && threads != at::get_num_threads()) at::set_num_threads(threads);
  restore_state(trainer.flat(), reader);
  const auto& scale = state.at("loss_scale");
  Trainer::Counters counters;
  counters.step = state.at("step"), counters.updates = state.at("updates"), counters.tokens = state.at("tokens");
  counters.loss_scale = {scale.at("scale"), scale.at("good_steps"), scale.at("bad_steps_left"), scale.at("skipped")};
  trainer.restore(counters);
  return counters.step;
}

}  // namespace bessemer::trainer
