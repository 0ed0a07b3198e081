#include "data/tokenizers/sp_bpe.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <unordered_map>
#include <utility>

#include "data/utf8.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

constexpr uint32_t kNone = ScoredPieces::kNone, kFrozen = 1u << 31;
constexpr std::string_view kSpace = "\xE2\x96\x81";  // U+2581
// Up to here, looking through all pairs for the best one is faster than a heap.
constexpr std::size_t kFew = 48;
// SentencePiece gives up there.
constexpr int kMostUnusedWithin = 100;
constexpr std::size_t kMostUserDefinedAtOnce = 64;
// A vocabulary of 256,000 pieces has fewer than two million.
constexpr std::size_t kMostMerges = std::size_t{1} << 24;

/// Greater for greater scores, and 0 above -0, as SentencePiece compares them.
uint32_t order_of(double score) {
  const auto bits = std::bit_cast<uint32_t>(static_cast<float>(score));
  return bits >> 31 != 0 ? ~bits : bits | 0x80000000u;
}

/// The upper bits of the product, which every bit of the pair has a part in.
std::size_t slot_of(uint64_t pair, std::size_t size) {
  return static_cast<std::size_t>(pair * 0x9E3779B97F4A7C15u >> (64 - std::countr_zero(size)));
}

}  // namespace

SpBpe::SpBpe(ScoredPieces pieces) : pieces_(std::move(pieces)) {
  std::vector<ByteTrie::Entry> user_defined;
  for (std::size_t id = 0; id < pieces_.size(); ++id) {
    has_unused_ |= pieces_[id].type == PieceType::kUnused;
    if (pieces_[id].type == PieceType::kUserDefined)
      user_defined.push_back({pieces_[id].text, static_cast<uint32_t>(id)});
  }
  has_user_defined_ = !user_defined.empty();
  user_defined_ = ByteTrie(std::move(user_defined));
  number_characters();
  find_merges();
  words_ = find_words();
}

bool SpBpe::merges(std::size_t id) const {
  return pieces_[id].type == PieceType::kNormal || pieces_[id].type == PieceType::kUnused;
}

void SpBpe::number_characters() {
  auto next = static_cast<uint32_t>(pieces_.size());
  const auto symbol_of = [&](uint32_t code) -> uint32_t& {
    if (code >= characters_.size()) characters_.resize(std::max<std::size_t>(code + 1, 128), kNone);
    return characters_[code];
  };
  uint32_t code = 0;
  symbol_of(code) = kNone;
  for (std::size_t id = 0; id < pieces_.size(); ++id) {
    const std::string_view text = pieces_[id].text;
    if (merges(id) && decode_utf8(text, code) == static_cast<int>(text.size()))
      symbol_of(code) = static_cast<uint32_t>(id);
  }
  for (std::size_t id = 0; id < pieces_.size(); ++id) {
    if (!merges(id)) continue;
    const std::string_view text = pieces_[id].text;
    for (std::size_t at = 0; at < text.size(); at += static_cast<std::size_t>(decode_utf8(text.substr(at), code))) {
      decode_utf8(text.substr(at), code);
      if (uint32_t& symbol = symbol_of(code); symbol == kNone) symbol = next++;
    }
  }
}

std::vector<uint32_t> SpBpe::rank_scores() const {
  std::vector<uint32_t> orders;
  for (std::size_t id = 0; id < pieces_.size(); ++id) orders.push_back(order_of(pieces_[id].score));
  auto sorted = orders;
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  for (auto& order : orders)
    order =
        static_cast<uint32_t>(std::lower_bound(sorted.begin(), sorted.end(), order, std::greater<>()) - sorted.begin());
  return orders;
}

