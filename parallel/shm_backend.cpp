#include <ATen/ATen.h>
#include <mpi.h>
#include <sched.h>
#include <sys/statvfs.h>

#include <cstring>

#include "parallel/mpi_backend.h"
#include "parallel/mpi_check.h"
#include "parallel/shared_memory.h"

namespace bessemer::parallel {
namespace {

constexpr int64_t kLine = 64;

struct Window {
  MPI_Comm comm = MPI_COMM_NULL;
  MPI_Win window = MPI_WIN_NULL;
  Window() = default;
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;
  ~Window() {
    int finalized = 0;
    MPI_Finalized(&finalized);
    if (finalized) return;
    if (window != MPI_WIN_NULL) MPI_Win_free(&window);
    if (comm != MPI_COMM_NULL) MPI_Comm_free(&comm);
  }
};

// The least of all ranks' values.
int64_t agree(int64_t value, MPI_Comm comm) {
  BESSEMER_MPI(MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_INT64_T, MPI_MIN, comm));
  return value;
}

// MPI_Win_allocate_shared on a full /dev/shm leaves all ranks but the first spinning for ever, so look first, together.
int64_t free_shared_memory() {
  struct statvfs status {};
  if (statvfs("/dev/shm", &status) != 0) return 0;
  return static_cast<int64_t>(status.f_bavail) * static_cast<int64_t>(status.f_frsize);
}

}  // namespace

std::shared_ptr<Backend> make_shm_backend(int handle, std::string& why) {
  const MPI_Comm comm = MPI_Comm_f2c(handle);
  auto window = std::make_shared<Window>();
  int rank = 0, size = 1, here = 0;
  BESSEMER_MPI(MPI_Comm_rank(comm, &rank));
  BESSEMER_MPI(MPI_Comm_size(comm, &size));
  BESSEMER_MPI(MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &window->comm));
  BESSEMER_MPI(MPI_Comm_size(window->comm, &here));
  if (agree(here == size ? 1 : 0, comm) == 0) {
    why = "the ranks of the group are on several hosts";
    return nullptr;
  }
  const int64_t need =
      size * (SharedMemoryBackend::kRankBytes + 2 * 4096) * 2;  // twice: other groups allocate at the same time
  const int64_t room = agree(free_shared_memory(), comm);
  if (room < need) {
    why = concat("/dev/shm has ", room >> 20, " MiB free and ", need >> 20, " MiB are needed (containers: --shm-size)");
    return nullptr;
  }
  void* base = nullptr;
  BESSEMER_MPI(MPI_Win_allocate_shared(SharedMemoryBackend::kRankBytes + kLine, 1, MPI_INFO_NULL, window->comm, &base,
                                       &window->window));
  SharedMemoryBackend::Memory memory;
  for (int r = 0; r < size; ++r) {
    MPI_Aint bytes = 0;
    int unit = 0;
    void* at = nullptr;
    BESSEMER_MPI(MPI_Win_shared_query(window->window, r, &bytes, &unit, &at));
    // The window begins on a page in every process, so all of them round up to the same place.
    memory.ranks.push_back(
        reinterpret_cast<std::byte*>((reinterpret_cast<std::uintptr_t>(at) + kLine - 1) / kLine * kLine));
  }
  std::memset(memory.ranks[static_cast<std::size_t>(rank)], 0, SharedMemoryBackend::kRankBytes);
  BESSEMER_MPI(MPI_Barrier(window->comm));
  memory.owner = window;
  cpu_set_t cores;
  CPU_ZERO(&cores);
  const bool crowded = sched_getaffinity(0, sizeof cores, &cores) != 0 || CPU_COUNT(&cores) < size;
  constexpr int kSpins = 2000;
  return std::make_shared<SharedMemoryBackend>("shm", rank, std::move(memory),
                                               agree(crowded ? 0 : 1, comm) == 1 ? kSpins : 0);
}

namespace {

// Where MPI's latency is lower and where the window's bandwidth is higher: see README.md for the measurement.
constexpr int64_t kCrossover = 8 << 10;

class BackendBySize final : public Backend {
 public:
  BackendBySize(std::shared_ptr<Backend> small, std::shared_ptr<Backend> large)
      : small_(std::move(small)), large_(std::move(large)), name_(concat(large_->name(), "+", small_->name())) {}
  int rank() const override { return small_->rank(); }
  int size() const override { return small_->size(); }
  const char* name() const override { return name_.c_str(); }
  void barrier() override { small_->barrier(); }
  void broadcast(at::Tensor& data, int root) override { of(data).broadcast(data, root); }
  void all_reduce(at::Tensor& data, ReduceOp op) override { of(data).all_reduce(data, op); }
  void all_gather(const at::Tensor& part, at::Tensor& whole) override { of(whole).all_gather(part, whole); }
  void reduce_scatter(const at::Tensor& whole, at::Tensor& part) override { of(whole).reduce_scatter(whole, part); }
  // All that is started goes one way: waiting for one then moves the others on, in whatever order ranks wait for them.
  Work start_all_reduce(at::Tensor& data) override { return large_->start_all_reduce(data); }
  Work start_reduce_scatter(const at::Tensor& whole, at::Tensor& part) override {
    return large_->start_reduce_scatter(whole, part);
  }
  void abort() override {
    small_->abort();
    large_->abort();
  }

 private:
  Backend& of(const at::Tensor& t) const { return static_cast<int64_t>(t.nbytes()) < kCrossover ? *small_ : *large_; }
  std::shared_ptr<Backend> small_, large_;
  std::string name_;
};

}  // namespace

std::shared_ptr<Backend> make_backend_by_size(std::shared_ptr<Backend> small, std::shared_ptr<Backend> large) {
  return std::make_shared<BackendBySize>(std::move(small), std::move(large));
}

}  // namespace bessemer::parallel
