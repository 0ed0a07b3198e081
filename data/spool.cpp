#include "data/spool.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "data/crc32c.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

using nlohmann::json;
constexpr std::size_t kPiece = 1 << 20;
using Mode = FileDescriptor::Mode;

json to_json(const UnitFacts& f) {
  json rejects = json::array();
  for (const auto& r : f.rejects)
    rejects.push_back({{"kind", r.kind}, {"message", r.message}, {"line", r.line}, {"byte", r.byte}, {"file", r.file}});
  return {{"documents", f.documents},
          {"sentences", f.sentences},
          {"sentences_crc32c", f.sentences_crc},
          {"tokens", f.tokens},
          {"masks", f.masks},
          {"masks_crc32c", f.masks_crc},
          {"text_bytes", f.text_bytes},
          {"lines", f.lines},
          {"replaced", f.replaced},
          {"forced", f.forced},
          {"rejected", f.rejected},
          {"rejects", rejects},
          {"sha256", f.sha256},
          {"tokens_crc32c", f.tokens_crc},
          {"documents_crc32c", f.documents_crc}};
}

UnitFacts from_json(const json& j) {
  UnitFacts f;
  f.documents = j.at("documents"), f.sentences = j.at("sentences"), f.sentences_crc = j.at("sentences_crc32c"),
  f.masks = j.at("masks"), f.masks_crc = j.at("masks_crc32c"), f.tokens = j.at("tokens"),
  f.text_bytes = j.at("text_bytes");
  f.lines = j.at("lines"), f.replaced = j.at("replaced"), f.forced = j.at("forced"), f.rejected = j.at("rejected");
  f.tokens_crc = j.at("tokens_crc32c"), f.documents_crc = j.at("documents_crc32c");
  f.sha256 = j.at("sha256").get<decltype(f.sha256)>();
  for (const auto& r : j.at("rejects"))
    f.rejects.push_back({r.at("kind"), r.at("message"), r.at("line"), r.at("byte"), r.at("file")});
  return f;
}

/// CRC32C of a file that must have so many bytes; false where it has not.
bool checksum(const std::string& path, uint64_t bytes, uint32_t& crc) {
  std::error_code none;
  if (std::filesystem::file_size(path, none) != bytes || none) return false;
  FileDescriptor file(path, Mode::kRead);
  std::vector<char> piece(kPiece);
  crc = 0;
  while (const std::size_t n = file.read(piece.data(), piece.size())) crc = crc32c(piece.data(), n, crc);
  return true;
}

}  // namespace

SpoolWriter::SpoolWriter(const std::string& path, bool wide)
    : path_(path), wide_(wide), tokens_(path + ".tokens", Mode::kCreate),
      documents_(path + ".documents", Mode::kCreate), sentences_(path + ".sentences", Mode::kCreate),
      masks_(path + ".masks", Mode::kCreate) {}

void SpoolWriter::append(std::span<const uint32_t> ids, std::span<const uint8_t> loss_mask) {
  waiting_masks_.insert(waiting_masks_.end(), loss_mask.begin(), loss_mask.end());
  mask_count_ += loss_mask.size();
  const std::size_t at = waiting_.size(), width = wide_ ? 4 : 2;
  waiting_.resize(at + width * ids.size());
  if (wide_) std::memcpy(waiting_.data() + at, ids.data(), ids.size_bytes());
  for (std::size_t i = 0; !wide_ && i < ids.size(); ++i) {
    const auto id = static_cast<uint16_t>(ids[i]);
    std::memcpy(waiting_.data() + at + 2 * i, &id, 2);
  }
  count_ += ids.size();
  if (waiting_.size() >= kPiece) flush();
}

void SpoolWriter::document(const SpooledDocument& document) {
  records_.push_back(document);
  ++record_count_;
  if (records_.size() * sizeof(SpooledDocument) >= kPiece) flush();
}

void SpoolWriter::sentence(uint64_t tokens) {
  lengths_.push_back(tokens);
  ++sentence_count_;
  if (lengths_.size() * sizeof(uint64_t) >= kPiece) flush();
}

void SpoolWriter::flush() {
  tokens_crc_ = crc32c(waiting_.data(), waiting_.size(), tokens_crc_);
  tokens_.write(waiting_.data(), waiting_.size());
  waiting_.clear();
  const std::size_t bytes = records_.size() * sizeof(SpooledDocument);
  documents_crc_ = crc32c(records_.data(), bytes, documents_crc_);
  documents_.write(records_.data(), bytes);
  records_.clear();
  sentences_crc_ = crc32c(lengths_.data(), lengths_.size() * sizeof(uint64_t), sentences_crc_);
  sentences_.write(lengths_.data(), lengths_.size() * sizeof(uint64_t));
  lengths_.clear();
  masks_crc_ = crc32c(waiting_masks_.data(), waiting_masks_.size(), masks_crc_);
  masks_.write(waiting_masks_.data(), waiting_masks_.size());
  waiting_masks_.clear();
}

