#include "data/loader.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <span>
#include <thread>
#include <utility>

#include "data/corpus.h"
#include "parallel/error.h"
#include "parallel/random.h"

namespace bessemer::data {

Rows read_rows(const std::vector<RowPlace>& places, int64_t sequence, uint64_t seed) {
  Rows rows;
  rows.sequence = sequence;
  const auto s = static_cast<std::size_t>(sequence), n = places.size();
  bool documents = false, masks = false, pairs = false;
  for (const auto& place : places) {
    documents = documents || place.corpus->has_documents(), masks = masks || place.corpus->has_loss_mask();
    pairs = pairs || place.corpus->has_pairs();
  }
  const std::size_t starts = documents ? s : 0, counted = documents || masks ? s : 0, segments = pairs ? s : 0;
  rows.tokens.resize(n * (s + 1)), rows.starts.resize(n * starts), rows.counted.resize(n * counted);
  rows.segments.resize(n * segments), rows.pair_labels.resize(pairs ? n : 0);
  const uint64_t key = pairs ? parallel::stream_key(seed, "data/pairs") : 0;
  for (std::size_t i = 0; i < n; ++i) {
    const auto& place = places[i];
    rows.rows.push_back(place.number);
    const auto part = [i](auto& all, std::size_t width) { return std::span(all).subspan(i * width, width); };
    RowRoom room{part(rows.tokens, s + 1), part(rows.starts, starts), part(rows.counted, counted)};
    if (pairs) {
      room.segments = part(rows.segments, segments), room.pair_label = &rows.pair_labels[i];
      room.key = parallel::stream_key(key, "row", static_cast<uint64_t>(place.number));
    }
    place.corpus->read_row(place.row, room);
  }
  return rows;
}

struct Loader::State {
  State(std::vector<std::shared_ptr<const Corpus>> corpora_, Sampler sampler_, Place place_, int64_t first_step)
      : corpora(std::move(corpora_)), sampler(std::move(sampler_)), place(std::move(place_)), step(first_step) {}
  const std::vector<std::shared_ptr<const Corpus>> corpora;
  Sampler sampler;  // of the reading thread, with all down to `taken`
  const Place place;
  int64_t step;
  std::vector<Sampler::Row> mine;  // this rank's rows of the step before `step`
  int64_t first_row = 0;           // number of mine.front() in the global stream
  std::size_t taken = 0;           // of mine
  int64_t sequence = 0;            // of the rows of that step

  std::mutex mutex;  // guards all below
  std::condition_variable changed;
  std::deque<Rows> ready;
  std::exception_ptr error;  // of the read behind `ready`
  bool stop = false;
  std::thread thread;

  void next_step() {
    const int64_t batch = place.batch.at(step++), per_rank = batch / place.dp_size;
    BESSEMER_CHECK(batch % place.dp_size == 0, "a global batch of ", batch, " rows cannot be split over dp ",
                   place.dp_size, "; choose a multiple of it");
    first_row = sampler.row() + place.dp_rank * per_rank;
    const auto all = sampler.take(batch);
    const auto begin = all.begin() + place.dp_rank * per_rank;
    mine.assign(begin, begin + per_rank);
    taken = 0;
    sequence = length_of(all);
  }

  /// What all rows of a step fit in, on every rank the same: of multiples of 8, which matrix units like.
  int64_t length_of(const std::vector<Sampler::Row>& all) const {
    const int64_t whole = corpora.front()->sequence();
    int64_t longest = 0;
    for (const auto& row : all) {
      const int64_t tokens = sampler.tokens(row);
      if (tokens == 0) return whole;
      longest = std::max(longest, tokens - 1);
    }
    return std::min(whole, (longest + 7) / 8 * 8);
  }

  Rows read() {
    if (taken == mine.size()) next_step();
    std::vector<RowPlace> places(std::min(static_cast<std::size_t>(place.micro_batch), mine.size() - taken));
    for (auto& p : places) {
      p = {corpora[mine[taken].source].get(), sampler.window(mine[taken]), first_row + static_cast<int64_t>(taken)};
      ++taken;
    }
    return read_rows(places, sequence, sampler.seed());
  }

  void run() {
    std::unique_lock lock(mutex);
    for (int64_t reads = 0; reads < place.reads; ++reads) {
      changed.wait(lock, [&] { return stop || (!error && static_cast<int64_t>(ready.size()) < place.ahead); });
      if (stop) return;
      lock.unlock();
      Rows rows;
      std::exception_ptr failure;
      try {
        rows = read();
      } catch (...) {
        failure = std::current_exception();
      }
      lock.lock();
      if (failure)
        error = failure;
      else
        ready.push_back(std::move(rows));
      changed.notify_all();
    }
  }
};

Loader::Loader(std::vector<std::shared_ptr<const Corpus>> corpora, Sampler sampler, Place place, int64_t first_step)
    : state_(std::make_unique<State>(std::move(corpora), std::move(sampler), std::move(place), first_step)) {
  const auto& p = state_->place;
  BESSEMER_CHECK(p.micro_batch >= 1 && p.ahead >= 1, "train.micro_batch ", p.micro_batch, " and data.ahead ", p.ahead,
                 ": at least 1 is expected of both");
  state_->thread = std::thread([state = state_.get()] { state->run(); });
}

Loader::~Loader() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->changed.notify_all();
  state_->thread.join();
}

Rows Loader::next(const std::function<bool()>& waits) {
  auto& s = *state_;
  std::unique_lock lock(s.mutex);
  while (!s.changed.wait_for(lock, std::chrono::milliseconds(100), [&] { return !s.ready.empty() || s.error; })) {
    if (waits && !waits()) fail(ExitCode::kStopped, "stopped while the data was waited for");
  }
  if (s.ready.empty()) std::rethrow_exception(s.error);
  Rows rows = std::move(s.ready.front());
  s.ready.pop_front();
  lock.unlock();
  s.changed.notify_all();
  return rows;
}

}  // namespace bessemer::data
