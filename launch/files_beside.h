#pragma once
#include <string>

#include "data/options.h"
#include "trainer/pretrained_writer.h"

namespace bessemer::launch {

/// What a run keeps for its export: of the model that it begins from, what its tokenizer and its generation are told;
/// of data that are conversations, the template that they were written with, and that its end of a turn ends a text.
/// \param source  what lies beside the weights that it begins from. \param tokenizer  JSON text, of the data
trainer::Texts files_beside(const trainer::Texts& source, const data::DataOptions& options,
                            const std::string& tokenizer);

}  // namespace bessemer::launch
