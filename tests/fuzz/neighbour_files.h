#pragma once
#include <cstdlib>

#include "data/neighbours/neighbour.h"
#include "tests/fuzz/fuzz.h"

namespace bessemer::fuzz {

/// Reads all of a source. What is not refused has as many tokens as was said, all below the vocabulary's size.
inline void read_all(std::unique_ptr<data::NeighbourReader> reader, const data::NeighbourOptions& options) {
  uint64_t tokens = 0, pieces = 0;
  for (data::TokenPiece piece; reader->next(piece); ++pieces) {
    for (const uint32_t id : piece.ids) {
      if (id >= options.vocab_size) std::abort();
    }
    tokens += piece.ids.size();
    if (pieces > 1 << 20) std::abort();  // more than any input here can hold
  }
  if (const auto stated = reader->stated_tokens(); stated && *stated != tokens) std::abort();
  reader->remark();
}

inline data::NeighbourOptions neighbour_options(uint8_t choice) {
  data::NeighbourOptions options;
  options.vocab_size = choice % 2 != 0 ? 50257 : 0xffffffff;
  options.eod_id = choice / 2 % 2 != 0 ? -1 : choice / 4;
  return options;
}

}  // namespace bessemer::fuzz
