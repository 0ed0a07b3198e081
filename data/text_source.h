#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "data/byte_stream.h"

namespace bessemer::data {

struct Conversation;

/// What the text of a file falls into.
enum class Documents { kFile, kLines, kBlankLines, kJsonl };

/// A file of text to build from.
struct TextSource {
  std::string path;
  std::string name;    ///< without the folders above the input that it came from
  bool jsonl = false;  ///< by its name: .jsonl, also packed
  uint64_t bytes = 0;  ///< as it lies on the disk
};

/// The files that `inputs` mean: files, directories (recursively, hidden files left out), patterns with * ? [ ], and
/// @FILE, a list of these, one a line. Sorted by path within a directory or pattern. \param skipped  gets the files of
/// directories that look binary. Errors: Error (65): missing, unreadable, or nothing there.
std::vector<TextSource> find_sources(const std::vector<std::string>& inputs, std::vector<std::string>& skipped);

/// The paths that a pattern with * ? [ ] means, sorted. Errors: Error (65) where there are none.
std::vector<std::string> files_matching(const std::string& pattern);

/// A stretch of a source's bytes. Packed files have one, [0, all).
struct Stretch {
  uint64_t begin = 0, end = 0;
  bool last = true;  ///< goes to the end of the file
};

struct ReadOptions {
  Documents documents = Documents::kFile;
  std::string text_field = "text";
  bool chat = false;  ///< lines of JSON hold conversations, as ChatLines reads them
  bool utf8 = false;  ///< refuse what is not UTF-8, and never cut a character
  uint64_t longest_line = 64 << 20;
};

/// Something that is no document.
struct Reject {
  std::string kind = {};  ///< "not JSON", "no text field", "not UTF-8", "not text", "too long", "no conversation"
  std::string message = {};
  uint64_t line = 0;      ///< from 1, counted within the stretch; 0: `byte` tells the place
  uint64_t byte = 0;      ///< in the (unpacked) file
  std::string file = {};  ///< filled in by who knows it
};

/// What a reader gives to: the text of documents in order.
class TakeText {
 public:
  virtual ~TakeText() = default;
  virtual void text(std::string_view piece) = 0;  ///< at most about 1 MiB, but for a line of JSON
  virtual void end_document() = 0;
  /// ReadOptions::chat: a document by itself. Where it is not overridden, its text is given, as ChatTemplate::kPlain.
  virtual void conversation(const Conversation& conversation);
  virtual void reject(Reject reject) = 0;
  virtual void
  drop_document() = 0;  ///< the one whose text has come so far is not to be used, nor what still comes of it
  virtual void progress(uint64_t raw_bytes) = 0;  ///< so many more of the file's bytes are done
};

/// Reads the documents that begin in a stretch. Under kFile a stretch is text of one document, which ends where the
/// file does; for the others it may begin and end anywhere: each line, and what stands between blank lines, belongs to
/// the stretch in which it begins, so that stretches side by side give all documents once. \return  lines that began in
/// the stretch. Errors: Error (65) where the file cannot be read or unpacked.
uint64_t read_stretch(const TextSource& source, const Stretch& stretch, const ReadOptions& options, TakeText& take);

/// The beginning of a line, for messages.
std::string excerpt(std::string_view line);

}  // namespace bessemer::data
