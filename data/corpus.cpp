#include "data/corpus.h"

#include <algorithm>

#include "data/packed_corpus.h"
#include "data/pair_corpus.h"
#include "data/shard_set.h"
#include "data/shard_tokens.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

/// Windows over all documents: row w is tokens [w s, w s + s + 1), or one less without next tokens.
class StreamCorpus final : public ShardCorpus {
 public:
  StreamCorpus(ShardTokens tokens, const Cut& cut) : ShardCorpus(std::move(tokens), cut) {}
  int64_t rows() const override { return (tokens() - (cut_.next_token ? 1 : 0)) / sequence(); }
  bool has_documents() const override { return cut_.document_mask; }

  void read_row(int64_t row, const RowRoom& out) const override {
    check_room(row, out, sequence() + 1);
    const int64_t first = row * sequence();
    out.tokens.back() = 0;
    all_.read(first, cut_.next_token ? out.tokens : out.tokens.first(out.tokens.size() - 1));
    std::fill(out.counted.begin(), out.counted.end(), uint8_t{1});
    if (cut_.document_mask) read_documents(first, out);
    leave_out(first + (cut_.next_token ? 1 : 0), out.counted);
  }

 private:
  void read_documents(int64_t first, const RowRoom& out) const {
    const int64_t s = sequence();
    int64_t start = 0;
    const int64_t d = all_.first_document_from(first + 1);
    std::vector<int64_t> begins;  // in the row, behind its first position
    for (int64_t at = d; at < all_.documents() && (begins.empty() || begins.back() <= s); at += 256) {
      for (const int64_t begin : all_.document_begins(at, std::min(at + 256, all_.documents())))
        begins.push_back(begin - first);
    }
    auto next = begins.begin();
    for (int64_t i = 0; i < s; ++i) {
      while (next != begins.end() && *next == i) start = i, ++next;
      if (!out.starts.empty()) out.starts[static_cast<std::size_t>(i)] = start;
      if (!out.counted.empty() && cut_.next_token)
        out.counted[static_cast<std::size_t>(i)] = next == begins.end() || *next != i + 1;
    }
  }
};

}  // namespace

void ShardCorpus::check_room(int64_t row, const RowRoom& out, int64_t least) const {
  BESSEMER_CHECK_DATA(row >= 0 && row < rows(), all_.path(), ": row ", row, " of ", rows(), " is wanted");
  const auto tokens = static_cast<int64_t>(out.tokens.size());
  const auto fits = [&](std::size_t size) { return size == 0 || size + 1 == out.tokens.size(); };
  BESSEMER_CHECK_DATA(
      tokens >= least && tokens <= sequence() + 1 && fits(out.starts.size()) && fits(out.counted.size()), "a row has ",
      least, " tokens, room for ", tokens, " was given");
}

void ShardCorpus::leave_out(int64_t first, std::span<uint8_t> counted) const {
  if (!has_loss_mask() || counted.empty()) return;
  std::vector<uint8_t> mask(counted.size());
  all_.loss_mask(first, mask);
  for (std::size_t i = 0; i < mask.size(); ++i) counted[i] &= mask[i];
}

std::shared_ptr<const Corpus> Corpus::open(const std::string& directory, const std::string& split, const Cut& cut) {
  return Corpus::cut(ShardTokens(open_shards(directory, split, cut.verify)), directory, split, cut);
}

std::shared_ptr<const Corpus> Corpus::cut(ShardTokens tokens, const std::string& source, const std::string& split,
                                          const Cut& cut) {
  BESSEMER_CHECK(cut.sequence >= 1, "a sequence of ", cut.sequence, " tokens; at least 1 is expected");
  if (cut.pairs.kind != PairKind::kNone) {
    BESSEMER_CHECK(cut.sequence >= 5, "model.sequence ", cut.sequence, " has no room for a pair; choose 5 or more");
    auto corpus = std::make_shared<PairCorpus>(std::move(tokens), cut);
    BESSEMER_CHECK_DATA(corpus->rows() > 0, source, ": split '", split,
                        "' has no sentence of two tokens, so no pair; use more text");
    return corpus;
  }
  if (cut.mode != Mode::kStream) {
    auto corpus = std::make_shared<PackedCorpus>(std::move(tokens), cut);
    BESSEMER_CHECK_DATA(corpus->rows() > 0, source, ": split '", split,
                        "' has no document of two tokens, so nothing to predict; use more text");
    return corpus;
  }
  auto corpus = std::make_shared<StreamCorpus>(std::move(tokens), cut);
  BESSEMER_CHECK_DATA(corpus->tokens() >= cut.sequence + 1, source, ": split '", split, "' has ", corpus->tokens(),
                      " tokens, at least sequence + 1 = ", cut.sequence + 1,
                      " are expected; use more text or a shorter model.sequence",
                      split == "val" ? ", or name other sets with data.validation" : "");
  return corpus;
}

}  // namespace bessemer::data
