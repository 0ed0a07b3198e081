#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace bessemer::parallel {

enum class ReduceOp { kSum, kMax, kMin };

/// A collective under way. Backends without progress of their own (MPI, shared memory) move on only when polled.
class Pending {
 public:
  virtual ~Pending() = default;
  virtual bool poll() = 0;  ///< makes what progress is possible; true when done
  virtual void wait() = 0;  ///< returns when done; the result is then in the tensor that was handed in
};
using Work = std::unique_ptr<Pending>;  ///< nullptr: done already

/// What a backend implements. All tensors are contiguous; ranks call in the same order with the same shapes.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual const char* name() const = 0;  ///< "threads", "mpi", "shm", "nccl"
  virtual void barrier() = 0;
  virtual void broadcast(at::Tensor& data, int root) = 0;
  virtual void all_reduce(at::Tensor& data, ReduceOp op) = 0;
  virtual void all_gather(const at::Tensor& part, at::Tensor& whole) = 0;
  virtual void reduce_scatter(const at::Tensor& whole, at::Tensor& part) = 0;
  virtual Work start_all_reduce(at::Tensor& data) = 0;
  virtual Work start_reduce_scatter(const at::Tensor& whole, at::Tensor& part) = 0;
  virtual void abort() {}  ///< gives up what is under way, so that this process can end
};

/// Some ranks that work together: a cheap value. Size one is the identity and costs nothing.
///
/// Every method but rank() and size() is collective: all ranks of the group call it, in one order, with equal shapes
/// and dtypes. Sums are taken in a fixed binary tree over the ranks ((0+1)+(2+3))+..., in fp32 for 16-bit data and
/// rounded once, so that they do not depend on timing, on the backend, or on how a buffer is cut (decision 3).
/// Dtypes: fp32, bf16, fp16, int64, and for movement without a sum any.
class Group {
 public:
  Group() = default;
  explicit Group(std::shared_ptr<Backend> backend) : backend_(std::move(backend)) {}
  int rank() const { return backend_ ? backend_->rank() : 0; }
  int size() const { return backend_ ? backend_->size() : 1; }
  const char* backend_name() const { return backend_ ? backend_->name() : "none"; }

  void barrier() const;
  void broadcast(at::Tensor& data, int root) const;
  void all_reduce(at::Tensor& data, ReduceOp op = ReduceOp::kSum) const;  ///< in place
  /// \param whole  [size * n, ...] for part [n, ...]: the parts in rank order.
  void all_gather(const at::Tensor& part, at::Tensor& whole) const;
  /// \param whole  [size * n, ...]; \param part  [n, ...]: our n rows of the sum over ranks.
  void reduce_scatter(const at::Tensor& whole, at::Tensor& part) const;
  Work start_all_reduce(at::Tensor& data) const;                               ///< sum, in place
  Work start_reduce_scatter(const at::Tensor& whole, at::Tensor& part) const;  ///< sum

  // Host values; for groups on host tensors only (Grid::world).
  int64_t all_reduce(int64_t value, ReduceOp op) const;
  std::string broadcast(const std::string& text, int root) const;
  std::vector<std::string> all_gather(const std::string& text) const;  ///< lengths may differ

  void abort() const {
    if (backend_) backend_->abort();
  }

 private:
  std::shared_ptr<Backend> backend_;
};

}  // namespace bessemer::parallel
