#include "parallel/world.h"

#include <ATen/ATen.h>
#include <mpi.h>
#include <sched.h>

#include <cstdio>
#include <cstdlib>

#include "parallel/device.h"
#include "parallel/mpi_backend.h"
#include "parallel/mpi_check.h"
#include "parallel/nccl_backend.h"

namespace bessemer::parallel {

struct World::State {
  int rank = 0, size = 1, local_rank = 0, local_size = 1;
  std::string host;
  Group group;
};

namespace {

class SplitComm {
 public:
  SplitComm(MPI_Comm from, int color, int key) { BESSEMER_MPI(MPI_Comm_split(from, color, key, &comm_)); }
  ~SplitComm() { MPI_Comm_free(&comm_); }
  SplitComm(const SplitComm&) = delete;
  SplitComm& operator=(const SplitComm&) = delete;
  operator MPI_Comm() const { return comm_; }

 private:
  MPI_Comm comm_ = MPI_COMM_NULL;
};

int usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

Group host_group(MPI_Comm comm, BackendKind kind) {
  const int handle = MPI_Comm_c2f(comm);
  if (kind == BackendKind::kMpi) return Group(make_mpi_backend(handle));
  std::string why;
  auto shm = make_shm_backend(handle, why);
  if (kind == BackendKind::kShm) {
    BESSEMER_CHECK_ENV(shm, "parallel.backend = shm cannot be had: ", why, "; choose auto or mpi");
    return Group(std::move(shm));
  }
  auto mpi = make_mpi_backend(handle);
  // Several hosts are nothing to mention; a /dev/shm that is too small is: it costs speed.
  if (!shm && mpi->rank() == 0 && why.starts_with("/dev/shm"))
    std::fprintf(stderr, "parallel: MPI instead of shared memory: %s\n", why.c_str());
  return Group(shm ? make_backend_by_size(std::move(mpi), std::move(shm)) : std::move(mpi));
}

Group device_group(MPI_Comm comm, at::Device device, bool tree_order) {
  NcclOptions options{.device = device.index(), .tree_order = tree_order};
  BESSEMER_MPI(MPI_Comm_rank(comm, &options.rank));
  BESSEMER_MPI(MPI_Comm_size(comm, &options.size));
  const Group control(make_mpi_backend(MPI_Comm_c2f(comm)));
  const auto id = control.broadcast(options.rank == 0 ? make_nccl_id() : std::string(), 0);
  return Group(make_nccl_backend(id, options));
}

}  // namespace

World::World(int* argc, char*** argv) : state_(std::make_unique<State>()) {
  int provided = 0;
  BESSEMER_MPI(MPI_Init_thread(argc, argv, MPI_THREAD_SERIALIZED, &provided));
  BESSEMER_CHECK_ENV(provided >= MPI_THREAD_SERIALIZED, "this MPI gives thread level ", provided,
                     "; MPI_THREAD_SERIALIZED (", MPI_THREAD_SERIALIZED, ") is needed");
  BESSEMER_MPI(MPI_Comm_rank(MPI_COMM_WORLD, &state_->rank));
  BESSEMER_MPI(MPI_Comm_size(MPI_COMM_WORLD, &state_->size));
  MPI_Comm local = MPI_COMM_NULL;
  BESSEMER_MPI(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, state_->rank, MPI_INFO_NULL, &local));
  BESSEMER_MPI(MPI_Comm_rank(local, &state_->local_rank));
  BESSEMER_MPI(MPI_Comm_size(local, &state_->local_size));
  BESSEMER_MPI(MPI_Comm_free(&local));
  char name[MPI_MAX_PROCESSOR_NAME] = "";
  int length = 0;
  BESSEMER_MPI(MPI_Get_processor_name(name, &length));
  state_->host = name;
  if (state_->size > 1) state_->group = Group(make_mpi_backend(MPI_Comm_c2f(MPI_COMM_WORLD)));
}