/// For each piece, all the ways to make it of two symbols: its fronts and its backs that are symbols, found with two
/// trees.
void SpBpe::find_merges() {
  std::vector<std::string> backwards(pieces_.size());
  std::vector<ByteTrie::Entry> entries, backward_entries;
  for (std::size_t id = 0; id < pieces_.size(); ++id) {
    if (!merges(id)) continue;
    const std::string_view text = pieces_[id].text;
    backwards[id].assign(text.rbegin(), text.rend());
    entries.push_back({text, static_cast<uint32_t>(id)});
    backward_entries.push_back({backwards[id], static_cast<uint32_t>(id)});
  }
  const ByteTrie fronts(std::move(entries)), backs(std::move(backward_entries));
  const auto ranks = rank_scores();
  table_.assign(2, {0, 0, kNone});
  std::vector<uint32_t> left;
  for (std::size_t id = 0; id < pieces_.size(); ++id) {
    if (!merges(id)) continue;
    const std::string_view text = pieces_[id].text;
    // left[i]: the symbol that is the first i bytes.
    left.assign(text.size() + 1, kNone);
    ByteTrie::Node node = fronts.root();
    for (std::size_t i = 0; i < text.size() && fronts.step(node, text[i]); ++i) left[i + 1] = node.id;
    uint32_t code = 0;
    const int first = decode_utf8(text, code);
    left[static_cast<std::size_t>(first)] = characters_[code];
    std::size_t last = text.size() - 1;
    while ((static_cast<unsigned char>(text[last]) & 0xC0) == 0x80) --last;
    decode_utf8(text.substr(last), code);
    node = backs.root();
    for (std::size_t i = text.size() - 1; i > 0 && backs.step(node, text[i]); --i) {
      const uint32_t right = i == last ? characters_[code] : node.id;
      if (left[i] != kNone && right != kNone)
        add_merge({uint64_t{left[i]} << 32 | right, ranks[id], static_cast<uint32_t>(id)});
    }
  }
}

void SpBpe::add_merge(const Merge& merge) {
  BESSEMER_CHECK_DATA(merge_count_ < kMostMerges, "BPE: its pieces can be made in more than ", kMostMerges,
                      " ways, the most that is provided for");
  if (2 * ++merge_count_ > table_.size()) {
    std::vector<Merge> old(2 * table_.size(), {0, 0, kNone});
    old.swap(table_);
    merge_count_ = 1;
    for (const auto& each : old) {
      if (each.symbol != kNone) add_merge(each);
    }
  }
  std::size_t slot = slot_of(merge.pair, table_.size());
  while (table_[slot].symbol != kNone) slot = (slot + 1) & (table_.size() - 1);
  table_[slot] = merge;
}

const SpBpe::Merge* SpBpe::find_merge(uint32_t left, uint32_t right) const {
  const uint64_t pair = uint64_t{left} << 32 | right;
  for (std::size_t slot = slot_of(pair, table_.size());; slot = (slot + 1) & (table_.size() - 1)) {
    if (table_[slot].symbol == kNone) return nullptr;
    if (table_[slot].pair == pair) return &table_[slot];
  }
}

/// Words can be merged each for itself where no piece reaches from one into the next. What an unused piece falls apart
/// into is decided by the whole text.
SpBpe::Words SpBpe::find_words() const {
  if (has_unused_) return Words::kNone;
  bool begin = true, end = true;
  for (std::size_t id = 0; id < pieces_.size(); ++id) {
    if (!pieces_.matches_text(id)) continue;
    const std::string_view text = pieces_[id].text;
    for (std::size_t at = text.find(kSpace); at != std::string_view::npos; at = text.find(kSpace, at + kSpace.size())) {
      const auto after = text.substr(at + kSpace.size());
      begin &= at == 0 || text.substr(0, at).ends_with(kSpace);
      end &= after.empty() || after.starts_with(kSpace);
    }
  }
  return begin ? Words::kBeginWithSpace : end ? Words::kEndWithSpace : Words::kNone;
}

/// Merges any number of symbols by a heap, and remembers what unused pieces were merged from.
class SpBpe::Agenda {
 public:
  Agenda(const SpBpe& bpe, Scratch& scratch) : bpe_(bpe), symbols_(scratch.symbols), heap_(scratch.heap) {}

