#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/file.h"
#include "data/text_source.h"

namespace bessemer::data {

/// A document, or the part of one, that a unit of work has made.
struct SpooledDocument {
  uint64_t tokens = 0;
  std::array<uint64_t, 2> hash{};  ///< XXH3 (128 bits) of its text
  uint64_t flags = 0;
  static constexpr uint64_t kOpen = 1;     ///< it goes on in the next unit
  static constexpr uint64_t kDropped = 2;  ///< not to be used, whole
};

/// What a unit says of itself; kept as UNIT.json, whose presence says that the unit is complete.
struct UnitFacts {
  uint64_t documents = 0;  ///< records, an open part included
  uint64_t sentences = 0;  ///< lengths, where they are wanted
  uint64_t tokens = 0, text_bytes = 0;
  uint64_t masks = 0;     ///< tokens with a loss mask: none or all
  uint64_t lines = 0;     ///< of a stretch that is not the end of its file
  uint64_t replaced = 0;  ///< broken UTF-8 taken as U+FFFD
  uint64_t forced = 0;    ///< cuts of a document that was too long to be encoded at once
  uint64_t rejected = 0;
  std::vector<Reject> rejects;                              ///< the first of them
  std::vector<std::pair<std::size_t, std::string>> sha256;  ///< of the sources (by index) that end in this unit
  uint32_t tokens_crc = 0, documents_crc = 0, sentences_crc = 0, masks_crc = 0;
};

/// Writes what a unit makes: tokens and documents, then its facts. Errors: Error (69).
class SpoolWriter {
 public:
  static constexpr std::size_t kRejectsKept = 100;
  /// \param path  without ending; \param wide  u32 tokens, else u16.
  SpoolWriter(const std::string& path, bool wide);
  /// \param loss_mask  of each id; none where the shards have none.
  void append(std::span<const uint32_t> ids, std::span<const uint8_t> loss_mask = {});
  void document(const SpooledDocument& document);
  void sentence(uint64_t tokens);
  void finish(UnitFacts facts);  ///< counts and checksums of the files are filled in here

 private:
  void flush();
  std::string path_;
  bool wide_;
  FileDescriptor tokens_, documents_, sentences_, masks_;
  std::vector<uint8_t> waiting_, waiting_masks_;
  std::vector<uint64_t> lengths_;
  std::vector<SpooledDocument> records_;
  uint64_t count_ = 0, record_count_ = 0, sentence_count_ = 0, mask_count_ = 0;
  uint32_t tokens_crc_ = 0, documents_crc_ = 0, sentences_crc_ = 0, masks_crc_ = 0;
};

/// The facts of a complete unit whose files have their sizes and checksums; false: it is to be made anew.
/// \param verify  look at every byte.
bool read_unit(const std::string& path, bool wide, UnitFacts& facts, bool verify);

/// Reads a unit's records and tokens in order.
class SpoolReader {
 public:
  SpoolReader(const std::string& path, bool wide, const UnitFacts& facts);
  bool next(SpooledDocument& document);
  void tokens(uint64_t count, std::vector<uint32_t>& out);  ///< the next so many; Error (65) where there are fewer
  void masks(uint64_t count, std::vector<uint8_t>& out);    ///< likewise, of the loss mask
  void skip(uint64_t count);                                ///< tokens
  void skip_masks(uint64_t count);
  bool next_sentence(uint64_t& tokens);

 private:
  /// A file read in pieces, whatever the sizes asked for.
  class Buffered {
   public:
    explicit Buffered(const std::string& path) : file_(path, FileDescriptor::Mode::kRead) {}
    void read(void* out, std::size_t bytes);
    void skip(uint64_t bytes);

   private:
    FileDescriptor file_;
    std::vector<char> piece_;
    std::size_t at_ = 0;
  };
  bool wide_;
  Buffered tokens_, documents_, sentences_, masks_;
  uint64_t left_, sentences_left_;
  std::vector<uint8_t> bytes_;
};

}  // namespace bessemer::data
