#include "data/tokenizers/bpe_trainer.h"

#include <algorithm>
#include <array>
#include <limits>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "data/tokenizers/byte_level.h"
#include "data/tokenizers/pair_queue.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

/// What one merge changes for the pairs of one fixed token with each other token.
class Changes {
 public:
  struct Cell {
    int64_t count = 0;
    uint32_t merge = 0;         ///< the merge that this is of; another one's is stale
    uint32_t words = 0;         ///< different words in which the pair is new
    uint32_t last_word = 0;     ///< of those
    uint32_t* place = nullptr;  ///< where the next word of the list goes
  };

  void begin(uint32_t merge, std::size_t tokens) {
    merge_ = merge;
    touched_.clear();
    seen_.clear();
    if (cells_.size() < tokens) cells_.resize(tokens);
  }
  void add(uint32_t other, int64_t count) { touch(other).count += count; }
  /// The pair is new in `word`; words come in ascending order.
  void add_new(uint32_t other, int64_t count, uint32_t word) {
    Cell& cell = touch(other);
    cell.count += count;
    if (cell.words > 0 && cell.last_word == word) return;
    ++cell.words;
    cell.last_word = word;
    seen_.push_back({other, word});
  }
  const std::vector<uint32_t>& touched() const { return touched_; }
  Cell& cell(uint32_t other) { return cells_[other]; }
  /// Fills the lists whose places the cells have.
  void fill_lists() {
    for (const auto& [other, word] : seen_)
      if (uint32_t*& place = cells_[other].place) *place++ = word;
  }

 private:
  Cell& touch(uint32_t other) {
    Cell& cell = cells_[other];
    if (cell.merge != merge_) cell = {.merge = merge_}, touched_.push_back(other);
    return cell;
  }
  uint32_t merge_ = 0;
  std::vector<Cell> cells_;  // by the other token
  std::vector<uint32_t> touched_;
  std::vector<std::pair<uint32_t, uint32_t>> seen_;
};

struct PartOfPairs;

class Trainer {
 public:
  Trainer(const WordCounts& words, const BpeTrainerOptions& options) : options_(options) {
    add_first_tokens();
    load(words);
    count_pairs();
  }

  ByteLevelBpe train() {
    const auto target = static_cast<std::size_t>(options_.vocab_size);
    while (tokens_.size() < target && !queue_.empty()) {
      QueuedPair top = queue_.pop();
      const auto count = static_cast<uint64_t>(table_[pair_key(top.left, top.right)]);
      if (top.count != count) {
        top.count = count;
        queue_.push(top);
        continue;
      }
      if (count < 1 || options_.min_frequency > count) break;
      merge(top);
      if (options_.progress && merges_.size() % 256 == 0) options_.progress(static_cast<int64_t>(tokens_.size()));
    }
    return {std::move(tokens_), final_merges(), special_tokens_};
  }

 private:
  /// Special tokens, then the bytes in the order of the characters that stand for them. A special token that is one
  /// such character is that byte's token as well, as it is in the reference.
  void add_first_tokens() {
    for (const auto& text : options_.special_tokens) {
      BESSEMER_CHECK(!text.empty(), "a special token is empty; give its text, such as <|endoftext|>");
      if (ids_.contains(text)) continue;
      add_token(text, 1);  // its length counts only where it is a byte
      special_tokens_.push_back(text);
    }
    std::array<std::pair<uint32_t, uint8_t>, 256> bytes;
    for (unsigned byte = 0; byte < 256; ++byte)
      bytes[byte] = {byte_to_char(static_cast<uint8_t>(byte)), static_cast<uint8_t>(byte)};
    std::sort(bytes.begin(), bytes.end());
    for (const auto& [code, byte] : bytes) id_of_byte_[byte] = add_token(encode_utf8(code), 1);
    const auto least = static_cast<int64_t>(tokens_.size());
    BESSEMER_CHECK(options_.vocab_size >= least, "vocabulary of ", options_.vocab_size, " ids: the 256 bytes and ",
                   special_tokens_.size(), " special tokens alone need ", least, "; choose at least that");
    BESSEMER_CHECK(options_.vocab_size < INT32_MAX, "vocabulary of ", options_.vocab_size,
                   " ids; choose fewer than 2^31");
  }

  /// The id of `text`, which is new or not.
  uint32_t add_token(const std::string& text, uint64_t length) {
    const auto [at, is_new] = ids_.try_emplace(text, static_cast<uint32_t>(tokens_.size()));
    if (is_new) tokens_.push_back(text), lengths_.push_back(length);
    return at->second;
  }