  void run() {
    heap_.clear();
    for (std::size_t i = 0; i < symbols_.size(); ++i) {
      symbols_[i].previous = static_cast<int32_t>(i) - 1;
      symbols_[i].next = i + 1 < symbols_.size() ? static_cast<int32_t>(i) + 1 : -1;
    }
    for (std::size_t i = 0; i + 1 < symbols_.size(); ++i)
      consider(static_cast<int32_t>(i), static_cast<int32_t>(i) + 1);
    std::make_heap(heap_.begin(), heap_.end(), later);
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), later);
      const Scratch::Candidate best = heap_.back();
      heap_.pop_back();
      merge(best);
    }
  }

  /// \param symbol  an unused piece, or a part of one.
  void fall_apart(uint32_t symbol, std::string_view text, ScoredPieces::Output& out) const {
    struct Part {
      uint32_t symbol;
      std::string_view text;
      int within;
    };
    std::vector<Part> stack{{symbol, text, 0}};
    while (!stack.empty()) {
      const Part part = stack.back();
      stack.pop_back();
      const auto made = made_from_.find(part.symbol);
      if (part.symbol >= bpe_.pieces_.size()) {
        out.unknown(part.text);
      } else if (bpe_.pieces_[part.symbol].type != PieceType::kUnused || part.within > kMostUnusedWithin) {
        out.piece(part.symbol);
      } else if (made == made_from_.end()) {
        out.unknown(part.text);
      } else {
        const auto& [left, right, length] = made->second;
        stack.push_back({right, part.text.substr(length), part.within + 1});
        stack.push_back({left, part.text.substr(0, length), part.within + 1});
      }
    }
  }

 private:
  struct MadeFrom {
    uint32_t left, right, left_length;
  };
  static bool later(const Scratch::Candidate& a, const Scratch::Candidate& b) { return a.key > b.key; }
  Symbol& at(int32_t i) { return symbols_[static_cast<std::size_t>(i)]; }

  void merge(const Scratch::Candidate& best) {
    const auto position = static_cast<int32_t>(best.key & 0xFFFFFFFF);
    Symbol& left = at(position);
    if (left.length == 0 || left.next < 0 || left.id != best.left_id || at(left.next).id != best.right_id) return;
    Symbol& right = at(left.next);
    left.id = bpe_.find_merge(left.id, right.id)->symbol;
    left.length += std::exchange(right.length, 0);
    left.next = right.next;
    if (left.next >= 0) at(left.next).previous = position;
    for (const auto& [first, second] : {std::pair(left.previous, position), std::pair(position, left.next)}) {
      if (first >= 0 && second >= 0 && consider(first, second)) std::push_heap(heap_.begin(), heap_.end(), later);
    }
  }

  bool consider(int32_t left, int32_t right) {
    const Merge* merge = bpe_.find_merge(at(left).id, at(right).id);
    if (merge == nullptr) return false;
    heap_.push_back({uint64_t{merge->rank} << 32 | static_cast<uint32_t>(left), at(left).id, at(right).id});
    if (bpe_.pieces_[merge->symbol].type == PieceType::kUnused)
      made_from_[merge->symbol] = {at(left).id, at(right).id, at(left).length};
    return true;
  }

  const SpBpe& bpe_;
  Symbols& symbols_;
  std::vector<Scratch::Candidate>& heap_;
  std::unordered_map<uint32_t, MadeFrom> made_from_;  ///< unused pieces: the last pair seen that makes one
};

void SpBpe::encode(std::string_view piece, Scratch& scratch, TokenIds& out) const {
  BESSEMER_CHECK_DATA(piece.size() < std::numeric_limits<int32_t>::max(), "BPE: a text of ", piece.size(),
                      " bytes; less than 2 GiB is expected: cut it into smaller ones");
  ScoredPieces::Output output(pieces_, out);
  Agenda agenda(*this, scratch);
  for (std::size_t begin = 0, end = 0; begin < piece.size(); begin = end) {
    end = read_word(piece, begin, scratch.symbols);
    if (scratch.symbols.size() <= kFew && !has_unused_)
      merge_few(scratch);
    else
      agenda.run();
    emit(piece.substr(begin, end - begin), scratch.symbols, agenda, output);
  }
}

