#include "parallel/mpi_backend.h"

#include <ATen/ATen.h>
#include <mpi.h>
#include <sched.h>

#include <deque>

#include "parallel/mpi_check.h"
#include "parallel/tree_sum.h"

namespace bessemer::parallel {
namespace {

constexpr int64_t kPieceBytes = 1 << 20;   // over all ranks
constexpr int64_t kSmallBytes = 16 << 10;  // up to here one all-gather of everything is faster than two phases
constexpr std::size_t kReceiving = 4;      // pieces under way in the first phase

const std::byte* bytes(const at::Tensor& t) { return static_cast<const std::byte*>(t.const_data_ptr()); }
std::byte* bytes(at::Tensor& t) { return static_cast<std::byte*>(t.mutable_data_ptr()); }

class Communicator {
 public:
  explicit Communicator(MPI_Comm from) {
    BESSEMER_MPI(MPI_Comm_dup(from, &comm_));
    BESSEMER_MPI(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN));
  }
  ~Communicator() {
    int finalized = 0;
    MPI_Finalized(&finalized);
    if (!finalized) MPI_Comm_free(&comm_);
  }
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  operator MPI_Comm() const { return comm_; }

 private:
  MPI_Comm comm_ = MPI_COMM_NULL;
};

// `length` bytes; the next one begins `stride` bytes later: a stretch of each rank's rows without 2^31 in sight.
class Strided {
 public:
  Strided(int64_t length, int64_t stride) {
    MPI_Datatype block = MPI_DATATYPE_NULL;
    BESSEMER_MPI(MPI_Type_contiguous(static_cast<int>(length), MPI_BYTE, &block));
    BESSEMER_MPI(MPI_Type_create_resized(block, 0, stride, &type_));
    BESSEMER_MPI(MPI_Type_commit(&type_));
    BESSEMER_MPI(MPI_Type_free(&block));
  }
  ~Strided() { MPI_Type_free(&type_); }  // MPI keeps it for what is under way
  Strided(const Strided&) = delete;
  Strided& operator=(const Strided&) = delete;
  operator MPI_Datatype() const { return type_; }

 private:
  MPI_Datatype type_ = MPI_DATATYPE_NULL;
};

// A sum under way: rows r * n ... of `in` belong to rank r; our sums go to `out`, and, with `gather`, everybody's to
// `in`.
struct Job {
  at::Tensor whole, part;
  std::byte* in = nullptr;
  std::byte* out = nullptr;
  int64_t n = 0;
  int64_t item = 1;
  at::ScalarType dtype = at::kFloat;
  ReduceOp op = ReduceOp::kSum;
  bool gather = false;
  int64_t left = 0;  // pieces
};

struct Piece {
  std::shared_ptr<Job> job;
  int64_t begin = 0;  // elements [begin, begin + n) of each rank's rows
  int64_t n = 0;
  std::vector<std::byte> received;
  MPI_Request request = MPI_REQUEST_NULL;
};

class MpiBackend final : public Backend {
 public:
  explicit MpiBackend(MPI_Comm comm) : move_(comm), first_(comm), second_(comm) {
    BESSEMER_MPI(MPI_Comm_rank(comm, &rank_));
    BESSEMER_MPI(MPI_Comm_size(comm, &size_));
  }
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  const char* name() const override { return "mpi"; }
  void barrier() override { BESSEMER_MPI(MPI_Barrier(move_)); }

  void broadcast(at::Tensor& data, int root) override {
    const int64_t all = static_cast<int64_t>(data.nbytes());
    for (int64_t at = 0; at < all; at += kPieceBytes) {
      BESSEMER_MPI(
          MPI_Bcast(bytes(data) + at, static_cast<int>(std::min(kPieceBytes, all - at)), MPI_BYTE, root, move_));
    }
  }

  void all_gather(const at::Tensor& part, at::Tensor& whole) override {
    const int64_t all = static_cast<int64_t>(part.nbytes());
    const bool in_place = bytes(part) == bytes(whole) + rank_ * all;
    for (int64_t at = 0; at < all; at += kPieceBytes) {
      const int64_t n = std::min(kPieceBytes, all - at);
      const void* from = in_place ? MPI_IN_PLACE : static_cast<const void*>(bytes(part) + at);
      BESSEMER_MPI(MPI_Allgather(from, static_cast<int>(n), MPI_BYTE, bytes(whole) + at, 1, Strided(n, all), move_));
    }
  }

  void all_reduce(at::Tensor& data, ReduceOp op) override {
    if (static_cast<int64_t>(data.nbytes()) <= kSmallBytes)
      return reduce_small(bytes(data), data.numel(), data.scalar_type(), data.element_size(), op);
    wait(*enqueue_all_reduce(data, op));
  }
  void reduce_scatter(const at::Tensor& whole, at::Tensor& part) override {
    wait(*enqueue_reduce_scatter(whole, part));
  }
  Work start_all_reduce(at::Tensor& data) override { return started(enqueue_all_reduce(data, ReduceOp::kSum)); }
  Work start_reduce_scatter(const at::Tensor& whole, at::Tensor& part) override {
    return started(enqueue_reduce_scatter(whole, part));
  }

