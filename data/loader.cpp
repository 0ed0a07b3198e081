#include "data/loader.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <span>
#include <thread>
#include <utility>

#include "data/corpus.h"
#include "parallel/error.h"

namespace bessemer::data {

struct Loader::State {
  State(std::vector<std::shared_ptr<const Corpus>> corpora_, Sampler sampler_, Place place_, int64_t first_step)
      : corpora(std::move(corpora_)), sampler(std::move(sampler_)), place(std::move(place_)), step(first_step) {}
  const std::vector<std::shared_ptr<const Corpus>> corpora;
  const bool counts = std::any_of(corpora.begin(), corpora.end(), [](const auto& corpus) {
    return corpus->has_documents() || corpus->has_loss_mask();
  });
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
    Rows rows;
    rows.sequence = sequence;
    const auto width = static_cast<std::size_t>(rows.sequence) + 1;
    const auto count = std::min(static_cast<std::size_t>(place.micro_batch), mine.size() - taken);
    rows.tokens.resize(count * width);
    const std::size_t starts = corpora.front()->has_documents() ? width - 1 : 0, counted = counts ? width - 1 : 0;
    rows.starts.resize(count * starts), rows.counted.resize(count * counted);
    for (std::size_t i = 0; i < count; ++i, ++taken) {
      rows.rows.push_back(first_row + static_cast<int64_t>(taken));
      corpora[mine[taken].source]->read_row(
          sampler.window(mine[taken]),
          {std::span(rows.tokens).subspan(i * width, width), std::span(rows.starts).subspan(i * starts, starts),
           std::span(rows.counted).subspan(i * counted, counted)});
    }
    return rows;
  }

  void run() {
    std::unique_lock lock(mutex);
    while (true) {
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

Rows Loader::next() {
  auto& s = *state_;
  std::unique_lock lock(s.mutex);
  s.changed.wait(lock, [&] { return !s.ready.empty() || s.error; });
  if (s.ready.empty()) std::rethrow_exception(s.error);
  Rows rows = std::move(s.ready.front());
  s.ready.pop_front();
  lock.unlock();
  s.changed.notify_all();
  return rows;
}

}  // namespace bessemer::data
