#pragma once
#include "data/neighbours/neighbour.h"
#include "data/neighbours/writer.h"

namespace bessemer::data {

/// llm.c's (and modded-nanogpt's) token files: 256 i32, of which the first three are magic, version and the number of
/// tokens, then the ids. Magic 20240520, version 1: u16; 20240801, version 7: u32.
/// Source: llm.c, dev/data/data_common.py and llmc/dataloader.h.

bool is_llmc(const std::string& source);
/// Errors: Error (65): magic, version, a count that is not the file's.
std::unique_ptr<NeighbourReader> open_llmc(const std::string& source, const NeighbourOptions& options);

constexpr uint64_t kLlmcMostTokens = 0x7fffffff;  ///< in one file: its count is an i32

/// \param path  of the file; where there are several, NAME_000000.bin, NAME_000001.bin and so on.
/// \param tokens  in all.
std::unique_ptr<NeighbourWriter> make_llmc_writer(const std::string& path, uint32_t vocab_size, uint64_t tokens,
                                                  uint64_t tokens_per_file);

}  // namespace bessemer::data