 private:
  struct Ticket final : Pending {
    Ticket(MpiBackend& backend, std::shared_ptr<Job> job) : backend_(backend), job_(std::move(job)) {}
    bool poll() override {
      while (job_->left > 0 && backend_.progress()) {
      }
      return job_->left == 0;
    }
    void wait() override { backend_.wait(*job_); }
    MpiBackend& backend_;
    std::shared_ptr<Job> job_;
  };

  Work started(std::shared_ptr<Job> job) {
    auto work = std::make_unique<Ticket>(*this, std::move(job));
    progress();
    return work;
  }

  // Everybody gets everything and adds it up alone: one collective instead of two.
  void reduce_small(std::byte* data, int64_t n, at::ScalarType dtype, int64_t item, ReduceOp op) {
    if (n == 0) return;
    std::vector<std::byte> all(static_cast<std::size_t>(size_ * n * item));
    BESSEMER_MPI(MPI_Allgather(data, static_cast<int>(n * item), MPI_BYTE, all.data(), static_cast<int>(n * item),
                               MPI_BYTE, move_));
    tree_reduce(rows_of(all, n * item), data, n, dtype, op);
  }

  std::vector<const void*> rows_of(const std::vector<std::byte>& all, int64_t stride) const {
    std::vector<const void*> rows;
    for (int r = 0; r < size_; ++r) rows.push_back(all.data() + r * stride);
    return rows;
  }

  std::shared_ptr<Job> enqueue_all_reduce(at::Tensor& data, ReduceOp op) {
    auto job = std::make_shared<Job>();
    job->whole = data;
    job->item = data.element_size();
    job->dtype = data.scalar_type();
    job->op = op;
    job->gather = true;
    job->n = data.numel() / size_;
    job->in = bytes(data);
    job->out = job->in + rank_ * job->n * job->item;
    const int64_t even = job->n * size_;  // the last few that do not divide go the short way, at once
    reduce_small(job->in + even * job->item, data.numel() - even, job->dtype, job->item, op);
    return enqueue(job);
  }

  std::shared_ptr<Job> enqueue_reduce_scatter(const at::Tensor& whole, at::Tensor& part) {
    auto job = std::make_shared<Job>();
    job->whole = whole;
    job->part = part;
    job->item = part.element_size();
    job->dtype = part.scalar_type();
    job->n = part.numel();
    job->in = static_cast<std::byte*>(whole.data_ptr());  // read only: no gather
    job->out = bytes(part);
    return enqueue(job);
  }

  std::shared_ptr<Job> enqueue(std::shared_ptr<Job> job) {
    const int64_t step = std::max<int64_t>(1, kPieceBytes / (job->item * size_));
    for (int64_t at = 0; at < job->n; at += step) {
      waiting_.push_back({job, at, std::min(step, job->n - at), {}, MPI_REQUEST_NULL});
      ++job->left;
    }
    return job;
  }

  // Moves what can move one place on; false where all waits for other ranks.
  bool progress() {
    if (!gathering_.empty() && arrived(gathering_.front())) {
      --gathering_.front().job->left;
      gathering_.pop_front();
      return true;
    }
    if (!receiving_.empty() && arrived(receiving_.front())) {
      add_up(receiving_.front());
      receiving_.pop_front();
      return true;
    }
    if (!waiting_.empty() && receiving_.size() < kReceiving) {
      receiving_.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
      send(receiving_.back());
      return true;
    }
    return false;
  }

  static bool arrived(Piece& piece) {
    int flag = 0;
    BESSEMER_MPI(MPI_Test(&piece.request, &flag, MPI_STATUS_IGNORE));
    return flag != 0;
  }

  void send(Piece& piece) {
    const Job& job = *piece.job;
    const int64_t length = piece.n * job.item;
    piece.received = take_buffer(static_cast<std::size_t>(length * size_));
    BESSEMER_MPI(MPI_Ialltoall(job.in + piece.begin * job.item, 1, Strided(length, job.n * job.item),
                               piece.received.data(), static_cast<int>(length), MPI_BYTE, first_, &piece.request));
  }

  void add_up(Piece& piece) {
    Job& job = *piece.job;
    const int64_t length = piece.n * job.item;
    tree_reduce(rows_of(piece.received, length), job.out + piece.begin * job.item, piece.n, job.dtype, job.op);
    buffers_.push_back(std::move(piece.received));
    if (!job.gather) {
      --job.left;
      return;
    }
    gathering_.push_back({piece.job, piece.begin, piece.n, {}, MPI_REQUEST_NULL});
    BESSEMER_MPI(MPI_Iallgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, job.in + piece.begin * job.item, 1,
                                Strided(length, job.n * job.item), second_, &gathering_.back().request));
  }

  std::vector<std::byte> take_buffer(std::size_t size) {
    std::vector<std::byte> buffer;
    if (!buffers_.empty()) {
      buffer = std::move(buffers_.back());
      buffers_.pop_back();
    }
    buffer.resize(size);
    return buffer;
  }

  void wait(const Job& job) {
    while (job.left > 0) {
      if (!progress()) sched_yield();
    }
  }

  int rank_ = 0;
  int size_ = 1;
  Communicator move_, first_, second_;
  std::deque<Piece> waiting_, receiving_, gathering_;
  std::vector<std::vector<std::byte>> buffers_;
};

}  // namespace

std::shared_ptr<Backend> make_mpi_backend(int comm) { return std::make_shared<MpiBackend>(MPI_Comm_f2c(comm)); }

}  // namespace bessemer::parallel
