#pragma once
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "data/file.h"
#include "data/neighbours/neighbour.h"
#include "tests/data/folder.h"

namespace bessemer::data {

/// A number as `width` little-endian bytes.
inline std::string little(int64_t value, std::size_t width) {
  std::string bytes;
  for (std::size_t i = 0; i < width; ++i) bytes += static_cast<char>(static_cast<uint64_t>(value) >> (8 * i));
  return bytes;
}

inline std::string little(const std::vector<int64_t>& values, std::size_t width) {
  std::string bytes;
  for (const int64_t value : values) bytes += little(value, width);
  return bytes;
}

using DocumentIds = std::vector<std::vector<uint32_t>>;

/// All documents of a reader; tokens behind the last end of one are a document too.
inline DocumentIds read_documents(NeighbourReader& reader) {
  DocumentIds documents;
  std::vector<uint32_t> open;
  for (TokenPiece piece; reader.next(piece);) {
    open.insert(open.end(), piece.ids.begin(), piece.ids.end());
    if (!piece.ends_document) continue;
    documents.push_back(open);
    open.clear();
  }
  if (!open.empty()) documents.push_back(open);
  return documents;
}

inline NeighbourOptions options_for(uint32_t vocab_size, int64_t eod_id = -1) {
  NeighbourOptions options;
  options.vocab_size = vocab_size, options.eod_id = eod_id;
  return options;
}

/// A file of `size` bytes that takes no room, with `bytes` at `offset`.
inline void write_sparse(const std::string& path, uint64_t size, uint64_t offset, const std::string& bytes,
                         const std::string& front = "") {
  std::ofstream(path, std::ios::binary) << front;
  std::filesystem::resize_file(path, size);
  FileDescriptor file(path, FileDescriptor::Mode::kWrite);
  file.write_at(offset, bytes.data(), bytes.size());
}

}  // namespace bessemer::data
