#pragma once
#include <string>
#include <vector>

#include "models/model.h"
#include "trainer/pretrained_reader.h"
#include "trainer/pretrained_writer.h"
#include "trainer/run_directory.h"

namespace bessemer::trainer {

/// What a checkpoint says besides its weights.
struct ImportedTexts {
  std::string config;     ///< complete INI text
  std::string tokenizer;  ///< JSON text; "": none
  nlohmann::json environment;
  PretrainedOrigin origin;
  uint64_t seed = 0;  ///< of the values that the file lacks
};

/// Writes weights of Hugging Face's form as a checkpoint of step 0 (weights only: a run can begin from it, not go on
/// from it). Memory: 1 GiB, or the largest tensor.
/// \param model  of reader.options(), undivided; no memory of its own is needed.
/// \return       the checkpoint's path.
/// Errors: Error (65) where the file is damaged, (69) where the directory cannot be written.
std::string import_pretrained(const PretrainedReader& reader, models::Model& model, const RunDirectory& run,
                              const ImportedTexts& texts);

}  // namespace bessemer::trainer
