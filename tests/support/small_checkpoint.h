#pragma once
#include <cmath>
#include <string>
#include <vector>

#include "trainer/publish.h"
#include "trainer/run_directory.h"

namespace bessemer::tests {

/// Values that tell where they belong: element i of the tensor called `name` at `step`.
inline float element(const std::string& name, int64_t step, int64_t i) {
  return static_cast<float>(name.size() * 1000 + static_cast<std::size_t>(step) * 100) + static_cast<float>(i) * 0.25f;
}

/// Chunks and the memory they point to.
struct Parts {
  std::vector<trainer::Chunk> chunks;
  std::vector<std::vector<float>> memory;

  /// Elements [first, first + count) of slice [begin, end) along `dim`; count -1: to the slice's end.
  void add(const std::string& name, int64_t step, std::vector<int64_t> shape, int64_t dim, int64_t begin, int64_t end,
           int64_t first = 0, int64_t count = -1) {
    int64_t outer = 1, extent = 1, inner = 1;
    for (std::size_t d = 0; d < shape.size(); ++d) {
      (static_cast<int64_t>(d) < dim ? outer : static_cast<int64_t>(d) == dim ? extent : inner) *= shape[d];
    }
    std::vector<float> slice;
    for (int64_t o = 0; o < outer; ++o) {
      for (int64_t k = begin * inner; k < end * inner; ++k)
        slice.push_back(element(name, step, o * extent * inner + k));
    }
    if (count < 0) count = static_cast<int64_t>(slice.size()) - first;
    memory.emplace_back(slice.begin() + first, slice.begin() + first + count);
    chunks.push_back({name, shape, dim, begin, end, first, count, nullptr});
    for (std::size_t i = 0; i < chunks.size(); ++i) chunks[i].data = memory[i].data();
  }
};

inline const trainer::Reached kNothing = [](std::string_view) {};

/// What two ranks save at `step`.
inline trainer::SavePlan small_plan(const std::string& run, int64_t step, std::vector<int> writers = {0, 1}) {
  return {run, "00000000000000aa", trainer::random_hex() + "-1", step, std::move(writers)};
}

inline Parts small_parts(int rank, int64_t step) {
  Parts parts;
  parts.add("params/w", step, {3, 5}, 1, rank == 0 ? 0 : 2, rank == 0 ? 2 : 5);
  parts.add("momentum/b", step, {7}, 0, 0, 7, rank == 0 ? 0 : 3, rank == 0 ? 3 : 4);
  if (rank == 1) parts.add("variance/s", step, {}, 0, 0, 1);
  return parts;
}

inline trainer::Manifest small_manifest(int64_t step, double loss = std::nan("")) {
  trainer::Manifest manifest;
  manifest.validation_loss = loss, manifest.state = {{"t", step}}, manifest.config = "[run]\n";
  manifest.environment = {{"bessemer", "test"}}, manifest.read_back = true;
  return manifest;
}

/// Two writers without a Group: a matrix cut along dim 1, a vector cut flat, a scalar.
inline std::string save_small(const std::string& run, int64_t step, double loss = std::nan(""),
                              const trainer::Reached& reached = kNothing) {
  const auto plan = small_plan(run, step);
  for (const int rank : plan.writers) {
    trainer::write_rank(plan, rank, small_parts(rank, step).chunks, true, reached);
  }
  return trainer::publish(plan, small_manifest(step, loss), reached);
}

/// True where the checkpoint gives back exactly what save_small put in.
inline bool holds_small(const trainer::CheckpointReader& checkpoint, int64_t step) {
  bool same = checkpoint.step() == step && checkpoint.datasets().size() == 3;
  for (const auto& [name, n] :
       {std::pair<std::string, int64_t>{"params/w", 15}, {"momentum/b", 7}, {"variance/s", 1}}) {
    std::vector<float> out(static_cast<std::size_t>(n), -1);
    checkpoint.read(name, out.data());
    for (int64_t i = 0; i < n; ++i) same = same && out[static_cast<std::size_t>(i)] == element(name, step, i);
  }
  return same;
}

}  // namespace bessemer::tests
