#pragma once
#include <limits>

#include "data/neighbours/neighbour.h"
#include "data/neighbours/writer.h"

namespace bessemer::data {

/// Megatron-LM's indexed dataset. NAME.idx: "MMIDIDX\0\0", u64 version 1, u8 type, u64 sequences, u64 entries of the
/// document table, i32 length of each sequence, i64 byte in NAME.bin where each begins, i64 number of the first
/// sequence of each document (and behind the last one the number of all), perhaps an i8 mode of each sequence.
/// NAME.bin: the ids. Source: Megatron-LM, megatron/core/datasets/indexed_dataset.py.

/// NAME of NAME, NAME.bin and NAME.idx.
std::string megatron_prefix(const std::string& source);
bool is_megatron(const std::string& source);  ///< both files are there

/// The sequences of a document are joined. All of the index is checked when it is opened; memory does not grow with it.
/// Errors: Error (65): magic, version, a type that holds no ids, sizes and counts that disagree, sequences that overlap
/// or leave gaps, documents that go back.
std::unique_ptr<NeighbourReader> open_megatron(const std::string& source, const NeighbourOptions& options);

/// What the index of an export holds, known before.
struct MegatronCounts {
  uint64_t sequences = 0, documents = 0;
  uint64_t longest = std::numeric_limits<int32_t>::max();  ///< tokens of a sequence; a longer document is several
};

/// u16 where the vocabulary has less than 65,500 ids, as Megatron chooses, else i32.
std::unique_ptr<NeighbourWriter> make_megatron_writer(const std::string& prefix, uint32_t vocab_size,
                                                      const MegatronCounts& counts);

}  // namespace bessemer::data