World::~World() {
  state_->group = Group();  // its communicators, before MPI ends
  if (MPI_Finalize() != MPI_SUCCESS) std::fputs("MPI_Finalize failed\n", stderr);
}

int World::rank() const { return state_->rank; }
int World::size() const { return state_->size; }
int World::local_rank() const { return state_->local_rank; }
int World::local_size() const { return state_->local_size; }
const std::string& World::host() const { return state_->host; }
const Group& World::group() const { return state_->group; }

namespace {

// The GPU of this rank, or the CPU. All ranks agree, or all refuse.
at::Device choose_device(const World& world, const ParallelOptions& options) {
  const bool nccl = options.backend == BackendKind::kNccl;
  BESSEMER_CHECK(!(nccl && options.device == DeviceKind::kCpu),
                 "parallel.backend = nccl works on GPUs, but parallel.device = cpu; choose auto for one of them");
  const bool host_backend = options.backend == BackendKind::kMpi || options.backend == BackendKind::kShm;
  BESSEMER_CHECK(
      !(host_backend && options.device == DeviceKind::kCuda),
      "parallel.backend = mpi and shm work on host tensors, but parallel.device = cuda; choose backend auto or nccl");
  if (options.device == DeviceKind::kCpu || host_backend) return at::kCPU;
  std::string why;
  const int count = gpu_count(why);
  const int64_t fewest = world.group().all_reduce(count, ReduceOp::kMin);
  const bool asked = nccl || options.device == DeviceKind::kCuda;
  const std::string problem = asked && fewest == 0 ? concat(count == 0 ? why : "another rank's host has none") : "";
  BESSEMER_CHECK_ENV(problem.empty(), nccl ? "parallel.backend = nccl" : "parallel.device = cuda",
                     " asks for a GPU, but on ", world.host(), ": ", problem);
  if (fewest == 0) return at::kCPU;
  const int64_t crowded =
      world.group().all_reduce(world.local_size() > count && !options.share_gpu ? 1 : 0, ReduceOp::kMax);
  BESSEMER_CHECK_ENV(crowded == 0, "more ranks than GPUs on a host (", world.host(), " has ", world.local_size(),
                     " ranks and ", count, " GPUs); start fewer ranks there, or set parallel.device = cpu");
  return use_gpu(world.local_rank() % count, options.deterministic);
}

}  // namespace

Grid World::make_grid(const ParallelOptions& options) const {
  Grid grid;
  grid.topology = Topology(size(), static_cast<int>(options.tp), static_cast<int>(options.dp));
  grid.rank = rank();
  grid.world = group();
  grid.device = choose_device(*this, options);
  const auto at = grid.topology.coordinates(rank());
  const auto make = [&](int color, int key) {
    const SplitComm comm(MPI_COMM_WORLD, color, key);
    return grid.device.is_cuda() ? device_group(comm, grid.device, options.virtual_dp > 0)
                                 : host_group(comm, options.backend);
  };
  if (grid.topology.tp() > 1) grid.tp = make(at.dp, at.tp);
  if (grid.topology.dp() > 1) grid.dp = make(at.tp, at.dp);
  return grid;
}

std::string World::describe(const Grid& grid) const {
  const auto at = grid.topology.coordinates(rank());
  const auto lines = group().all_gather(concat("rank ", rank(), " (dp ", at.dp, ", tp ", at.tp, ")  ", host(), "  ",
                                               describe_device(grid.device), "  ", usable_cores(), " usable core",
                                               usable_cores() == 1 ? "" : "s", "  dp over ", grid.dp.backend_name(),
                                               ", tp over ", grid.tp.backend_name()));
  std::string text;
  for (const auto& line : lines) text += line + "\n";
  return text;
}

void World::abort(int code) const {
  MPI_Abort(MPI_COMM_WORLD, code);
  std::_Exit(code);
}

}  // namespace bessemer::parallel
