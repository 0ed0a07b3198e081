#pragma once
#include <memory>
#include <string>
#include <vector>

#include "parallel/grid.h"
#include "parallel/options.h"

namespace bessemer::parallel {

/// The life of this process among the ranks of its job: MPI from start to end, or alone where mpirun did not start us.
/// One per process, made in main. Its destructor ends MPI; nothing follows it.
class World {
 public:
  World(int* argc, char*** argv);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  int rank() const;
  int size() const;
  int local_rank() const;  ///< among the ranks of this host
  int local_size() const;
  const std::string& host() const;
  bool alone() const { return size() == 1; }
  const Group& group() const;  ///< all ranks, host tensors

  /// Collective. Makes the groups of a tp x dp grid on the device and by the backend asked for; never falls back in
  /// silence: Error (64) where dp * tp is not size(), (69) where NCCL or a GPU is asked for and absent.
  Grid make_grid(const ParallelOptions& options) const;
  std::string describe(
      const Grid& grid) const;  ///< collective; on rank 0 lines: rank -> host -> device -> cores, backend

  [[noreturn]] void abort(int code) const;  ///< ends every rank of the job at once (MPI_Abort)

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bessemer::parallel
