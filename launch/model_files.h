#pragma once
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "configs/run_config.h"
#include "trainer/pretrained_reader.h"
#include "trainer/pretrained_writer.h"
#include "trainer/weight_source.h"

namespace bessemer::launch {

/// What `--model PATH` names, opened: the weights are read when they are asked for.
struct ModelFiles {
  std::string path;  ///< of the checkpoint, or the directory of Hugging Face's
  int64_t step = 0;
  configs::RunConfig config;
  std::string tokenizer;                            ///< JSON text; "": none
  std::optional<trainer::PretrainedOrigin> origin;  ///< where the weights came from Hugging Face's form
  trainer::Texts beside;                            ///< files that an export adds
  std::unique_ptr<trainer::WeightSource> weights;
};
/// \param path   a run's directory (its newest good checkpoint of a step before `below`), one checkpoint, or a
/// directory
///               of Hugging Face's.
/// \param allowed  names that may be missing in the last. Errors: Error (65).
ModelFiles open_model(const std::string& path, int64_t below = std::numeric_limits<int64_t>::max(),
                      const std::vector<std::string>& allowed = {});

/// A model of Hugging Face's form, opened as a model of ours.
/// \param lines  its tensors, settled
ModelFiles open_pretrained(std::unique_ptr<trainer::PretrainedReader> reader,
                           const std::vector<trainer::PretrainedReader::Line>& lines);

}  // namespace bessemer::launch
