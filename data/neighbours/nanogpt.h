#pragma once
#include "data/neighbours/neighbour.h"
#include "data/neighbours/writer.h"

namespace bessemer::data {

/// nanoGPT's train.bin: little-endian ids, u16 unless --dtype says otherwise, without any header.
/// Source: nanoGPT, data/openwebtext/prepare.py. Errors: Error (65) where the size is no multiple of the type's, or the
/// file begins as one of another format.
std::unique_ptr<NeighbourReader> open_nanogpt(const std::string& source, const NeighbourOptions& options);

/// u16. Errors: Error (64) where the vocabulary has more ids than that.
std::unique_ptr<NeighbourWriter> make_nanogpt_writer(const std::string& path, uint32_t vocab_size);

}  // namespace bessemer::data
