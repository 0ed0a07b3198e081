#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace bessemer::data {

/// A file of text to build from.
struct TextSource {
  std::string path;
  std::string name;  ///< without the folders above the input that it came from
  bool jsonl = false;
  uint64_t bytes = 0;
  std::string sha256;  ///< filled by the first reading
};

/// The files that `inputs` mean, directories recursively and sorted by path (hidden files left out).
/// \param skipped  gets the files of directories that look binary.
/// Errors: Error (65): missing, unreadable, or nothing there.
std::vector<TextSource> find_sources(const std::vector<std::string>& inputs, std::vector<std::string>& skipped);

struct ReadOptions {
  bool utf8 = false;  ///< refuse what is not UTF-8, and never cut a character
  std::string text_field = "text";
};

/// Gives `piece(text, raw_bytes, end_of_document)` a source's text in order, at most about 1 MiB at a time (a .jsonl
/// document in one piece). Returns the SHA-256 of the file. Errors: Error (65) naming file and byte or line.
using TakePiece = std::function<void(std::string_view text, uint64_t raw_bytes, bool end_of_document)>;
std::string read_source(const TextSource& source, const ReadOptions& options, const TakePiece& piece);

}  // namespace bessemer::data