void SpoolWriter::finish(UnitFacts facts) {
  flush();
  facts.tokens = count_, facts.documents = record_count_, facts.sentences = sentence_count_;
  facts.tokens_crc = tokens_crc_, facts.documents_crc = documents_crc_, facts.sentences_crc = sentences_crc_;
  facts.masks = mask_count_, facts.masks_crc = masks_crc_;
  // No fsync: what a power cut takes away fails its checksum and is made anew.
  const std::string text = to_json(facts).dump(-1, ' ', false, json::error_handler_t::replace);
  FileDescriptor file(path_ + ".json.tmp", Mode::kCreate);
  file.write(text.data(), text.size());
  std::filesystem::rename(path_ + ".json.tmp", path_ + ".json");
}

bool read_unit(const std::string& path, bool wide, UnitFacts& facts, bool verify) {
  if (!std::filesystem::exists(path + ".json")) return false;
  try {
    facts = from_json(json::parse(read_file(path + ".json")));
  } catch (const json::exception&) {
    return false;
  }
  if (!verify) return true;
  uint32_t tokens = 0, documents = 0, sentences = 0, masks = 0;
  return checksum(path + ".tokens", facts.tokens * (wide ? 4 : 2), tokens) && tokens == facts.tokens_crc &&
         checksum(path + ".documents", facts.documents * sizeof(SpooledDocument), documents) &&
         documents == facts.documents_crc &&
         checksum(path + ".sentences", facts.sentences * sizeof(uint64_t), sentences) &&
         sentences == facts.sentences_crc && checksum(path + ".masks", facts.masks, masks) && masks == facts.masks_crc;
}

SpoolReader::SpoolReader(const std::string& path, bool wide, const UnitFacts& facts)
    : wide_(wide), tokens_(path + ".tokens"), documents_(path + ".documents"), sentences_(path + ".sentences"),
      masks_(path + ".masks"), left_(facts.documents), sentences_left_(facts.sentences) {}

void SpoolReader::Buffered::read(void* out, std::size_t bytes) {
  auto* to = static_cast<char*>(out);
  while (bytes > 0) {
    if (at_ == piece_.size()) {
      piece_.resize(kPiece);
      piece_.resize(file_.read(piece_.data(), kPiece));
      at_ = 0;
      BESSEMER_CHECK_DATA(!piece_.empty(), file_.path(), ": shorter than when it was written");
    }
    const std::size_t n = std::min(bytes, piece_.size() - at_);
    std::memcpy(to, piece_.data() + at_, n);
    to += n, at_ += n, bytes -= n;
  }
}

void SpoolReader::Buffered::skip(uint64_t bytes) {
  const uint64_t here = std::min<uint64_t>(bytes, piece_.size() - at_);
  at_ += here;
  BESSEMER_CHECK_DATA(bytes == here || ::lseek(file_.get(), static_cast<off_t>(bytes - here), SEEK_CUR) >= 0,
                      file_.path(), ": cannot be read");
}

bool SpoolReader::next(SpooledDocument& document) {
  if (left_ == 0) return false;
  --left_;
  documents_.read(&document, sizeof document);
  return true;
}

bool SpoolReader::next_sentence(uint64_t& tokens) {
  if (sentences_left_ == 0) return false;
  --sentences_left_;
  sentences_.read(&tokens, sizeof tokens);
  return true;
}

void SpoolReader::tokens(uint64_t count, std::vector<uint32_t>& out) {
  out.resize(count);
  if (wide_) return tokens_.read(out.data(), count * 4);
  bytes_.resize(count * 2);
  tokens_.read(bytes_.data(), bytes_.size());
  for (std::size_t i = 0; i < count; ++i) {
    uint16_t id = 0;
    std::memcpy(&id, bytes_.data() + 2 * i, 2);
    out[i] = id;
  }
}

void SpoolReader::masks(uint64_t count, std::vector<uint8_t>& out) {
  out.resize(count);
  masks_.read(out.data(), count);
}

void SpoolReader::skip_masks(uint64_t count) { masks_.skip(count); }

void SpoolReader::skip(uint64_t count) { tokens_.skip(count * (wide_ ? 4 : 2)); }

}  // namespace bessemer::data
