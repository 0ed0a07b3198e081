#include "data/deal.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <tuple>

#include "data/shard_sink.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

using Hash = std::array<uint64_t, 2>;

/// A document of the inputs, joined from its parts.
struct Document {
  uint64_t index = 0, tokens = 0;
  Hash hash{};
  bool dropped = false;
};

/// The documents of all units in order: those that go on in the next unit are joined.
class DocumentStream {
 public:
  explicit DocumentStream(const Spools& spools) : spools_(spools) {}

  bool next(Document& document) {
    document = {index_, 0, {}, false};
    SpooledDocument part;
    for (bool first = true; read(part); first = false) {
      document.tokens += part.tokens;
      document.hash = first ? part.hash : joined(document.hash, part.hash);
      document.dropped = document.dropped || (part.flags & SpooledDocument::kDropped) != 0;
      if ((part.flags & SpooledDocument::kOpen) != 0) continue;
      ++index_;
      return true;
    }
    return false;
  }

 private:
  /// Of parts that are cut at the same places whenever the file is the same.
  static Hash joined(const Hash& a, const Hash& b) {
    constexpr uint64_t kOdd = 0x9E3779B97F4A7C15u;
    return {(a[0] ^ (b[0] >> 29)) * kOdd + b[0], (a[1] ^ (b[1] >> 31)) * kOdd + b[1]};
  }
  bool read(SpooledDocument& part) {
    for (;; reader_.reset(), ++unit_) {
      if (unit_ == spools_.units.size()) return false;
      if (!reader_) reader_.emplace(spools_.path(unit_), spools_.wide, spools_.units[unit_]);
      if (reader_->next(part)) return true;
    }
  }
  const Spools& spools_;
  std::optional<SpoolReader> reader_;
  std::size_t unit_ = 0;
  uint64_t index_ = 0;
};

/// The tokens of all units, one after another, with their loss mask where there is one.
class Tokens {
 public:
  Tokens(const Spools& spools, bool masked) : spools_(spools), masked_(masked) {}
  void read(uint64_t count, std::vector<uint32_t>& out, std::vector<uint8_t>& mask) {
    out.clear(), mask.clear();
    each(count, [&](uint64_t n) {
      reader_->tokens(n, piece_);
      out.insert(out.end(), piece_.begin(), piece_.end());
      if (!masked_) return;
      reader_->masks(n, mask_piece_);
      mask.insert(mask.end(), mask_piece_.begin(), mask_piece_.end());
    });
  }
  void skip(uint64_t count) {
    each(count, [&](uint64_t n) {
      reader_->skip(n);
      if (masked_) reader_->skip_masks(n);
    });
  }

 private:
  template <class Act>
  void each(uint64_t count, const Act& act) {
    while (count > 0) {
      if (left_ == 0) {
        reader_.emplace(spools_.path(unit_), spools_.wide, spools_.units.at(unit_));
        left_ = spools_.units[unit_++].tokens;
        continue;
      }
      const uint64_t n = std::min(count, left_);
      act(n);
      count -= n, left_ -= n;
    }
  }
  const Spools& spools_;
  bool masked_;
  std::optional<SpoolReader> reader_;
  std::size_t unit_ = 0;
  uint64_t left_ = 0;
  std::vector<uint32_t> piece_;
  std::vector<uint8_t> mask_piece_;
};

/// The lengths of all units' sentences, one after another.
class Sentences {
 public:
  explicit Sentences(const Spools& spools) : spools_(spools) {}
  uint64_t next() {
    uint64_t tokens = 0;
    while (!reader_ || !reader_->next_sentence(tokens)) {
      reader_.emplace(spools_.path(unit_), spools_.wide, spools_.units.at(unit_));
      ++unit_;
    }
    return tokens;
  }

 private:
  const Spools& spools_;
  std::optional<SpoolReader> reader_;
  std::size_t unit_ = 0;
};

/// Marks the later ones of documents with one hash. Hashes are looked at in ranges, so many at a time as memory holds.
std::vector<bool> find_duplicates(const Spools& spools, uint64_t documents, uint64_t memory) {
  struct Seen {
    Hash hash;
    uint64_t index;
    bool operator<(const Seen& o) const { return std::tie(hash, index) < std::tie(o.hash, o.index); }
  };
  const uint64_t at_once = std::max<uint64_t>(1 << 16, memory / 2 / sizeof(Seen));
  const uint64_t rounds = (documents + at_once - 1) / at_once;
  std::vector<bool> drop(documents);
  std::vector<Seen> seen;
  for (uint64_t round = 0; round < rounds; ++round) {
    seen.clear();
    DocumentStream all(spools);
    for (Document d; all.next(d);) {
      if (!d.dropped && d.hash[1] % rounds == round) seen.push_back({d.hash, d.index});
    }
    std::sort(seen.begin(), seen.end());
    for (std::size_t i = 1; i < seen.size(); ++i) {
      if (seen[i].hash == seen[i - 1].hash) drop[seen[i].index] = true;
    }
  }
  return drop;
}

/// Which split a document goes to under kHash: a number in [0, 1) that only its text decides.
const char* split_of(const Hash& hash, const BuildOptions& options) {
  const double place = static_cast<double>(hash[0] >> 11) * 0x1p-53;
  if (place < options.test_fraction) return "test";
  return place < options.test_fraction + options.val_fraction ? "val" : "train";
}

