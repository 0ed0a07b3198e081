#include "parallel/shared_memory.h"

#include <ATen/ATen.h>
#include <sched.h>

#include <cstring>
#include <limits>

#include "parallel/error.h"
#include "parallel/tree_sum.h"

namespace bessemer::parallel {

namespace {
enum Station { kIn, kSummed, kOut };
enum class Kind { kBarrier, kBroadcast, kAllReduce, kAllGather, kReduceScatter };
}  // namespace

struct SharedMemoryBackend::Counters {
  std::atomic<int64_t> passed[3];
  std::atomic<int64_t> aborted;
};

// A collective: pieces [first, first + pieces) of the group's stream. Piece i works on elements [i * step, + step) of
// `n`.
struct SharedMemoryBackend::Job {
  Kind kind = Kind::kBarrier;
  const std::byte* in = nullptr;
  std::byte* out = nullptr;
  int64_t n = 0;     // elements: of the tensor, or of one rank's part of it
  int64_t item = 1;  // bytes of an element
  int64_t step = 1;
  at::ScalarType dtype = at::kByte;
  ReduceOp op = ReduceOp::kSum;
  int root = 0;
  int64_t first = 0;
  int64_t pieces = 0;
  at::Tensor keep_in{}, keep_out{};  // memory stays alive while a started job is under way
};

struct SharedMemoryBackend::Ticket final : Pending {
  Ticket(SharedMemoryBackend& backend, std::shared_ptr<Job> job) : backend_(backend), job_(std::move(job)) {}
  bool poll() override {
    while (!backend_.done(*job_) && backend_.progress()) {
    }
    return backend_.done(*job_);
  }
  void wait() override { backend_.wait(*job_); }