  /// Words of two bytes and more.
  void load(const WordCounts& words) {
    BESSEMER_CHECK_DATA(words.bytes() < UINT32_MAX, "the different words of the text have ", words.bytes(),
                        " bytes; fewer than 2^32 are expected: train on a part of the text");
    symbols_.reserve(words.bytes());
    uint64_t total = 0, product = 0;
    for (std::size_t i = 0; i < words.size(); ++i) {
      const std::string_view word = words.word(i);
      const bool too_large = __builtin_mul_overflow(words.count(i), word.size(), &product) ||
                             __builtin_add_overflow(total, product, &total) || total >= 1ull << 60;
      BESSEMER_CHECK_DATA(!too_large, "word counts add up to more than 2^60 bytes of text");
      if (word.size() < 2 || words.count(i) == 0) continue;
      begins_.push_back(static_cast<uint32_t>(symbols_.size()));
      sizes_.push_back(static_cast<uint32_t>(word.size()));
      counts_.push_back(static_cast<int64_t>(words.count(i)));
      for (const char c : word) symbols_.push_back(static_cast<uint8_t>(c));
    }
    BESSEMER_CHECK_DATA(counts_.size() < WordLists::kOneWord, counts_.size(),
                        " different words; fewer than 2^31 are expected: train on a part of the text");
  }

  template <class Take>
  void each_pair(const PartOfPairs& part, const Take& take) const;
  void count_pairs();
  void queue_pair_of_bytes(std::vector<PartOfPairs>& parts, uint32_t pair);
  void merge(const QueuedPair& pair);
  void merge_word(uint32_t word, const QueuedPair& pair, uint32_t merged);
  void apply_changes(const QueuedPair& pair, uint32_t merged);
  void queue_new_pairs(Changes& changes, bool merged_is_left, uint32_t merged);

  /// A pair that was merged twice has the later place, as in the reference, which keeps merges by pair.
  std::vector<std::pair<uint32_t, uint32_t>> final_merges() const {
    std::vector<std::pair<uint32_t, uint32_t>> kept;
    std::unordered_set<uint64_t> seen;
    for (auto at = merges_.rbegin(); at != merges_.rend(); ++at)
      if (seen.insert(pair_key(at->first, at->second)).second) kept.push_back(*at);
    std::reverse(kept.begin(), kept.end());
    return kept;
  }

  const BpeTrainerOptions& options_;
  std::vector<std::string> tokens_, special_tokens_;
  std::vector<uint64_t> lengths_;  // of tokens, in bytes of text
  std::unordered_map<std::string, uint32_t> ids_;
  std::array<uint32_t, 256> id_of_byte_{};

  std::vector<uint32_t> symbols_;  // of all words; a word shrinks in its place
  std::vector<uint32_t> begins_, sizes_;
  std::vector<int64_t> counts_;

  PairTable table_;
  PairQueue queue_;
  WordLists lists_;
  std::vector<std::pair<uint32_t, uint32_t>> merges_;
  uint32_t merge_ = 0;
  // For a merge of a and b to x: pairs (y, a), (b, y), (y, x), (x, y) of any token y.
  Changes before_a_, after_b_, before_x_, after_x_;
};

/// What one thread finds in its part of the words, by first byte * 256 + second.
struct PartOfPairs {
  std::size_t begin = 0, end = 0;  ///< words
  std::vector<int64_t> counts = std::vector<int64_t>(1 << 16);
  std::vector<uint32_t> words = std::vector<uint32_t>(1 << 16);  ///< how many have the pair
  std::vector<uint32_t*> places = std::vector<uint32_t*>(1 << 16);
};

/// Calls `act(part)` for each part, each in a thread of its own.
template <class Act>
void for_each_part(std::vector<PartOfPairs>& parts, const Act& act) {
  std::vector<std::jthread> threads;
  for (std::size_t i = 1; i < parts.size(); ++i) threads.emplace_back([&, i] { act(parts[i]); });
  act(parts[0]);
}

/// Calls `take(pair, word, whether the pair is new in the word)` for each pair in a part's words, which are still
/// bytes.
template <class Take>
void Trainer::each_pair(const PartOfPairs& part, const Take& take) const {
  std::vector<uint32_t> last(1 << 16, UINT32_MAX);
  for (auto word = static_cast<uint32_t>(part.begin); word < part.end; ++word) {
    const uint32_t* s = &symbols_[begins_[word]];
    for (uint32_t i = 0; i + 1 < sizes_[word]; ++i) {
      const uint32_t pair = s[i] << 8 | s[i + 1];
      take(pair, word, std::exchange(last[pair], word) != word);
    }
  }
}

/// Queues all pairs of bytes with the words that have them, in two passes: count, then fill the lists. Bytes become
/// ids.
void Trainer::count_pairs() {
  std::vector<PartOfPairs> parts(static_cast<std::size_t>(std::max(1, options_.threads)));
  for (std::size_t i = 0; i < parts.size(); ++i) {
    parts[i].begin = counts_.size() * i / parts.size();
    parts[i].end = counts_.size() * (i + 1) / parts.size();
  }
  for_each_part(parts, [this](PartOfPairs& part) {
    each_pair(part, [&](uint32_t pair, uint32_t word, bool is_new) {
      part.counts[pair] += counts_[word];
      part.words[pair] += is_new;
    });
  });
  for (uint32_t pair = 0; pair < 1 << 16; ++pair) queue_pair_of_bytes(parts, pair);
  for_each_part(parts, [this](PartOfPairs& part) {
    each_pair(part, [&](uint32_t pair, uint32_t word, bool is_new) {
      if (is_new) *part.places[pair]++ = word;
    });
    for (std::size_t word = part.begin; word < part.end; ++word)
      for (uint32_t i = 0; i < sizes_[word]; ++i)
        symbols_[begins_[word] + i] = id_of_byte_[symbols_[begins_[word] + i]];
  });
}