bool SpBpe::word_begins(std::string_view text, std::size_t at) const {
  const auto space_at = [&](std::size_t i) {
    return text[i] == kSpace[0] && text.compare(i, kSpace.size(), kSpace) == 0;
  };
  if (words_ == Words::kBeginWithSpace) return space_at(at) && !(at >= kSpace.size() && space_at(at - kSpace.size()));
  return words_ == Words::kEndWithSpace && at >= kSpace.size() && space_at(at - kSpace.size()) && !space_at(at);
}

/// The symbols of the word that begins at `begin`; returns where it ends.
std::size_t SpBpe::read_word(std::string_view text, std::size_t begin, Symbols& symbols) const {
  symbols.clear();
  std::size_t at = begin;
  do {
    if (has_user_defined_) {
      const auto match = user_defined_.longest(text.substr(at), kMostUserDefinedAtOnce);
      if (match.length > 0) {
        symbols.push_back({kFrozen | match.id, static_cast<uint32_t>(match.length), -1, -1});
        at += match.length;
        continue;
      }
    }
    uint32_t code = static_cast<unsigned char>(text[at]);
    const int length = code < 0x80 ? 1 : decode_utf8(text.substr(at), code);
    const uint32_t symbol = code < characters_.size() ? characters_[code] : kNone;
    symbols.push_back({symbol, static_cast<uint32_t>(length), -1, -1});
    at += static_cast<std::size_t>(length);
  } while (at < text.size() && !word_begins(text, at));
  return at;
}

/// As an agenda would: the best pair of all, the leftmost of equals, until none is left.
void SpBpe::merge_few(Scratch& scratch) const {
  constexpr uint64_t kNoMerge = std::numeric_limits<uint64_t>::max();
  auto& symbols = scratch.symbols;
  auto& pairs = scratch.heap;  // of symbols i and i + 1: the rank, and what they become
  const auto pair_of = [&](std::size_t i) {
    const Merge* merge = find_merge(symbols[i].id, symbols[i + 1].id);
    return merge == nullptr ? Scratch::Candidate{kNoMerge, 0, 0} : Scratch::Candidate{merge->rank, merge->symbol, 0};
  };
  pairs.clear();
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i) pairs.push_back(pair_of(i));
  while (!pairs.empty()) {
    const auto best =
        std::min_element(pairs.begin(), pairs.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
    if (best->key == kNoMerge) return;
    const auto i = best - pairs.begin();
    const auto left = static_cast<std::size_t>(i);
    symbols[left].id = best->left_id;
    symbols[left].length += symbols[left + 1].length;
    symbols.erase(symbols.begin() + i + 1);
    pairs.erase(best);
    if (left > 0) pairs[left - 1] = pair_of(left - 1);
    if (left < pairs.size()) pairs[left] = pair_of(left);
  }
}

void SpBpe::emit(std::string_view word, const Symbols& symbols, const Agenda& agenda, ScoredPieces::Output& out) const {
  std::size_t at = 0;
  for (const auto& symbol : symbols) {
    if (symbol.length == 0) continue;  // merged into its left neighbour
    const auto text = word.substr(at, symbol.length);
    at += symbol.length;
    if (symbol.id != kNone && (symbol.id & kFrozen) != 0)
      out.piece(symbol.id & ~kFrozen);
    else if (symbol.id >= pieces_.size())
      out.unknown(text);
    else if (pieces_[symbol.id].type == PieceType::kUnused)
      agenda.fall_apart(symbol.id, text, out);
    else
      out.piece(symbol.id);
  }
}

}  // namespace bessemer::data
