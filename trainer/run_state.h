#pragma once
#include <nlohmann/json_fwd.hpp>

#include "data/corpus.h"
#include "trainer/run.h"

namespace bessemer::trainer {

/// The scalars of a checkpoint: counters, loss scale, what the data was, on which layout and with how many threads.
nlohmann::json state_json(const Trainer& trainer, const data::Corpus& corpus);

/// What of a job's layout decides bits: dp, tp, threads, micro_batch, sequence_parallel, virtual_dp (and zero, which
/// does not).
nlohmann::json layout_json(const Trainer& trainer);

/// parallel.threads = 0: as many as the checkpoint was made with.
void take_threads(const TrainerOptions& options, const CheckpointReader& checkpoint);

/// Errors: Error (65) where the checkpoint was made from other data than `corpus`.
void refuse_other_data(const CheckpointReader& checkpoint, const data::Corpus& corpus);

/// Brings the trainer to parts.resume_from, if any: tensors, counters, thread count. Collective.
/// \return the step whose checkpoint exists: the resumed one, or -1.
int64_t resume(Trainer& trainer, const RunParts& parts);

}  // namespace bessemer::trainer
