#pragma once
#include "data/neighbours/neighbour.h"

namespace bessemer::data {

/// Files of the Cerebras Model Zoo: HDF5 with a dataset `data`.
///
/// [tokens]: a corpus, ids in a row. [samples, 3, length]: input ids, loss mask, labels (the ids one place on); a
/// sample is a document: its input ids up to the last one that counts for the loss, and that one's label. [samples, 4
/// or 5, length]: also how many tokens of the document are left (and positions); documents end where that is 0, and
/// only the last one of a sample has its last token in the labels. Masks that mark padding by 1 ("inverted") are not
/// known. Source: Cerebras Model Zoo, data_preparation/nlp/hdf5_preprocessing/utils.py (create_features_auto_lm and
/// _vsl) and data/common/h5_map_dataset.

bool is_cerebras(const std::string& source);
std::unique_ptr<NeighbourReader> open_cerebras(const std::string& source, const NeighbourOptions& options);

}  // namespace bessemer::data