 private:
  SharedMemoryBackend& backend_;
  std::shared_ptr<Job> job_;
};

SharedMemoryBackend::SharedMemoryBackend(std::string name, int rank, Memory memory, int spins)
    : name_(std::move(name)), rank_(rank), memory_(std::move(memory)), spins_(spins) {
  static_assert(sizeof(Counters) <= kRankBytes - kSlots * kSlotBytes && std::atomic<int64_t>::is_always_lock_free);
}

SharedMemoryBackend::Counters& SharedMemoryBackend::counters(int rank) const {
  return *reinterpret_cast<Counters*>(memory_.ranks[static_cast<std::size_t>(rank)]);
}

std::byte* SharedMemoryBackend::slot(int rank, int64_t piece) const {
  return memory_.ranks[static_cast<std::size_t>(rank)] + 128 + (piece % kSlots) * kSlotBytes;
}

int64_t SharedMemoryBackend::slowest(int station) const {
  int64_t least = std::numeric_limits<int64_t>::max();
  for (int r = 0; r < size(); ++r) least = std::min(least, counters(r).passed[station].load(std::memory_order_acquire));
  return least;
}

const SharedMemoryBackend::Job& SharedMemoryBackend::job_of(int64_t piece) const {
  for (const auto& job : jobs_) {
    if (piece < job->first + job->pieces) return *job;
  }
  fail(ExitCode::kInternal, "piece ", piece, " belongs to no collective");
}

std::shared_ptr<SharedMemoryBackend::Job> SharedMemoryBackend::enqueue(Job job) {
  auto shared = std::make_shared<Job>(std::move(job));
  const bool strided = shared->kind == Kind::kReduceScatter;  // a slot then holds a stretch of every rank's rows
  shared->step = std::max<int64_t>(1, kSlotBytes / (shared->item * (strided ? size() : 1)));
  shared->first = pieces_;
  shared->pieces = shared->kind == Kind::kBarrier ? 1 : (shared->n + shared->step - 1) / shared->step;
  pieces_ += shared->pieces;
  if (shared->pieces > 0) jobs_.push_back(shared);
  return shared;
}

bool SharedMemoryBackend::done(const Job& job) const { return done_[kOut] >= job.first + job.pieces; }

// Moves one piece through one station, the last station first, where it can; false where it must wait for another rank.
bool SharedMemoryBackend::progress() {
  const auto pass = [&](Station station) {
    ++done_[station];
    counters(rank_).passed[station].store(done_[station], std::memory_order_release);
    return true;
  };
  if (done_[kOut] < done_[kSummed] && slowest(kSummed) > done_[kOut]) {
    copy_out(done_[kOut]);
    pass(kOut);
    while (!jobs_.empty() && done(*jobs_.front())) jobs_.pop_front();
    return true;
  }
  if (done_[kSummed] < done_[kIn] && slowest(kIn) > done_[kSummed]) {
    add_up(done_[kSummed]);
    return pass(kSummed);
  }
  if (done_[kIn] < pieces_ && (done_[kIn] < kSlots || slowest(kOut) > done_[kIn] - kSlots)) {
    copy_in(done_[kIn]);
    return pass(kIn);
  }
  return false;
}

void SharedMemoryBackend::wait(const Job& job) {
  int idle = 0;
  while (!done(job)) {
    if (progress()) {
      idle = 0;
      continue;
    }
    for (int r = 0; r < size(); ++r) {
      if (counters(r).aborted.load(std::memory_order_relaxed) != 0)
        fail(ExitCode::kInternal, "another rank (", r, ") gave up; this one stops waiting for it");
    }
    if (++idle > spins_) sched_yield();
  }
}

void SharedMemoryBackend::abort() { counters(rank_).aborted.store(1); }

namespace {
struct Stretch {
  int64_t begin, end;
  int64_t size() const { return end - begin; }
};
// Chunk `r` of `n` elements over `ranks`: starts on a cache line of 4-byte elements, so that ranks do not share lines.
Stretch chunk(int64_t n, int r, int ranks) {
  const int64_t each = ((n + ranks - 1) / ranks + 15) / 16 * 16;
  return {std::min(n, r * each), std::min(n, (r + 1) * each)};
}
void copy_bytes(std::byte* to, const std::byte* from, int64_t bytes) {
  if (bytes > 0 && to != from) std::memcpy(to, from, static_cast<std::size_t>(bytes));
}
}  // namespace

void SharedMemoryBackend::copy_in(int64_t piece) {
  const Job& job = job_of(piece);
  const int64_t begin = (piece - job.first) * job.step;
  const int64_t n = std::min(job.step, job.n - begin);
  std::byte* to = slot(rank_, piece);
  switch (job.kind) {
    case Kind::kBarrier: return;
    case Kind::kBroadcast:
      if (rank_ == job.root) copy_bytes(to, job.in + begin * job.item, n * job.item);
      return;
    case Kind::kAllGather:
    case Kind::kAllReduce: return copy_bytes(to, job.in + begin * job.item, n * job.item);
    case Kind::kReduceScatter:
      for (int r = 0; r < size(); ++r) {
        if (r != rank_) copy_bytes(to + r * n * job.item, job.in + (r * job.n + begin) * job.item, n * job.item);
      }
  }
}

void SharedMemoryBackend::add_up(int64_t piece) {
  const Job& job = job_of(piece);
  if (job.kind != Kind::kAllReduce && job.kind != Kind::kReduceScatter) return;
  const int64_t begin = (piece - job.first) * job.step;
  const int64_t n = std::min(job.step, job.n - begin);
  std::vector<const void*> parts(memory_.ranks.size());
  if (job.kind == Kind::kReduceScatter) {
    for (int r = 0; r < size(); ++r) parts[static_cast<std::size_t>(r)] = slot(r, piece) + rank_ * n * job.item;
    parts[static_cast<std::size_t>(rank_)] = job.in + (rank_ * job.n + begin) * job.item;
    return tree_reduce(parts, job.out + begin * job.item, n, job.dtype, job.op);
  }
  const auto ours = chunk(n, rank_, size());
  for (int r = 0; r < size(); ++r) parts[static_cast<std::size_t>(r)] = slot(r, piece) + ours.begin * job.item;
  tree_reduce(parts, slot(rank_, piece) + ours.begin * job.item, ours.size(), job.dtype, job.op);
}

void SharedMemoryBackend::copy_out(int64_t piece) {
  const Job& job = job_of(piece);
  const int64_t begin = (piece - job.first) * job.step;
  const int64_t n = std::min(job.step, job.n - begin);
  if (job.kind == Kind::kBroadcast && rank_ != job.root)
    copy_bytes(job.out + begin * job.item, slot(job.root, piece), n * job.item);
  if (job.kind == Kind::kAllGather) {
    for (int r = 0; r < size(); ++r) copy_bytes(job.out + (r * job.n + begin) * job.item, slot(r, piece), n * job.item);
  }
  if (job.kind == Kind::kAllReduce) {
    for (int r = 0; r < size(); ++r) {
      const auto theirs = chunk(n, r, size());
      copy_bytes(job.out + (begin + theirs.begin) * job.item, slot(r, piece) + theirs.begin * job.item,
                 theirs.size() * job.item);
    }
  }
}

namespace {
const std::byte* bytes(const at::Tensor& t) { return static_cast<const std::byte*>(t.const_data_ptr()); }
std::byte* bytes(at::Tensor& t) { return static_cast<std::byte*>(t.mutable_data_ptr()); }
}  // namespace

void SharedMemoryBackend::barrier() { wait(*enqueue({})); }

void SharedMemoryBackend::broadcast(at::Tensor& data, int root) {
  Job job{
      .kind = Kind::kBroadcast, .in = bytes(data), .out = bytes(data), .n = data.numel(), .item = data.element_size()};
  job.root = root;
  wait(*enqueue(std::move(job)));
}

void SharedMemoryBackend::all_reduce(at::Tensor& data, ReduceOp op) {
  Job job{
      .kind = Kind::kAllReduce, .in = bytes(data), .out = bytes(data), .n = data.numel(), .item = data.element_size()};
  job.dtype = data.scalar_type();
  job.op = op;
  wait(*enqueue(std::move(job)));
}

void SharedMemoryBackend::all_gather(const at::Tensor& part, at::Tensor& whole) {
  Job job{
      .kind = Kind::kAllGather, .in = bytes(part), .out = bytes(whole), .n = part.numel(), .item = part.element_size()};
  wait(*enqueue(std::move(job)));
}

void SharedMemoryBackend::reduce_scatter(const at::Tensor& whole, at::Tensor& part) {
  start_reduce_scatter(whole, part)->wait();
}

Work SharedMemoryBackend::start_all_reduce(at::Tensor& data) {
  Job job{
      .kind = Kind::kAllReduce, .in = bytes(data), .out = bytes(data), .n = data.numel(), .item = data.element_size()};
  job.dtype = data.scalar_type();
  job.keep_in = data;
  auto work = std::make_unique<Ticket>(*this, enqueue(std::move(job)));
  progress();
  return work;
}

Work SharedMemoryBackend::start_reduce_scatter(const at::Tensor& whole, at::Tensor& part) {
  Job job{.kind = Kind::kReduceScatter,
          .in = bytes(whole),
          .out = bytes(part),
          .n = part.numel(),
          .item = part.element_size()};
  job.dtype = part.scalar_type();
  job.keep_in = whole;
  job.keep_out = part;
  auto work = std::make_unique<Ticket>(*this, enqueue(std::move(job)));
  progress();
  return work;
}

}  // namespace bessemer::parallel
