#include "data/tokenizers/bpe.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "data/utf8.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

constexpr std::size_t kFew = 32;  ///< up to so many symbols, a look at all pairs is faster than a heap

}  // namespace

Bpe::Bpe(Options options) : options_(std::move(options)) {
  const auto& tokens = options_.tokens;
  ids_.reserve(tokens.size());
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].empty()) continue;
    const auto [at, fresh] = ids_.emplace(tokens[id], static_cast<uint32_t>(id));
    BESSEMER_CHECK_DATA(fresh, options_.name, ": ids ", at->second, " and ", id, " are the same token '", tokens[id],
                        "'");
  }
  fill_bytes();
  fill_merges();
}

int64_t Bpe::id_of(std::string_view token) const {
  const auto at = ids_.find(token);
  return at == ids_.end() ? int64_t{-1} : int64_t{at->second};
}

void Bpe::fill_bytes() {
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const std::string token =
        options_.bytes ? std::string(1, static_cast<char>(byte)) : fmt::format("<0x{:02X}>", byte);
    const int64_t id = options_.bytes || options_.byte_fallback ? id_of(token) : -1;
    byte_ids_[byte] = id < 0 ? kNone : static_cast<uint32_t>(id);
  }
}

void Bpe::fill_merges() {
  const std::size_t size = std::bit_ceil(std::max<std::size_t>(16, 2 * options_.merges.size()));
  merges_.resize(size);
  mask_ = size - 1;
  shift_ = 64 - std::countr_zero(size);
  const std::size_t count = options_.tokens.size();
  for (std::size_t rank = 0; rank < options_.merges.size(); ++rank) {
    const auto [left, right] = options_.merges[rank];
    BESSEMER_CHECK_DATA(left < count && right < count, options_.name, ": merge ", rank + 1,
                        " has an id beyond the vocabulary of ", count);
    const int64_t id = id_of(options_.tokens[left] + options_.tokens[right]);
    BESSEMER_CHECK_DATA(id >= 0, options_.name, ": merge ", rank + 1, " makes '", options_.tokens[left],
                        options_.tokens[right], "', which is not in the vocabulary");
    const uint64_t pair = uint64_t{left} << 32 | right;
    std::size_t at = slot(pair);
    while (merges_[at].rank != kNone && merges_[at].pair != pair) at = (at + 1) & mask_;
    merges_[at] = {pair, static_cast<uint32_t>(rank),
                   static_cast<uint32_t>(id)};  // of twins the last one counts, as in the reference
  }
  options_.merges.clear();
  options_.merges.shrink_to_fit();
}

void Bpe::encode(std::string_view piece, Scratch& scratch, TokenIds& out) const {
  if (piece.empty()) return;
  if (options_.ignore_merges) {
    const int64_t whole = id_of(piece);
    if (whole >= 0) return out.push_back(static_cast<uint32_t>(whole));
  }
  scratch.ids.clear();
  if (options_.bytes)
    begin_with_bytes(piece, scratch.ids);
  else
    begin_with_characters(piece, scratch.ids);
  if (scratch.ids.size() <= kFew)
    merge_few(scratch, out);
  else
    merge_many(scratch, out);
}

void Bpe::begin_with_bytes(std::string_view piece, TokenIds& ids) const {
  for (const char c : piece) {
    const uint32_t id = byte_ids_[static_cast<unsigned char>(c)];
    if (id != kNone)
      ids.push_back(id);
    else if (options_.unk >= 0)
      ids.push_back(static_cast<uint32_t>(options_.unk));
  }
}

bool Bpe::fall_back_to_bytes(std::string_view character, TokenIds& ids) const {
  if (!options_.byte_fallback) return false;
  const auto id = [&](char c) { return byte_ids_[static_cast<unsigned char>(c)]; };
  if (std::any_of(character.begin(), character.end(), [&](char c) { return id(c) == kNone; })) return false;
  for (const char c : character) ids.push_back(id(c));
  return true;
}