bool used(const Document& d, const Dealing& dealing) {
  return !d.dropped && d.tokens > 0 && (dealing.drop.empty() || !dealing.drop[d.index]);
}

/// The first tokens are train's, then val's, then test's: as nanoGPT, int(n * 0.9).
std::map<std::string, uint64_t> tail_splits(uint64_t tokens, const BuildOptions& options) {
  const auto share = [&](double kept) {
    return std::min(tokens, static_cast<uint64_t>(static_cast<double>(tokens) * kept));
  };
  const uint64_t train = share(1 - options.val_fraction - options.test_fraction);
  const uint64_t val = std::max(train, share(1 - options.test_fraction));
  return {{"train", train}, {"val", val - train}, {"test", tokens - val}};
}

/// The splits' sinks, and which of them is next.
class Dealer {
 public:
  Dealer(const Dealing& dealing, const BuildOptions& options, const ShardFacts& facts, const std::string& out)
      : options_(options) {
    for (const char* split : {"train", "val", "test"}) {
      const auto found = dealing.split_tokens.find(split);
      const uint64_t tokens = found == dealing.split_tokens.end() ? 0 : found->second;
      sinks_.emplace_back(out, facts, split, tokens, static_cast<uint64_t>(options.shard_tokens));
      left_.push_back(tokens);
    }
  }
  void begin(const Document& d) {
    const std::string_view split = options_.split_by == SplitBy::kHash ? split_of(d.hash, options_) : "";
    at_ = split == "val" ? 1 : split == "test" ? 2 : options_.split_by == SplitBy::kHash ? 0 : at_;
  }
  void append(std::span<const uint32_t> ids, std::span<const uint8_t> mask = {}) {
    while (!ids.empty()) {
      if (options_.split_by == SplitBy::kTail) advance();
      const std::size_t n = std::min<uint64_t>(left_[at_], ids.size());
      BESSEMER_CHECK_DATA(n > 0,
                          "there are more tokens than were counted: a file changed while it was read; start again");
      const std::size_t masks = mask.empty() ? 0 : n;
      sinks_[at_].append(ids.first(n), mask.first(masks), within_);
      within_ = true;
      left_[at_] -= n;
      ids = ids.subspan(n), mask = mask.subspan(masks);
    }
  }
  void end_sentence() { sinks_[at_].end_sentence(); }
  void end_document() {
    sinks_[at_].end_document();
    within_ = false;
  }
  std::vector<ShardFacts> finish() {
    std::vector<ShardFacts> all;
    for (auto& sink : sinks_) {
      for (auto& facts : sink.finish()) all.push_back(std::move(facts));
    }
    return all;
  }

 private:
  void advance() {
    while (left_[at_] == 0 && at_ + 1 < sinks_.size()) ++at_;
  }
  const BuildOptions& options_;
  std::deque<ShardSink> sinks_;
  std::vector<uint64_t> left_;
  std::size_t at_ = 0;
  bool within_ = false;  ///< tokens of the open document have gone out already
};

}  // namespace

std::string Spools::path(std::size_t unit) const { return fmt::format("{}/{:08}", folder, unit); }

Dealing plan_dealing(const Spools& spools, const BuildOptions& options, int64_t eod_id) {
  Dealing dealing;
  uint64_t records = 0, tokens = 0;
  for (const auto& unit : spools.units) records += unit.documents;
  if (options.drop_duplicates) dealing.drop = find_duplicates(spools, records, options.memory);
  DocumentStream all(spools);
  for (Document d; all.next(d);) {
    dealing.duplicates += !dealing.drop.empty() && dealing.drop[d.index];
    if (!used(d, dealing)) continue;
    const uint64_t n = d.tokens + (eod_id >= 0);
    ++dealing.documents, tokens += n;
    if (options.split_by == SplitBy::kHash) dealing.split_tokens[split_of(d.hash, options)] += n;
  }
  if (options.split_by == SplitBy::kTail) dealing.split_tokens = tail_splits(tokens, options);
  return dealing;
}

std::vector<ShardFacts> deal(const Spools& spools, const Dealing& dealing, const BuildOptions& options,
                             const ShardFacts& facts, const std::string& out,
                             const std::function<void(uint64_t)>& progress) {
  constexpr uint64_t kPiece = 1 << 18;
  Dealer dealer(dealing, options, facts, out);
  DocumentStream all(spools);
  Tokens tokens(spools, facts.loss_mask);
  Sentences sentences(spools);
  std::vector<uint32_t> ids;
  std::vector<uint8_t> mask;
  const auto eod = static_cast<uint32_t>(facts.eod_id);
  for (Document d; all.next(d);) {
    if (!used(d, dealing)) {
      tokens.skip(d.tokens);
      for (uint64_t left = facts.sentences ? d.tokens : 0; left > 0;) left -= sentences.next();
      continue;
    }
    dealer.begin(d);
    for (uint64_t left = d.tokens; left > 0; left -= ids.size()) {
      tokens.read(facts.sentences ? sentences.next() : std::min(left, kPiece), ids, mask);
      dealer.append(ids, mask);
      progress(ids.size());
      if (facts.sentences && left > ids.size()) dealer.end_sentence();
    }
    if (facts.eod_id >= 0) dealer.append({&eod, 1});
    if (facts.sentences) dealer.end_sentence();
    dealer.end_document();
  }
  return dealer.finish();
}

}  // namespace bessemer::data
