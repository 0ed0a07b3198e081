#pragma once
#include <vector>

namespace bessemer::parallel {

/// A rank's place on each axis of the grid of ranks.
struct Coordinates {
  int tp = 0;
  int dp = 0;
  bool operator==(const Coordinates&) const = default;
};

/// The grid of ranks: pure arithmetic. tp is the fastest axis, so that tensor-parallel peers sit on one host.
class Topology {
 public:
  Topology() = default;
  /// \param dp  0 means ranks / tp. Throws Error (64) where dp * tp is not `ranks`.
  Topology(int ranks, int tp, int dp = 0);

  int ranks() const { return tp_ * dp_; }
  int tp() const { return tp_; }
  int dp() const { return dp_; }
  Coordinates coordinates(int rank) const { return {rank % tp_, rank / tp_}; }
  int rank(const Coordinates& at) const { return at.dp * tp_ + at.tp; }
  std::vector<int> tp_peers(
      int rank) const;  ///< ranks of the tensor-parallel group of `rank`, in order, `rank` among them
  std::vector<int> dp_peers(int rank) const;  ///< likewise, data-parallel

 private:
  int tp_ = 1;
  int dp_ = 1;
};

}  // namespace bessemer::parallel
