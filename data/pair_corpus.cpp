#include "data/pair_corpus.h"

#include <algorithm>

#include "data/draws.h"
#include "data/tokenizer.h"
#include "parallel/error.h"
#include "parallel/random.h"

namespace bessemer::data {

namespace {

constexpr int64_t kStretch = 1 << 17;  // tokens: a row that is read costs the sentences of so many
constexpr std::size_t kHeld = 1024;    // about 40 MB
constexpr int64_t kFrame = 3;          // before, after, after
constexpr uint32_t kUse = 4;           // of Draws
constexpr int kTries = 10;             // as create_pretraining_data.py

/// Where a run is cut in two, from its beginning: never at an end of it.
int64_t cut_of(const SentenceRun& run, Draws& draws) {
  if (run.sentences.empty()) return 1 + draws.below(run.tokens - 1);
  return run.sentences[static_cast<std::size_t>(draws.below(static_cast<int64_t>(run.sentences.size())))];
}

}  // namespace

std::vector<SentenceRun> sentence_runs(int64_t document, const std::vector<int64_t>& begins, int64_t room,
                                       double short_share) {
  std::vector<SentenceRun> out;
  SentenceRun run;
  int64_t length = room;
  const auto begin_run = [&](int64_t first) {
    Draws draws(parallel::stream_key(0, "data/run", static_cast<uint64_t>(first)),
                kUse);  // of the text alone: runs are the same in each epoch
    length = draws.uniform() < short_share ? 2 + draws.below(room - 1) : room;
    run = {document, first, 0, {}};
  };
  const auto end_run = [&] {
    if (run.tokens >= 2) out.push_back(std::move(run));
    run = {};
  };
  for (std::size_t i = 0; i + 1 < begins.size(); ++i) {
    for (int64_t at = begins[i]; at < begins[i + 1];) {
      const int64_t n = std::min(begins[i + 1] - at, room);
      if (run.tokens > 0 && run.tokens + n > length) end_run();
      if (run.tokens == 0)
        begin_run(at);
      else
        run.sentences.push_back(static_cast<int32_t>(run.tokens));
      run.tokens += n, at += n;
    }
  }
  end_run();
  return out;
}

PairCorpus::PairCorpus(ShardTokens tokens, const Cut& cut)
    : ShardCorpus(std::move(tokens), cut),
      runs_((all_.size() + kStretch - 1) / kStretch, kHeld, [this](int64_t stretch) { return runs_of(stretch); }),
      padding_(all_.facts().pad_id >= 0 ? all_.facts().pad_id : cut.pairs.after) {
  BESSEMER_CHECK_DATA(all_.has_sentences(), all_.path(),
                      ": has no sentence_offsets, which data.pairs is made of; build the data set with --sentences");
  if (rows() == 0 || cut.pairs.kind != PairKind::kNextSentence) return;
  BESSEMER_CHECK_DATA(runs_.row(0)->document != runs_.row(rows() - 1)->document, all_.path(),
                      ": its split has one document, and data.pairs = next-sentence takes wrong ones from others; use "
                      "more text, or sentence-order");
}

int64_t PairCorpus::text_end(int64_t begin, int64_t end) const {
  const int64_t eod = all_.facts().eod_id;
  if (begin == end || eod < 0) return end;
  if (end < all_.size()) return end - 1;
  int64_t last = 0;  // of the split: a document may go on in another one
  all_.read(end - 1, {&last, 1});
  return last == eod ? end - 1 : end;
}

std::vector<SentenceRun> PairCorpus::runs_of(int64_t stretch) const {
  if (!all_.has_sentences()) return {};  // refused by the constructor
  const int64_t first = all_.first_document_from(stretch * kStretch),
                last = all_.first_document_from(std::min((stretch + 1) * kStretch, all_.size()));
  const auto documents = all_.document_begins(first, last + 1);
  std::vector<SentenceRun> out;
  if (documents.size() < 2) return out;
  const auto all = all_.sentences_between(documents.front(), documents.back());
  auto next = all.begin();
  std::vector<int64_t> begins;
  for (std::size_t d = 0; d + 1 < documents.size(); ++d) {
    const int64_t begin = documents[d], end = text_end(begin, documents[d + 1]);
    begins.assign(begin < end ? 1 : 0, begin);
    for (; next != all.end() && *next < documents[d + 1]; ++next) {
      if (*next > begin && *next < end) begins.push_back(*next);
    }
    begins.push_back(end);
    auto runs = sentence_runs(first + static_cast<int64_t>(d), begins, cut_.sequence - kFrame, cut_.pairs.short_share);
    std::move(runs.begin(), runs.end(), std::back_inserter(out));
  }
  return out;
}

PairCorpus::Segment PairCorpus::foreign(const SentenceRun& run, Draws& draws) const {
  int64_t row = draws.below(rows());
  for (int i = 1; i < kTries && runs_.row(row)->document == run.document; ++i) row = draws.below(rows());
  while (runs_.row(row)->document == run.document) row = (row + 1) % rows();
  const auto other = runs_.row(row);
  const auto begin = draws.below(static_cast<int64_t>(other->sentences.size()) + 1);
  const int64_t skipped = begin == 0 ? 0 : other->sentences[static_cast<std::size_t>(begin - 1)];
  return {other->first + skipped, other->tokens - skipped};
}

void PairCorpus::put(const Segment& segment, std::size_t at, const RowRoom& out) const {
  const auto n = static_cast<std::size_t>(segment.tokens);
  all_.read(segment.first, out.tokens.subspan(at, n));
  if (out.counted.empty()) return;
  const auto counted = out.counted.subspan(at, n);
  for (auto& one : counted) one = 1;
  leave_out(segment.first, counted);
}

void PairCorpus::read_row(int64_t row, const RowRoom& out) const {
  check_room(row, out, sequence() + 1);
  const auto run = runs_.row(row);
  Draws draws(parallel::stream_key(out.key, "data/pair", static_cast<uint64_t>(row)), kUse);
  const int64_t cut = cut_of(*run, draws);
  Segment a{run->first, cut}, b{run->first + cut, run->tokens - cut};
  const bool wrong = draws.below(2) == 1;
  if (wrong && cut_.pairs.kind == PairKind::kSentenceOrder) std::swap(a, b);
  if (wrong && cut_.pairs.kind == PairKind::kNextSentence) {
    b = foreign(*run, draws);
    const int64_t room = sequence() - kFrame, half = room / 2;
    if (const int64_t n = std::min(a.tokens, std::max(room - b.tokens, half)); n < a.tokens)
      a.first += a.tokens - n, a.tokens = n;
    b.tokens = std::min(b.tokens, room - a.tokens);
  }
  const auto first = static_cast<std::size_t>(a.tokens) + 1, second = first + 1 + static_cast<std::size_t>(b.tokens);
  std::fill(out.tokens.begin() + static_cast<std::ptrdiff_t>(second) + 1, out.tokens.end(), padding_);
  std::fill(out.counted.begin(), out.counted.end(), uint8_t{0});
  out.tokens[0] = cut_.pairs.before, out.tokens[first] = out.tokens[second] = cut_.pairs.after;
  put(a, 1, out);
  put(b, first + 1, out);
  for (std::size_t i = 0; i < out.starts.size(); ++i)
    out.starts[i] = i <= second ? 0 : static_cast<int64_t>(second) + 1;  // padding sees itself
  for (std::size_t i = 0; i < out.segments.size(); ++i) out.segments[i] = i > first && i <= second;
  if (out.pair_label != nullptr) *out.pair_label = wrong;
}

PairCut pair_cut(const DataOptions& options, const Tokenizer& tokenizer) {
  PairCut cut{options.pairs, options.short_pairs, -1, -1};
  for (int64_t id = 0; id < tokenizer.vocab_size(); ++id) {
    const std::string text = tokenizer.token(static_cast<uint32_t>(id));
    if (text == "[CLS]" || (text == "<s>" && cut.before < 0)) cut.before = id;
    if (text == "[SEP]" || (text == "</s>" && cut.after < 0)) cut.after = id;
  }
  if (!tokenizer.template_before.empty()) cut.before = tokenizer.template_before.front();
  if (!tokenizer.template_after.empty()) cut.after = tokenizer.template_after.back();
  BESSEMER_CHECK_DATA(cut.before >= 0 && cut.after >= 0, "the tokenizer (", tokenizer.kind(), ", ",
                      tokenizer.vocab_size(),
                      " ids) has neither [CLS] and [SEP] nor <s> and </s>, which data.pairs needs around its segments; "
                      "build the data with a tokenizer of a masked model, for example wordpiece:VOCAB.TXT");
  return cut;
}

}  // namespace bessemer::data
