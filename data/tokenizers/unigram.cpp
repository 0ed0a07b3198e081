#include "data/tokenizers/unigram.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "parallel/error.h"

namespace bessemer::data {
namespace {

constexpr double kUnknownCosts = 10;
constexpr float kStartAgainBeyond = 100000;

std::size_t character_length(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

}  // namespace

Unigram::Unigram(ScoredPieces pieces, Sum sum) : pieces_(std::move(pieces)), sum_(sum) {
  double least = std::numeric_limits<float>::max();
  std::vector<ByteTrie::Entry> entries;
  for (std::size_t id = 0; id < pieces_.size(); ++id) {
    const auto& [text, score, type] = pieces_[id];
    if (type == PieceType::kNormal) least = std::min(least, score);
    // SentencePiece prefers what the user defined to almost anything, and the longer the more.
    scores_.push_back(type == PieceType::kUserDefined ? 0.1 * (static_cast<double>(text.size()) - 1) : score);
    rounded_.push_back(static_cast<float>(scores_.back()));
    if (!pieces_.matches_text(id)) continue;
    entries.push_back({text, static_cast<uint32_t>(id)});
    longest_ = std::max(longest_, text.size());
  }
  unknown_score_ = least - kUnknownCosts;
  trie_ = ByteTrie(std::move(entries));
}

void Unigram::encode(std::string_view piece, Scratch& scratch, TokenIds& out) const {
  BESSEMER_CHECK_DATA(piece.size() < std::numeric_limits<int32_t>::max(), "Unigram: a text of ", piece.size(),
                      " bytes; less than 2 GiB is expected: cut it into smaller ones");
  if (sum_ == Sum::kFloat)
    search<float>(piece, rounded_, scratch, out);
  else
    search<double>(piece, scores_, scratch, out);
}

/// Looks at a window of the text: from the last place that every path goes through, to where the farthest piece so far
/// ends. Where pieces keep to words, that is a word, which stays in the nearest cache however long the text is.
template <class Real>
void Unigram::search(std::string_view text, const std::vector<Real>& scores, Scratch& scratch, TokenIds& out) const {
  ScoredPieces::Output output(pieces_, out);
  const auto unknown_score = static_cast<Real>(unknown_score_);
  std::size_t window = 0;         // where it begins in the text
  std::size_t at = 0, reach = 0;  // in the window: where pieces begin now, and where the farthest one so far ends
  Real so_far = 0;
  while (window < text.size()) {
    const std::string_view rest = text.substr(window + at);
    if (const std::size_t most = at + std::min(longest_, rest.size()); scratch.best.size() <= most)
      scratch.best.resize(most + 1);
    Scratch::Best* const best = scratch.best.data();
    if constexpr (std::is_same_v<Real, float>) {
      // SentencePiece counts from 0 again before a float runs out of digits.
      if (std::abs(so_far) > kStartAgainBeyond) {
        for (std::size_t end = at + 1; end <= reach; ++end)
          best[end].score = static_cast<float>(best[end].score) - so_far;
        so_far = 0;
      }
    }
    const auto offer = [&](std::size_t end, Real score, uint32_t id) {
      if (end > reach) {
        while (++reach < end) best[reach].begin = -1;
      } else if (best[end].begin >= 0 && !(score > static_cast<Real>(best[end].score))) {
        return;
      }
      best[end] = {score, static_cast<int32_t>(at), id};
    };
    const std::size_t width = character_length(rest[0]);
    bool covered = false;
    ByteTrie::Node node = trie_.root();
    for (std::size_t i = 0; i < rest.size() && trie_.step(node, rest[i]); ++i) {
      if (node.id == ByteTrie::kNone) continue;
      offer(at + i + 1, so_far + scores[node.id], node.id);
      covered |= i + 1 == width;
    }
    if (!covered) offer(at + width, so_far + unknown_score, ScoredPieces::kNone);
    at += width;
    so_far = static_cast<Real>(best[at].score);
    if (at < reach) continue;
    emit(text.substr(window, at), scratch, output);
    window += at;
    at = reach = 0;
  }
}

/// The best path through the window, whose whole text `window` is.
void Unigram::emit(std::string_view window, Scratch& scratch, ScoredPieces::Output& output) const {
  auto& ends = scratch.ids;
  ends.clear();
  for (auto end = static_cast<uint32_t>(window.size()); end > 0;) {
    ends.push_back(end);
    end = static_cast<uint32_t>(scratch.best[end].begin);
  }
  for (auto end = ends.rbegin(); end != ends.rend(); ++end) {
    const auto& [score, begin, id] = scratch.best[*end];
    const auto from = static_cast<std::size_t>(begin);
    if (id == ScoredPieces::kNone)
      output.unknown(window.substr(from, *end - from));
    else
      output.piece(id);
  }
}

}  // namespace bessemer::data