void Bpe::begin_with_characters(std::string_view piece, TokenIds& ids) const {
  bool after_unknown = false;
  for (std::size_t at = 0; at < piece.size();) {
    uint32_t code = 0;
    const auto length = static_cast<std::size_t>(std::max(1, decode_utf8(piece.substr(at), code)));
    const std::string_view character = piece.substr(at, length);
    at += length;
    const int64_t id = id_of(character);
    if (id >= 0) ids.push_back(static_cast<uint32_t>(id));
    const bool known = id >= 0 || fall_back_to_bytes(character, ids);
    if (!known && options_.unk >= 0 && !(options_.fuse_unk && after_unknown))
      ids.push_back(static_cast<uint32_t>(options_.unk));
    after_unknown = !known;
  }
}

/// Looks at all pairs for each merge: quadratic, and the fastest way for a word.
void Bpe::merge_few(Scratch& scratch, TokenIds& out) const {
  auto& ids = scratch.ids;
  std::size_t n = ids.size();
  std::array<uint32_t, kFew + 1> ranks;  // of the pair that begins here
  std::array<uint32_t, kFew + 1> made;
  const auto look = [&](std::size_t i) {
    const Merge merge = find(ids[i], ids[i + 1]);
    ranks[i] = merge.rank, made[i] = merge.id;
  };
  for (std::size_t i = 0; i + 1 < n; ++i) look(i);
  while (n > 1) {
    const auto least = std::min_element(ranks.begin(), ranks.begin() + static_cast<std::ptrdiff_t>(n - 1));
    if (*least == kNone) break;
    const auto i = static_cast<std::size_t>(least - ranks.begin());
    ids[i] = made[i];
    for (std::size_t k = i + 1; k + 1 < n; ++k) ids[k] = ids[k + 1];
    for (std::size_t k = i + 1; k + 2 < n; ++k) ranks[k] = ranks[k + 1], made[k] = made[k + 1];
    --n;
    if (i + 1 < n) look(i);
    if (i > 0) look(i - 1);
  }
  out.insert(out.end(), ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(n));
}

/// The heap's order: the smallest key on top.
constexpr auto kLater = [](const Scratch::Candidate& x, const Scratch::Candidate& y) { return x.key > y.key; };

/// Appends the pair that begins at `left`, if it can merge.
bool Bpe::offer(Scratch& scratch, int32_t left) const {
  if (left < 0) return false;
  const auto& a = scratch.symbols[static_cast<std::size_t>(left)];
  if (a.next < 0) return false;
  const auto& b = scratch.symbols[static_cast<std::size_t>(a.next)];
  const Merge merge = find(a.id, b.id);
  if (merge.rank == kNone) return false;
  scratch.heap.push_back({uint64_t{merge.rank} << 32 | static_cast<uint32_t>(left), a.id, b.id});
  return true;
}

/// A heap of pairs over a linked list: n log n, for words of any length.
void Bpe::merge_many(Scratch& scratch, TokenIds& out) const {
  auto& symbols = scratch.symbols;
  auto& heap = scratch.heap;
  symbols.clear(), heap.clear();
  const auto n = static_cast<int32_t>(scratch.ids.size());
  for (int32_t i = 0; i < n; ++i)
    symbols.push_back({scratch.ids[static_cast<std::size_t>(i)], 1, i - 1, i + 1 < n ? i + 1 : -1});
  for (int32_t i = 0; i + 1 < n; ++i) offer(scratch, i);
  std::make_heap(heap.begin(), heap.end(), kLater);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), kLater);
    const auto top = heap.back();
    heap.pop_back();
    auto& left = symbols[static_cast<uint32_t>(top.key)];
    if (left.length == 0 || left.id != top.left_id || left.next < 0) continue;  // out of date
    auto& right = symbols[static_cast<std::size_t>(left.next)];
    if (right.id != top.right_id) continue;
    left.id = find(left.id, right.id).id;
    right.length = 0;
    left.next = right.next;
    const auto at = static_cast<int32_t>(static_cast<uint32_t>(top.key));
    if (right.next >= 0) symbols[static_cast<std::size_t>(right.next)].previous = at;
    for (const int32_t begin : {left.previous, at}) {
      if (offer(scratch, begin)) std::push_heap(heap.begin(), heap.end(), kLater);
    }
  }
  for (int32_t i = 0; i >= 0; i = symbols[static_cast<std::size_t>(i)].next)
    out.push_back(symbols[static_cast<std::size_t>(i)].id);
}

}  // namespace bessemer::data
