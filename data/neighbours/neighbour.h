#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/neighbours/element.h"

namespace bessemer::data {

/// What a reader must be told, because the files do not say it.
struct NeighbourOptions {
  uint32_t vocab_size = 0;  ///< ids from it on are refused
  int64_t eod_id = -1;      ///< flat files: the id that ends a document; -1: each file is one document
  std::optional<Element> dtype = {};
  std::string column = "tokens";  ///< MDS: the column that holds the ids
};

struct TokenPiece {
  std::span<const uint32_t> ids;  ///< at most TokenFile::kPiece; valid until the next call
  bool ends_document = false;     ///< behind them
};

/// The token ids of one source (a file, or files that belong together), in order.
class NeighbourReader {
 public:
  virtual ~NeighbourReader() = default;
  /// false: the source has ended. Errors: Error (65) naming file and place.
  virtual bool next(TokenPiece& piece) = 0;
  virtual std::optional<uint64_t> stated_tokens() const { return std::nullopt; }  ///< by its header or size
  virtual std::vector<std::string> files() const = 0;
  virtual std::string remark() const { return ""; }  ///< what the user should know, once all was read
};

/// Ids in a row. A document ends behind each `eod_id` (it may go on in the next file); without one, at the file's end.
class FlatReader : public NeighbourReader {
 public:
  bool next(TokenPiece& piece) final;
  std::vector<std::string> files() const final { return {path_}; }
  std::optional<uint64_t> stated_tokens() const final { return tokens_; }

 protected:
  FlatReader(std::string path, uint64_t tokens, int64_t eod_id);  ///< Error (65) where there are no tokens
  virtual std::span<const uint32_t> read() = 0;                   ///< the next ids; empty at the end

 private:
  std::string path_;
  uint64_t tokens_;
  int64_t eod_id_;
  std::span<const uint32_t> rest_;  ///< of what was read
  bool done_ = false;
};

/// ... that lie as plain integers in a file.
class FlatFileReader final : public FlatReader {
 public:
  FlatFileReader(TokenFile file, int64_t eod_id)
      : FlatReader(file.path(), file.tokens(), eod_id), file_(std::move(file)) {}

 protected:
  std::span<const uint32_t> read() override { return file_.read(); }

 private:
  TokenFile file_;
};

/// A format of another program. The table of all is neighbours/formats.cpp.
struct NeighbourFormat {
  const char* name;                               ///< of --from
  const char* what;                               ///< for lists of choices
  bool flat;                                      ///< takes --eod-id
  bool takes_dtype;                               ///< --dtype means something
  bool (*recognizes)(const std::string& source);  ///< never throws an Error
  std::unique_ptr<NeighbourReader> (*open)(const std::string& source, const NeighbourOptions& options);
};

const std::vector<NeighbourFormat>& neighbour_formats();
std::string neighbour_choices();  ///< their names and what they are, for messages

/// \param name  as --from gives it. Errors: Error (64) listing the choices.
const NeighbourFormat& neighbour_format(const std::string& name);
/// By what the source holds. Errors: Error (64) listing the choices where nothing tells.
const NeighbourFormat& detect_neighbour(const std::string& source);

/// The sources that the words of --input mean: files, patterns, directories (all files in them, or one MDS data set),
/// and prefixes of .bin and .idx; sorted within a pattern or directory. Errors: Error (65) naming the word.
std::vector<std::string> find_neighbour_sources(const std::vector<std::string>& inputs);

}  // namespace bessemer::data