void Trainer::queue_pair_of_bytes(std::vector<PartOfPairs>& parts, uint32_t pair) {
  int64_t count = 0;
  std::size_t words = 0;
  for (const auto& part : parts) count += part.counts[pair], words += part.words[pair];
  if (count == 0) return;
  const uint32_t left = id_of_byte_[pair >> 8], right = id_of_byte_[pair & 0xFF];
  table_[pair_key(left, right)] = count;
  const uint32_t handle = lists_.make(words);
  uint32_t* place = lists_.data(handle);
  for (auto& part : parts) part.places[pair] = place, place += part.words[pair];
  queue_.push({static_cast<uint64_t>(count), left, right, merge_, handle});
}

void Trainer::merge(const QueuedPair& pair) {
  const uint64_t length = lengths_[pair.left] + lengths_[pair.right];
  // The text may be there already: from other parts, or as a special token. Then the merge gives that token, takes no
  // new id, and pairs with it may be in the queue more than once.
  const uint32_t merged = add_token(tokens_[pair.left] + tokens_[pair.right], length);
  lengths_[merged] = length;
  merges_.emplace_back(pair.left, pair.right);
  ++merge_;
  for (Changes* changes : {&before_a_, &after_b_, &before_x_, &after_x_}) changes->begin(merge_, tokens_.size());
  for (const uint32_t word : lists_.take(pair.words)) merge_word(word, pair, merged);
  apply_changes(pair, merged);
}

/// Merges the pair in one word from left to right. As in the reference, the count of the pair itself stays, and a pair
/// that would become too long is not counted when it comes to be, but is when it goes.
void Trainer::merge_word(uint32_t word, const QueuedPair& pair, uint32_t merged) {
  uint32_t* const s = &symbols_[begins_[word]];
  const uint32_t size = sizes_[word];
  const int64_t count = counts_[word];
  const uint64_t limit = options_.max_token_length > 0 ? static_cast<uint64_t>(options_.max_token_length)
                                                       : std::numeric_limits<uint64_t>::max();
  uint32_t from = 0, to = 0;
  while (from < size) {
    if (s[from] != pair.left || from + 1 == size || s[from + 1] != pair.right) {
      s[to++] = s[from++];
      continue;
    }
    if (to > 0) {
      before_a_.add(s[to - 1], -count);
      if (lengths_[s[to - 1]] + lengths_[merged] < limit) before_x_.add_new(s[to - 1], count, word);
    }
    s[to++] = merged;
    from += 2;
    if (from < size) {
      after_b_.add(s[from], -count);
      if (lengths_[s[from]] + lengths_[merged] < limit)
        (s[from] == merged ? before_x_ : after_x_).add_new(s[from], count, word);  // (x, x) in one place
    }
  }
  sizes_[word] = to;
}

void Trainer::apply_changes(const QueuedPair& pair, uint32_t merged) {
  const auto apply = [this](Changes& changes, auto key_of) {
    for (const uint32_t other : changes.touched()) table_[key_of(other)] += changes.cell(other).count;
  };
  apply(before_a_, [&](uint32_t y) { return pair_key(y, pair.left); });
  apply(after_b_, [&](uint32_t y) { return pair_key(pair.right, y); });
  apply(before_x_, [&](uint32_t y) { return pair_key(y, merged); });
  apply(after_x_, [&](uint32_t y) { return pair_key(merged, y); });
  queue_new_pairs(before_x_, false, merged);
  queue_new_pairs(after_x_, true, merged);
}

void Trainer::queue_new_pairs(Changes& changes, bool merged_is_left, uint32_t merged) {
  for (const uint32_t other : changes.touched()) {
    const uint32_t left = merged_is_left ? merged : other, right = merged_is_left ? other : merged;
    const int64_t count = table_[pair_key(left, right)];
    if (count <= 0) continue;
    Changes::Cell& cell = changes.cell(other);
    uint32_t handle = WordLists::one(cell.last_word);
    if (cell.words > 1) handle = lists_.make(cell.words), cell.place = lists_.data(handle);
    queue_.push({static_cast<uint64_t>(count), left, right, merge_, handle});
  }
  changes.fill_lists();
}

}  // namespace

ByteLevelBpe train_bpe(const WordCounts& words, const BpeTrainerOptions& options) {
  return Trainer(words, options).train();
}

}  // namespace bessemer::data
