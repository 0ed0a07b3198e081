#pragma once
#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "parallel/group.h"

namespace bessemer::parallel {

/// Collectives between ranks that see common memory: threads of one process (thread_backend) or processes of one host
/// that map one window (shm_backend).
///
/// Every collective is a stream of pieces that pass through a ring of kSlots slots per rank. For piece k a rank copies
/// its data into its slot, adds up its chunk of everybody's slots, and copies the results out; three counters per rank,
/// that only it writes, say how many pieces it has brought through each of the three stations. All jobs of a group go
/// through in the order in which they were started, so that several may be under way.
class SharedMemoryBackend final : public Backend {
 public:
  static constexpr int kSlots = 4;
  static constexpr int64_t kSlotBytes = 512 << 10;  ///< all slots of two ranks fit in a second-level cache
  static constexpr int64_t kRankBytes = 128 + kSlots * kSlotBytes;  ///< counters, then slots

  struct Memory {
    std::vector<std::byte*> ranks;  ///< kRankBytes each, zeroed, aligned to 64 bytes
    std::shared_ptr<void> owner;    ///< keeps them alive
  };
  /// \param spins  times a waiting rank looks before it gives its core away; 0 where ranks outnumber cores.
  SharedMemoryBackend(std::string name, int rank, Memory memory, int spins);

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(memory_.ranks.size()); }
  const char* name() const override { return name_.c_str(); }
  void barrier() override;
  void broadcast(at::Tensor& data, int root) override;
  void all_reduce(at::Tensor& data, ReduceOp op) override;
  void all_gather(const at::Tensor& part, at::Tensor& whole) override;
  void reduce_scatter(const at::Tensor& whole, at::Tensor& part) override;
  Work start_all_reduce(at::Tensor& data) override;
  Work start_reduce_scatter(const at::Tensor& whole, at::Tensor& part) override;
  void abort() override;  ///< every rank that waits, or will wait, in this group gets an Error

 private:
  struct Counters;
  struct Job;
  struct Ticket;

  Counters& counters(int rank) const;
  std::byte* slot(int rank, int64_t piece) const;
  int64_t slowest(int station) const;
  const Job& job_of(int64_t piece) const;
  std::shared_ptr<Job> enqueue(Job job);
  bool progress();
  bool done(const Job& job) const;
  void wait(const Job& job);
  void copy_in(int64_t piece);
  void add_up(int64_t piece);
  void copy_out(int64_t piece);

  std::string name_;
  int rank_;
  Memory memory_;
  int spins_;
  std::deque<std::shared_ptr<const Job>> jobs_;
  int64_t pieces_ = 0;    ///< of all jobs so far
  int64_t done_[3] = {};  ///< pieces that we brought through each station
};

}  // namespace bessemer::parallel
