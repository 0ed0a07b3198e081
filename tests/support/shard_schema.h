#pragma once
#include <map>
#include <string>
#include <vector>

#include "data/hdf5.h"

namespace bessemer::tests {

/// Datasets and attributes of a token shard of ten tokens, right in all but what a test changes.
struct ShardSchema {
  std::vector<data::LayoutDataset> datasets{{"tokens", data::Dtype::kU16, {10}},
                                            {"doc_offsets", data::Dtype::kU64, {2}},
                                            {"block_crc32c", data::Dtype::kU32, {1}},
                                            {"tables_crc32c", data::Dtype::kU32, {2}}};
  std::map<std::string, data::Attribute> attributes{{"format", std::string("token-shard")},
                                                    {"format_version", std::vector<uint32_t>{1, 0}},
                                                    {"kind", std::string("corpus")},
                                                    {"split", std::string("train")},
                                                    {"shard_index", uint32_t{0}},
                                                    {"shard_count", uint32_t{1}},
                                                    {"dataset_id", std::string("x")},
                                                    {"n_tokens", uint64_t{10}},
                                                    {"n_docs", uint64_t{1}},
                                                    {"tokenizer_kind", std::string("bytes")},
                                                    {"tokenizer_sha256", std::string("y")},
                                                    {"vocab_size", uint32_t{256}},
                                                    {"eod_id", int64_t{-1}},
                                                    {"bos_id", int64_t{-1}},
                                                    {"pad_id", int64_t{-1}},
                                                    {"checksum_algorithm", std::string("crc32c")},
                                                    {"checksum_block_tokens", uint64_t{16384}},
                                                    {"content_sha256", std::string("z")}};
};

}  // namespace bessemer::tests
