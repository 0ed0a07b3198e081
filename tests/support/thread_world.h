#pragma once
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "parallel/grid.h"
#include "parallel/thread_backend.h"
#include "parallel/world.h"

namespace bessemer::tests {

/// Where mpirun started this test program: its World (ranks_main.cpp makes it), the number of its ranks and their grid;
/// else nullptr and 0.
parallel::World* job_world();
int job_ranks();
parallel::Grid job_grid(int tp);

namespace detail {

// The grids of a job whose ranks are threads, in rank order.
inline std::vector<parallel::Grid> thread_grids(int ranks, int tp) {
  const parallel::Topology topology(ranks, tp);
  std::vector<parallel::Grid> grids(static_cast<std::size_t>(ranks));
  const auto connect = [&](const std::vector<int>& peers, parallel::Group parallel::Grid::*group) {
    const auto backends = parallel::make_thread_backends(static_cast<int>(peers.size()));
    for (std::size_t i = 0; i < peers.size(); ++i)
      grids[static_cast<std::size_t>(peers[i])].*group = parallel::Group(backends[i]);
  };
  std::vector<int> all;
  for (int r = 0; r < ranks; ++r) {
    all.push_back(r);
    grids[static_cast<std::size_t>(r)].topology = topology;
    grids[static_cast<std::size_t>(r)].rank = r;
    if (topology.coordinates(r).tp == 0 && tp > 1) connect(topology.tp_peers(r), &parallel::Grid::tp);
    if (topology.coordinates(r).dp == 0 && topology.dp() > 1) connect(topology.dp_peers(r), &parallel::Grid::dp);
  }
  if (ranks > 1) connect(all, &parallel::Grid::world);
  return grids;
}

inline void abort_groups(const parallel::Grid& grid) {
  for (const auto& group : {grid.world, grid.tp, grid.dp}) group.abort();
}

}  // namespace detail

using RankBody = std::function<void(const parallel::Grid&)>;

/// Runs `body` once per rank of a job of `ranks` ranks, `tp` of them tensor-parallel. Ranks are threads; where mpirun
/// started this program they are its processes, each of which runs the body once.
///
/// CTest also starts every suite whose name ends in "Ranks" (TEST(GroupRanks, ...)) under mpirun with 1, 2 and 4 ranks.
/// In such suites all is inside the bodies: what a body writes to captured variables is seen by its own process only.
/// A body that throws releases the others; the first exception is thrown here. EXPECT_* works in any rank.
/// \return false where mpirun started another number of ranks: the body did not run and the test counts as skipped.
inline bool run_ranks(int ranks, const RankBody& body, int tp = 1) {
  if (const int job = job_ranks(); job > 0) {
    if (job != ranks) {
      [&] { GTEST_SKIP() << "this body wants " << ranks << " ranks; mpirun started " << job; }();
      return false;
    }
    body(job_grid(tp));
    return true;
  }
  const auto grids = detail::thread_grids(ranks, tp);
  std::exception_ptr first;
  std::mutex mutex;
  const bool grad = c10::GradMode::is_enabled();
  std::vector<std::thread> threads;
  for (const auto& grid : grids) {
    threads.emplace_back([&, grid] {
      const c10::AutoGradMode mode(grad);  // a new thread starts with gradients on, whatever its parent's guard says
      at::set_num_threads(1);
      try {
        body(grid);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!first) first = std::current_exception();
        detail::abort_groups(grid);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  if (first) std::rethrow_exception(first);
  return true;
}

}  // namespace bessemer::tests
