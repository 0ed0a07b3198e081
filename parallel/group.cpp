#include "parallel/group.h"

#include <cstring>

namespace bessemer::parallel {

void Group::barrier() const {
  if (backend_) backend_->barrier();
}

void Group::broadcast(at::Tensor& data, int root) const {
  if (backend_) backend_->broadcast(data, root);
}

void Group::all_reduce(at::Tensor& data, ReduceOp op) const {
  if (backend_) backend_->all_reduce(data, op);
}

void Group::all_gather(const at::Tensor& part, at::Tensor& whole) const {
  if (backend_) {
    backend_->all_gather(part, whole);
  } else {
    whole.copy_(part.view_as(whole));
  }
}

void Group::reduce_scatter(const at::Tensor& whole, at::Tensor& part) const {
  if (backend_) {
    backend_->reduce_scatter(whole, part);
  } else {
    part.copy_(whole.view_as(part));
  }
}

Work Group::start_all_reduce(at::Tensor& data) const { return backend_ ? backend_->start_all_reduce(data) : nullptr; }

Work Group::start_reduce_scatter(const at::Tensor& whole, at::Tensor& part) const {
  if (backend_) return backend_->start_reduce_scatter(whole, part);
  part.copy_(whole.view_as(part));
  return nullptr;
}

int64_t Group::all_reduce(int64_t value, ReduceOp op) const {
  auto data = at::full({1}, value, at::kLong);
  all_reduce(data, op);
  return data.item<int64_t>();
}

std::string Group::broadcast(const std::string& text, int root) const {
  const int64_t length = all_reduce(rank() == root ? static_cast<int64_t>(text.size()) : 0, ReduceOp::kMax);
  auto bytes = at::zeros({length}, at::kByte);
  if (rank() == root) std::memcpy(bytes.data_ptr(), text.data(), text.size());
  if (length > 0) broadcast(bytes, root);
  return {static_cast<const char*>(bytes.data_ptr()), static_cast<std::size_t>(length)};
}

std::vector<std::string> Group::all_gather(const std::string& text) const {
  const int64_t longest = all_reduce(static_cast<int64_t>(text.size()), ReduceOp::kMax);
  const int64_t row = longest + static_cast<int64_t>(sizeof(int64_t));  // each row begins with its text's length
  auto part = at::zeros({1, row}, at::kByte);
  auto whole = at::zeros({size(), row}, at::kByte);
  const int64_t length = static_cast<int64_t>(text.size());
  auto* begin = static_cast<char*>(part.data_ptr());
  std::memcpy(begin, &length, sizeof length);
  std::memcpy(begin + sizeof length, text.data(), text.size());
  all_gather(part, whole);
  std::vector<std::string> texts;
  for (int r = 0; r < size(); ++r) {
    const char* at = static_cast<const char*>(whole.data_ptr()) + r * row;
    int64_t n = 0;
    std::memcpy(&n, at, sizeof n);
    texts.emplace_back(at + sizeof n, static_cast<std::size_t>(n));
  }
  return texts;
}

}  // namespace bessemer::parallel
