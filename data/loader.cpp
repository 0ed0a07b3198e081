#include "data/loader.h"

#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <utility>

#include "data/corpus.h"
#include "parallel/error.h"

namespace bessemer::data {

struct Loader::State {
  State(std::shared_ptr<const Corpus> corpus_, Sampler sampler_, Place place_, int64_t first_step)
      : corpus(std::move(corpus_)), sampler(sampler_), place(place_), step(first_step) {}
  const std::shared_ptr<const Corpus> corpus;
  const Sampler sampler;
  const Place place;

  std::mutex mutex;  // guards all below
  std::condition_variable changed;
  int64_t step = 0, micro_step = 0;  // what is read next
  uint64_t seeks = 0;                // a read that began before the newest seek is thrown away
  std::optional<Rows> ready;
  std::exception_ptr error;  // of the read that would have been `ready`
  bool stop = false;
  std::thread thread;

  Rows read(int64_t at_step, int64_t at_micro_step) const {
    Rows rows;
    rows.rows = sampler.rows(at_step, at_micro_step, place.dp_rank, place.dp_size, place.micro_batch);
    rows.sequence = corpus->sequence();
    const auto width = static_cast<std::size_t>(rows.sequence) + 1;
    rows.tokens.resize(rows.rows.size() * width);
    for (std::size_t i = 0; i < rows.rows.size(); ++i) {
      corpus->read_window(sampler.window(rows.rows[i]), std::span(rows.tokens).subspan(i * width, width));
    }
    return rows;
  }

  void run() {
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [&] { return stop || (!ready && !error); });
      if (stop) return;
      const auto [at_step, at_micro_step, at_seeks] = std::tuple(step, micro_step, seeks);
      lock.unlock();
      Rows rows;
      std::exception_ptr failure;
      try {
        rows = read(at_step, at_micro_step);
      } catch (...) {
        failure = std::current_exception();
      }
      lock.lock();
      if (at_seeks != seeks) continue;
      if (failure)
        error = failure;
      else
        ready = std::move(rows);
      if (++micro_step == place.micro_steps) micro_step = 0, ++step;
      changed.notify_all();
    }
  }
};

Loader::Loader(std::shared_ptr<const Corpus> corpus, Sampler sampler, Place place, int64_t first_step)
    : state_(std::make_unique<State>(std::move(corpus), sampler, place, first_step)) {
  const int64_t rows = place.dp_size * place.micro_batch * place.micro_steps;
  BESSEMER_CHECK(place.micro_batch >= 1 && place.micro_steps >= 1 && rows == sampler.global_batch(), "dp ",
                 place.dp_size, " x micro_batch ", place.micro_batch, " x micro-steps ", place.micro_steps, " = ", rows,
                 ", train.global_batch = ", sampler.global_batch(), " is expected");
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
  s.changed.wait(lock, [&] { return s.ready || s.error; });
  if (s.error) std::rethrow_exception(s.error);  // stays so until a seek
  Rows rows = *std::exchange(s.ready, std::nullopt);
  lock.unlock();
  s.changed.notify_all();
  return rows;
}

void Loader::seek(int64_t step) {
  auto& s = *state_;
  {
    const std::lock_guard lock(s.mutex);
    s.step = step, s.micro_step = 0;
    s.ready.reset();
    s.error = nullptr;
    ++s.seeks;
  }
  s.changed.notify_all();
}

}  // namespace bessemer::data
