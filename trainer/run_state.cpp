#include "trainer/run_state.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <map>
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

/// What a checkpoint says of one source.
struct SourceBefore {
  int64_t rows = 0;
  int64_t blended = 0;  ///< since the shares were what they are
  uint64_t share = 1;
  bool read = true;  ///< no: by an earlier blend
};

/// By dataset id. A checkpoint of a version without blends names one, which had given every row.
std::map<std::string, SourceBefore> sources_before(const CheckpointReader& checkpoint) {
  const auto& data = checkpoint.state().at("data");
  std::map<std::string, SourceBefore> all;
  if (data.contains("id")) {
    all[data.at("id")].rows = -1;
    return all;
  }
  for (const auto& source : data.at("sources")) {
    SourceBefore& one = all[source.at("id")];
    one = {source.at("rows"), source.value("blended", int64_t{0}), source.value("share", uint64_t{1}),
           source.value("read", true)};
    BESSEMER_CHECK_DATA(one.rows >= 0 && one.blended >= 0 && one.share > 0, checkpoint.path(),
                        ": says that a source has given ", one.rows, " rows");
  }
  return all;
}

nlohmann::json sources_json(const data::Mixture& data, const Stream& stream) {
  auto all = nlohmann::json::array();
  for (std::size_t i = 0; i < data.train.size(); ++i) {
    const auto& at = stream.rows.sources()[i];
    all.push_back({{"id", data.train[i].corpus->content_id()}, {"rows", at.rows}});
    if (data.train.size() > 1) all.back().update({{"share", at.share}, {"blended", at.blended}});
  }
  for (const auto& [id, rows] : stream.resting) all.push_back({{"id", id}, {"rows", rows}, {"read", false}});
  return all;
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

nlohmann::json state_json(const Trainer& trainer, const data::Mixture& data, const Stream& stream) {
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
          {"data",
           {{"tokenizer_sha256", data.tokenizer_sha256()},
            {"row", stream.rows.row()},
            {"sources", sources_json(data, stream)}}},
          {"layout", layout_json(trainer)}};
}

void refuse_other_data(const CheckpointReader& checkpoint, const data::Mixture& data) {
  const auto& state = checkpoint.state().at("data");
  const auto before = sources_before(checkpoint);
  const bool any = std::any_of(data.train.begin(), data.train.end(), [&](const data::Source& source) {
    const auto found = before.find(source.corpus->content_id());
    return found != before.end() && found->second.read;
  });
  BESSEMER_CHECK_DATA(any, checkpoint.path(), " was trained on other data (dataset ",
                      before.empty() ? "?" : before.begin()->first, ", ", data.train.front().name, " holds ",
                      data.train.front().corpus->content_id(),
                      "); give data.path or data.blend as it was, or start a new run in another run.dir");
  BESSEMER_CHECK_DATA(state.at("tokenizer_sha256") == data.tokenizer_sha256(), checkpoint.path(),
                      " was trained on tokens of another tokenizer (SHA-256 ",
                      state.at("tokenizer_sha256").get<std::string>(), ", ", data.train.front().name, " has ",
                      data.tokenizer_sha256(),
                      "); give data.path or data.blend as it was, or start a new run in another run.dir");
}

Stream stream_at(uint64_t seed, const TrainOptions& train, const data::Mixture& data,
                 const CheckpointReader* checkpoint) {
  auto sources = data.sources(train.global_batch);
  if (checkpoint == nullptr) return {{seed, std::move(sources)}, {}, {}};
  const auto& state = checkpoint->state().at("data");
  auto before = sources_before(*checkpoint);
  const int64_t row =
      state.contains("id") ? batch_of(train).before(checkpoint->step()) : state.at("row").get<int64_t>();
  BESSEMER_CHECK_DATA(row >= 0, checkpoint->path(), ": stands at row ", row, " of its data");
  const auto read = std::count_if(before.begin(), before.end(), [](const auto& source) { return source.second.read; });
  bool same = read == static_cast<int64_t>(sources.size());
  std::map<std::string, int64_t> resting;
  std::vector<std::string> notes;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const auto found = before.find(data.train[i].corpus->content_id());
    same = same && found != before.end() && found->second.read &&
           (sources.size() == 1 || found->second.share == sources[i].share);
    if (found == before.end()) {
      notes.push_back(concat("a new source, from its beginning: ", data.train[i].name));
      continue;
    }
    sources[i].rows = found->second.rows < 0 ? row : found->second.rows;
    sources[i].blended = found->second.blended;
    before.erase(found);
  }
  for (const auto& [id, source] : before) {
    resting[id] = source.rows < 0 ? row : source.rows;
    if (source.read) notes.push_back(concat("a source is read no more: dataset ", id));
  }
  if (!same) {
    for (auto& source : sources) source.blended = 0;
    notes.push_back("the blend has changed; each source goes on where it stands");
  }
  return {{seed, std::move(sources), row}, std::move(resting), std::move(notes)};
}

void take_threads(const TrainerOptions& options, const CheckpointReader& checkpoint) {
  const int threads = checkpoint.state().at("layout").at("threads");
  // Sums over threads are cut by their number: the same bits want the same number.
  BESSEMER_CHECK_DATA(threads > 0 && threads <= 4096, checkpoint.path(), ": was saved with ", threads, " threads");
  if (options.parallel.threads == 0 && threads != at::get_num_threads()) at::set_num_threads(threads);
}

Resumed resume(Trainer& trainer, const RunParts& parts) try {
  const auto stream = [&](const CheckpointReader* checkpoint) {
    return stream_at(trainer.options().seed, trainer.options().train, parts.data, checkpoint);
  };
  if (parts.resume_from.empty()) return {-1, stream(nullptr)};
  const auto reader = CheckpointReader::open(parts.resume_from);
  refuse_other_data(reader, parts.data);
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
  return {counters.step, stream(&reader)};
} catch (const nlohmann::json::exception& error) {
  fail(ExitCode::kBadData, parts.resume_from, ": its state is not what a checkpoint holds: ", error.what());
}

}  // namespace bessemer::trainer
