#include "data/neighbours/llmc.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "parallel/error.h"

namespace bessemer::data {
namespace {

constexpr std::size_t kHeader = 256;
constexpr int32_t kMagicU16 = 20240520, kVersionU16 = 1, kMagicU32 = 20240801, kVersionU32 = 7;
using Header = std::array<int32_t, kHeader>;

/// Files of the same program that hold something else.
const char* other_content(int32_t magic) {
  switch (magic) {
    case 20240522: return "; that is an evaluation set of llm.c (HellaSwag, MMLU), which holds no text to train on";
    case 20240326: return "; that is a model of llm.c";
    case 20240327: return "; that is the state of a run of llm.c";
    case 20240328: return "; that is a tokenizer of llm.c";
    default: return "; give the file's own format by --from";
  }
}

Element element_of_header(const std::string& path, const Header& header) {
  const auto [magic, version] = std::pair{header[0], header[1]};
  BESSEMER_CHECK_DATA(magic == kMagicU16 || magic == kMagicU32, path, ": magic number ", magic, ", ", kMagicU16,
                      " (u16) or ", kMagicU32, " (u32) is expected", other_content(magic));
  const int32_t expected = magic == kMagicU16 ? kVersionU16 : kVersionU32;
  BESSEMER_CHECK_DATA(version == expected, path, ": version ", version, " of magic ", magic, ", version ", expected,
                      " is expected; a newer bessemer may read it");
  return {magic == kMagicU16 ? 2u : 4u, false};
}

class LlmcWriter final : public NeighbourWriter {
 public:
  LlmcWriter(std::string path, uint32_t vocab_size, uint64_t tokens, uint64_t tokens_per_file)
      : path_(std::move(path)), element_{vocab_size <= 65536 ? 2u : 4u, false}, tokens_(tokens),
        tokens_per_file_(tokens_per_file) {}

  void append(std::span<const uint32_t> ids) override {
    while (!ids.empty()) {
      if (left_ == 0) begin_file();
      const auto n = std::min<uint64_t>(left_, ids.size());
      files_.back().append(ids.first(n), element_);
      left_ -= n, ids = ids.subspan(n);
    }
  }
  void finish() override { publish(files_); }
  std::vector<std::string> files() const override {
    std::vector<std::string> names;
    for (uint64_t i = 0; i * tokens_per_file_ < tokens_; ++i) names.push_back(name(i));
    return names;
  }

 private:
  void begin_file() {
    const uint64_t written = files_.size() * tokens_per_file_;
    BESSEMER_CHECK_DATA(written < tokens_, path_, ": more tokens came than the ", tokens_, " that were counted");
    if (!files_.empty()) files_.back().sync();
    left_ = std::min(tokens_per_file_, tokens_ - written);
    files_.emplace_back(name(files_.size()));
    Header header{};
    header[0] = element_.bytes == 2 ? kMagicU16 : kMagicU32;
    header[1] = element_.bytes == 2 ? kVersionU16 : kVersionU32;
    header[2] = static_cast<int32_t>(left_);
    files_.back().append(header.data(), sizeof header);
  }
  std::string name(std::size_t index) const {
    if (tokens_ <= tokens_per_file_) return path_;
    const std::filesystem::path path = path_;
    const std::string ending = path.has_extension() ? path.extension().string() : ".bin";
    return path.parent_path() / fmt::format("{}_{:06}{}", path.stem().string(), index, ending);
  }
  std::string path_;
  Element element_;
  uint64_t tokens_, tokens_per_file_, left_ = 0;
  std::vector<OutputFile> files_;
};

}  // namespace

bool is_llmc(const std::string& source) {
  int32_t magic = 0;
  if (!read_front(source, &magic, sizeof magic)) return false;
  return magic == kMagicU16 || magic == kMagicU32;
}

std::unique_ptr<NeighbourReader> open_llmc(const std::string& source, const NeighbourOptions& options) {
  Header header{};
  const FileDescriptor file(source, FileDescriptor::Mode::kRead);
  const std::size_t got = file.read_at(0, header.data(), sizeof header);
  BESSEMER_CHECK_DATA(got == sizeof header, source, ": ", got, " bytes, a header of ", sizeof header,
                      " is expected; it is truncated, copy it again");
  const Element element = element_of_header(source, header);
  BESSEMER_CHECK_DATA(header[2] >= 0, source, ": its header says ", header[2],
                      " tokens: the count of 2^31 or more does not fit; cut the data into smaller files");
  const auto tokens = static_cast<uint64_t>(header[2]);
  const uint64_t size = file.size(), expected = sizeof header + tokens * element.bytes;
  BESSEMER_CHECK_DATA(size == expected, source, ": ", size, " bytes, its header says ", tokens, " tokens of ",
                      name_of(element), ", which takes ", expected, "; it is ",
                      size < expected ? "truncated" : "longer than it says", ", make or copy it again");
  return std::make_unique<FlatFileReader>(TokenFile(source, sizeof header, tokens, element, options.vocab_size),
                                          options.eod_id);
}

std::unique_ptr<NeighbourWriter> make_llmc_writer(const std::string& path, uint32_t vocab_size, uint64_t tokens,
                                                  uint64_t tokens_per_file) {
  BESSEMER_CHECK(tokens_per_file >= 1 && tokens_per_file <= kLlmcMostTokens, "--tokens-per-file ", tokens_per_file,
                 "; 1 to ", kLlmcMostTokens, " are possible in a file of llm.c");
  return std::make_unique<LlmcWriter>(path, vocab_size, tokens, tokens_per_file);
}

}  // namespace bessemer::data
