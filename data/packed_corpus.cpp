#include "data/packed_corpus.h"

#include <algorithm>
#include <map>

#include "parallel/error.h"

namespace bessemer::data {
namespace {

constexpr int64_t kStretch = 1 << 20;
constexpr std::size_t kHeld = 256;  // about 16 MB

}  // namespace

std::vector<PackedRow> pack(std::vector<Piece> pieces, int64_t room) {
  std::stable_sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) { return a.tokens > b.tokens; });
  std::vector<PackedRow> rows;
  std::multimap<int64_t, std::size_t> left;  // room of rows that have some
  for (const Piece& piece : pieces) {
    auto fits = left.lower_bound(piece.tokens);
    int64_t rest = room - piece.tokens;
    std::size_t row = rows.size();
    if (fits == left.end()) {
      rows.emplace_back();
    } else {
      rest = fits->first - piece.tokens, row = fits->second;
      left.erase(fits);
    }
    rows[row].push_back(piece);
    if (rest >= 2) left.emplace(rest, row);
  }
  return rows;
}

PackedCorpus::PackedCorpus(ShardTokens tokens, const Cut& cut)
    : ShardCorpus(std::move(tokens), cut), packed_((all_.size() + kStretch - 1) / kStretch, kHeld,
                                                   [this](int64_t stretch) { return pack_stretch(stretch); }),
      padding_(all_.facts().pad_id >= 0 ? all_.facts().pad_id : std::max<int64_t>(0, all_.facts().eod_id)) {}

std::vector<PackedRow> PackedCorpus::pack_stretch(int64_t stretch) const {
  const int64_t first = all_.first_document_from(stretch * kStretch),
                last = all_.first_document_from(std::min((stretch + 1) * kStretch, all_.size()));
  const auto begins = all_.document_begins(first, last + 1);
  const int64_t room = cut_.sequence + (cut_.next_token ? 1 : 0);
  std::vector<Piece> pieces;
  for (std::size_t d = 0; d + 1 < begins.size(); ++d) {
    for (int64_t at = begins[d]; begins[d + 1] - at >= 2; at += cut_.sequence)
      pieces.push_back({at, std::min(begins[d + 1] - at, room)});
  }
  if (cut_.mode == Mode::kPacked) return pack(std::move(pieces), room);
  std::vector<PackedRow> rows;
  for (const Piece& piece : pieces) rows.push_back({piece});
  return rows;
}

int64_t PackedCorpus::row_tokens(int64_t row) const {
  return cut_.mode == Mode::kPadded ? packed_.row(row)->front().tokens + (cut_.next_token ? 0 : 1) : sequence() + 1;
}

void PackedCorpus::read_row(int64_t row, const RowRoom& out) const {
  check_room(row, out, row_tokens(row));
  const auto pieces = packed_.row(row);
  std::size_t at = 0;
  const auto fill = [&](std::size_t begin, std::size_t end, bool counted) {
    const std::size_t limit = std::min(end, out.tokens.size() - 1);
    for (std::size_t i = begin; i < limit; ++i) {
      if (!out.starts.empty()) out.starts[i] = static_cast<int64_t>(begin);
      if (!out.counted.empty()) out.counted[i] = counted && (!cut_.next_token || i + 1 < end);
    }
  };
  for (const Piece& piece : *pieces) {
    const auto n = static_cast<std::size_t>(piece.tokens);
    all_.read(piece.first, out.tokens.subspan(at, n));
    fill(at, at + n, true);
    const std::size_t ahead = cut_.next_token ? 1 : 0;
    if (!out.counted.empty()) leave_out(piece.first + static_cast<int64_t>(ahead), out.counted.subspan(at, n - ahead));
    at += n;
  }
  std::fill(out.tokens.begin() + static_cast<std::ptrdiff_t>(at), out.tokens.end(), padding_);
  fill(at, out.tokens.size(), false);
}

}  // namespace bessemer::data
