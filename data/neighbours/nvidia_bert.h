#pragma once
#include "data/neighbours/neighbour.h"

namespace bessemer::data {

/// NVIDIA's BERT examples: HDF5 with rows of `input_ids`, `input_mask` (1: no padding), `masked_lm_positions` and
/// `masked_lm_ids` (up to the first position 0), `segment_ids`, `next_sentence_labels`. Each row is a document without
/// its padding, the masked ids put back; [CLS] and [SEP] stay; segments and labels are left out. Source: NVIDIA
/// DeepLearningExamples, PyTorch/LanguageModeling/BERT/create_pretraining_data.py.

bool is_nvidia_bert(const std::string& source);
std::unique_ptr<NeighbourReader> open_nvidia_bert(const std::string& source, const NeighbourOptions& options);

}  // namespace bessemer::data
