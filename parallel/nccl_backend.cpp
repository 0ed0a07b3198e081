#include "parallel/nccl_backend.h"

#include <ATen/ATen.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <nccl.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <future>
#include <thread>

#include "parallel/error.h"
#include "parallel/tree_sum_cuda.h"

namespace bessemer::parallel {
namespace {

#define BESSEMER_NCCL(call)                                                                                       \
  do {                                                                                                            \
    if (const ncclResult_t status_ = (call); status_ != ncclSuccess)                                              \
      ::bessemer::fail(::bessemer::ExitCode::kEnvironment, #call, " failed: ", ncclGetErrorString(status_), "; ", \
                       ncclGetLastError(nullptr));                                                                \
  } while (false)
#define BESSEMER_CUDA(call)                                                                                  \
  do {                                                                                                       \
    if (const cudaError_t status_ = static_cast<cudaError_t>(call); status_ != cudaSuccess)                  \
      ::bessemer::fail(::bessemer::ExitCode::kEnvironment, #call, " failed: ", cudaGetErrorString(status_)); \
  } while (false)

ncclDataType_t sum_type(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat: return ncclFloat32;
    case at::kBFloat16: return ncclBfloat16;
    case at::kHalf: return ncclFloat16;
    case at::kLong: return ncclInt64;
    default:
      fail(ExitCode::kInternal, "a sum over ranks of ", c10::toString(dtype),
           " device tensors was asked for; fp32, bf16, fp16 and int64 are supported");
  }
}

CudaType kernel_type(at::ScalarType dtype) {
  switch (sum_type(dtype)) {
    case ncclBfloat16: return CudaType::kBf16;
    case ncclFloat16: return CudaType::kHalf;
    case ncclInt64: return CudaType::kInt64;
    default: return CudaType::kFloat;
  }
}

std::byte* bytes(const at::Tensor& t) { return static_cast<std::byte*>(t.data_ptr()); }

class Event {
 public:
  Event() { BESSEMER_CUDA(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming)); }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  operator cudaEvent_t() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

class NcclBackend final : public Backend {
 public:
  NcclBackend(const std::string& id, const NcclOptions& options)
      : options_(options), side_(c10::cuda::getStreamFromPool(true, static_cast<c10::DeviceIndex>(options.device))) {
    const c10::cuda::CUDAGuard guard(device());
    ncclUniqueId unique{};
    std::memcpy(unique.internal, id.data(), std::min(id.size(), sizeof unique.internal));
    BESSEMER_NCCL(ncclCommInitRank(&comm_, options.size, unique, options.rank));
  }
  ~NcclBackend() override {
    if (comm_ != nullptr && ncclCommDestroy(comm_) != ncclSuccess) std::fputs("ncclCommDestroy failed\n", stderr);
  }
  int rank() const override { return options_.rank; }
  int size() const override { return options_.size; }
  const char* name() const override { return "nccl"; }

  void barrier() override {
    auto one = at::zeros({1}, at::TensorOptions().dtype(at::kFloat).device(at::kCUDA, device()));
    BESSEMER_NCCL(ncclAllReduce(one.data_ptr(), one.data_ptr(), 1, ncclFloat32, ncclSum, alive(), current()));
    BESSEMER_CUDA(cudaStreamSynchronize(current()));
  }
  void broadcast(at::Tensor& data, int root) override {
    BESSEMER_NCCL(ncclBroadcast(bytes(data), bytes(data), data.nbytes(), ncclUint8, root, alive(), current()));
  }
  void all_gather(const at::Tensor& part, at::Tensor& whole) override {
    BESSEMER_NCCL(ncclAllGather(bytes(part), bytes(whole), part.nbytes(), ncclUint8, alive(), current()));
  }
  void all_reduce(at::Tensor& data, ReduceOp op) override { reduce_on(current(), data, op); }
  void reduce_scatter(const at::Tensor& whole, at::Tensor& part) override { reduce_scatter_on(current(), whole, part); }

  Work start_all_reduce(at::Tensor& data) override {
    return beside({data}, [&] { reduce_on(side_.stream(), data, ReduceOp::kSum); });
  }
  Work start_reduce_scatter(const at::Tensor& whole, at::Tensor& part) override {
    return beside({whole, part}, [&] { reduce_scatter_on(side_.stream(), whole, part); });
  }

  // An abort can hang where a peer is dead: it gets 2 seconds, then the process ends without it.
  void abort() override {
    if (comm_ == nullptr) return;
    auto ended = std::make_shared<std::promise<void>>();
    std::thread([comm = comm_, ended] {
      ncclCommAbort(comm);
      ended->set_value();
    }).detach();
    comm_ = nullptr;
    if (ended->get_future().wait_for(std::chrono::seconds(2)) == std::future_status::timeout)
      std::fputs("ncclCommAbort did not end within 2 s\n", stderr);
  }

 private:
  struct Ticket final : Pending {
    Ticket(NcclBackend& backend, std::vector<at::Tensor> tensors) : backend_(backend), tensors_(std::move(tensors)) {}
    bool poll() override {
      backend_.alive();
      const cudaError_t status = cudaEventQuery(end_);
      if (status != cudaErrorNotReady) BESSEMER_CUDA(status);
      return status == cudaSuccess;
    }
    void wait() override { BESSEMER_CUDA(cudaStreamWaitEvent(backend_.current(), end_)); }  // the host does not wait
    NcclBackend& backend_;
    std::vector<at::Tensor> tensors_;  // their memory stays ours until the ticket goes
    Event end_;
  };

