#pragma once
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "data/mixture.h"
#include "trainer/run.h"

namespace bessemer::trainer {

/// Where the data of a run stands.
struct Stream {
  data::Sampler rows;
  std::map<std::string, int64_t> resting;  ///< sources of earlier blends, by dataset id, and the rows they have given
  std::vector<std::string> notes;          ///< what of its sources came, went or has another share
};

/// The scalars of a checkpoint: counters, loss scale, where each source of the data stands, on which layout and with
/// how many threads. \param stream  behind the rows of the last step.
nlohmann::json state_json(const Trainer& trainer, const data::Mixture& data, const Stream& stream);

/// What of a job's layout decides bits: dp, tp, threads, micro_batch, sequence_parallel, virtual_dp (and zero, which
/// does not).
nlohmann::json layout_json(const Trainer& trainer);

/// parallel.threads = 0: as many as the checkpoint was made with.
void take_threads(const TrainerOptions& options, const CheckpointReader& checkpoint);

/// Errors: Error (65) where the checkpoint was made from other data: no source of it is read any more, or the tokens
/// are of another tokenizer.
void refuse_other_data(const CheckpointReader& checkpoint, const data::Mixture& data);

/// The stream of rows at the beginning of a run, or as a checkpoint left it.
/// \param checkpoint  null: the beginning
Stream stream_at(uint64_t seed, const TrainOptions& train, const data::Mixture& data,
                 const CheckpointReader* checkpoint);

/// A run as it stands.
struct Resumed {
  int64_t step = -1;  ///< whose checkpoint exists; -1: a new run
  Stream stream;
};
/// Brings the trainer to parts.resume_from, if any: tensors, counters, thread count; and the data to where it stands.
/// Collective.
Resumed resume(Trainer& trainer, const RunParts& parts);

}  // namespace bessemer::trainer
