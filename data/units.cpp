#include "data/units.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "parallel/error.h"

namespace bessemer::data {
namespace {

constexpr std::size_t kWindow = 1 << 16;  ///< where a cut is looked for

/// Cuts of one document's file, near the multiples of `unit`.
std::vector<uint64_t> cuts_of(const TextSource& source, uint64_t unit,
                              const std::function<std::size_t(std::string_view)>& cut) {
  std::vector<uint64_t> cuts;
  std::string window(kWindow, '\0');
  for (uint64_t at = unit; at + kWindow < source.bytes; at += unit) {
    const auto stream = open_stream(source.path, at);
    const std::size_t n = stream->read(window.data(), window.size());
    if (const std::size_t safe = cut(std::string_view(window).substr(0, n)); safe > 0) cuts.push_back(at + safe);
  }
  return cuts;
}

/// Stretches of one file: one if it is packed or small.
std::vector<Stretch> stretches_of(const TextSource& source, bool one_document, uint64_t unit,
                                  const std::function<std::size_t(std::string_view)>& cut) {
  std::vector<uint64_t> cuts;
  const bool whole = packing_of(source.path) != Packing::kNone || source.bytes <= unit + kWindow;
  if (!whole && one_document) cuts = cuts_of(source, unit, cut);
  for (uint64_t at = unit; !whole && !one_document && at < source.bytes; at += unit) cuts.push_back(at);
  std::vector<Stretch> all;
  uint64_t begin = 0;
  for (const uint64_t end : cuts) all.push_back({begin, end, false}), begin = end;
  all.push_back({begin, source.bytes, true});
  return all;
}

}  // namespace

std::vector<Unit> plan_units(const std::vector<TextSource>& sources, Documents documents, uint64_t unit,
                             const std::function<std::size_t(std::string_view)>& cut) {
  std::vector<Unit> units;
  uint64_t room = 0;  // of the last unit, for small files
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const bool one_document = documents == Documents::kFile && !sources[i].jsonl;
    for (const auto& stretch : stretches_of(sources[i], one_document, unit, cut)) {
      const uint64_t bytes = stretch.end - stretch.begin;
      const bool small = !units.empty() && stretch.begin == 0 && stretch.last && bytes <= room;
      if (!small) units.emplace_back(), room = unit;
      units.back().push_back({i, stretch});
      room = stretch.last ? room - std::min(room, bytes + 4096) : 0;  // opening a file is work too
    }
  }
  return units;
}

bool run_units(const std::vector<std::size_t>& todo, int workers, const std::function<void(std::size_t)>& work,
               const std::function<bool()>& progress) {
  std::mutex lock;
  std::condition_variable changed;
  std::size_t next = 0, failed_at = todo.size();
  int running = std::max(1, workers);
  std::exception_ptr error;
  bool stop = false;
  const auto loop = [&] {
    std::unique_lock guard(lock);
    while (!stop && next < todo.size()) {
      const std::size_t mine = next++;
      guard.unlock();
      std::exception_ptr caught;
      try {
        work(todo[mine]);
      } catch (...) {
        caught = std::current_exception();
      }
      guard.lock();
      if (caught && mine < failed_at) failed_at = mine, error = caught;
      if (caught) stop = true;
    }
    --running;
    changed.notify_all();
  };
  std::vector<std::jthread> threads;
  for (int i = 0, n = running; i < n; ++i) threads.emplace_back(loop);
  bool asked = false;
  std::unique_lock guard(lock);
  do {
    changed.wait_for(guard, std::chrono::milliseconds(100), [&] { return running == 0; });
    guard.unlock();
    asked = asked || !progress();
    guard.lock();
    stop = stop || asked;
  } while (running > 0);
  guard.unlock();
  threads.clear();
  if (error) std::rethrow_exception(error);
  return !asked;
}

}  // namespace bessemer::data