  c10::DeviceIndex device() const { return static_cast<c10::DeviceIndex>(options_.device); }
  cudaStream_t current() const { return c10::cuda::getCurrentCUDAStream(device()).stream(); }

  // The communicator, unless NCCL has noticed that something broke.
  ncclComm_t alive() {
    BESSEMER_CHECK_ENV(comm_ != nullptr, "this NCCL group was aborted");
    ncclResult_t status = ncclSuccess;
    BESSEMER_NCCL(ncclCommGetAsyncError(comm_, &status));
    if (status != ncclSuccess && status != ncclInProgress) {
      abort();
      fail(ExitCode::kEnvironment, "NCCL reports: ", ncclGetErrorString(status),
           "; a rank or the network between ranks is gone");
    }
    return comm_;
  }

  template <class Launch>
  Work beside(std::vector<at::Tensor> tensors, Launch launch) {
    auto ticket = std::make_unique<Ticket>(*this, tensors);
    const Event ready;
    BESSEMER_CUDA(cudaEventRecord(ready, current()));
    BESSEMER_CUDA(cudaStreamWaitEvent(side_.stream(), ready));
    for (const auto& t : tensors) t.record_stream(side_.unwrap());
    {
      const c10::cuda::CUDAStreamGuard guard(side_);  // temporaries are then the side stream's
      launch();
    }
    BESSEMER_CUDA(cudaEventRecord(ticket->end_, side_.stream()));
    return ticket;
  }

  void reduce_on(cudaStream_t stream, at::Tensor& data, ReduceOp op) {
    if (data.numel() == 0) return;
    if (!options_.tree_order || op != ReduceOp::kSum) {
      const auto kind = op == ReduceOp::kSum ? ncclSum : op == ReduceOp::kMax ? ncclMax : ncclMin;
      BESSEMER_NCCL(ncclAllReduce(bytes(data), bytes(data), static_cast<std::size_t>(data.numel()),
                                  sum_type(data.scalar_type()), kind, alive(), stream));
      return;
    }
    const int64_t n = data.numel() / size(), even = n * size(), rest = data.numel() - even;
    const auto flat = data.view(-1);
    if (n > 0) {
      auto ours = flat.narrow(0, rank() * n, n);
      tree_scatter(stream, flat.narrow(0, 0, even), ours);
      BESSEMER_NCCL(ncclAllGather(bytes(ours), bytes(data), ours.nbytes(), ncclUint8, alive(), stream));
    }
    if (rest > 0) {
      auto tail = flat.narrow(0, even, rest);
      const auto all = at::empty({size() * rest}, data.options());
      BESSEMER_NCCL(ncclAllGather(bytes(tail), bytes(all), tail.nbytes(), ncclUint8, alive(), stream));
      BESSEMER_CUDA(cuda_tree_sum(bytes(all), bytes(tail), rest, size(), kernel_type(data.scalar_type()), stream));
    }
  }

  void reduce_scatter_on(cudaStream_t stream, const at::Tensor& whole, at::Tensor& part) {
    if (part.numel() == 0) return;
    if (options_.tree_order) return tree_scatter(stream, whole, part);
    BESSEMER_NCCL(ncclReduceScatter(bytes(whole), bytes(part), static_cast<std::size_t>(part.numel()),
                                    sum_type(part.scalar_type()), ncclSum, alive(), stream));
  }

  // Our rows of every rank's `whole`, added in the fixed tree. `part` may lie in `whole`: it is written last.
  void tree_scatter(cudaStream_t stream, const at::Tensor& whole, at::Tensor& part) {
    const auto received = at::empty({size() * part.numel()}, part.options());
    const std::size_t row = part.nbytes();
    const ncclComm_t comm = alive();
    BESSEMER_NCCL(ncclGroupStart());
    for (int r = 0; r < size(); ++r) {
      BESSEMER_NCCL(ncclSend(bytes(whole) + static_cast<std::size_t>(r) * row, row, ncclUint8, r, comm, stream));
      BESSEMER_NCCL(ncclRecv(bytes(received) + static_cast<std::size_t>(r) * row, row, ncclUint8, r, comm, stream));
    }
    BESSEMER_NCCL(ncclGroupEnd());
    BESSEMER_CUDA(
        cuda_tree_sum(bytes(received), bytes(part), part.numel(), size(), kernel_type(part.scalar_type()), stream));
  }

  NcclOptions options_;
  ncclComm_t comm_ = nullptr;
  c10::cuda::CUDAStream side_;
};

}  // namespace

std::string make_nccl_id() {
  ncclUniqueId id{};
  BESSEMER_NCCL(ncclGetUniqueId(&id));
  return {id.internal, sizeof id.internal};
}

std::shared_ptr<Backend> make_nccl_backend(const std::string& id, const NcclOptions& options) {
  BESSEMER_CHECK(!options.tree_order || options.size <= kMaxCudaRanks, "the fixed tree of sums over ", options.size,
                 " GPUs: at most ", kMaxCudaRanks, "; set parallel.virtual_dp = 0");
  return std::make_shared<NcclBackend>(id, options);
}

}  // namespace bessemer::parallel
