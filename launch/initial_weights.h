#pragma once
#include <cstdint>
#include <string>

#include "configs/parse.h"
#include "parallel/world.h"
#include "trainer/pretrained_writer.h"
#include "trainer/trainer.h"

namespace bessemer::launch {

// run.init_from: a run, a checkpoint, or a directory of Hugging Face's that a new run begins from.

/// Fills what nobody gave of [model] with the shape of run.init_from, or, where run.dir goes on, with that of the run
/// itself. Values that were given and make another function of a model of Hugging Face's become problems, each with
/// both values.
/// \return  rows of the source's vocabulary: what a model.vocab of 0 comes to at least; 0 without run.init_from.
/// Errors: Error (65) where there is no model.
int64_t complete_model(configs::Parsed& parsed);

/// Reads the weights of run.init_from, each rank its own slice, and says what was taken, what is new (rows of a larger
/// vocabulary among it), and what was left. Collective.
/// \param tokenizer  of the data, JSON text.
/// \return  the texts that lie beside the source's weights.
/// Errors: Error (65) where the source is damaged, or the data was made with another tokenizer than it.
trainer::Texts take_initial_weights(const configs::RunConfig& config, const std::string& tokenizer,
                                    trainer::Trainer& trainer, const parallel::World& world);

}  // namespace bessemer::launch
