#include "parallel/topology.h"

#include "parallel/error.h"

namespace bessemer::parallel {

Topology::Topology(int ranks, int tp, int dp) : tp_(tp), dp_(dp) {
  BESSEMER_CHECK(ranks >= 1, "a job has at least one rank, not ", ranks);
  BESSEMER_CHECK(tp >= 1 && ranks % tp == 0, "parallel.tp = ", tp, " does not divide the ", ranks, " rank",
                 ranks == 1 ? "" : "s", " of this job; start a multiple of ", tp,
                 " ranks (mpirun -n ...) or choose another parallel.tp");
  if (dp_ == 0) dp_ = ranks / tp;
  BESSEMER_CHECK(dp_ * tp_ == ranks, "parallel.dp x parallel.tp = ", dp_, " x ", tp_, " = ", dp_ * tp_,
                 ", but this job has ", ranks, " rank", ranks == 1 ? "" : "s", "; start ", dp_ * tp_, " (mpirun -n ",
                 dp_ * tp_, ") or leave parallel.dp at 0, which means ranks / tp");
}

std::vector<int> Topology::tp_peers(int rank) const {
  std::vector<int> peers;
  for (int t = 0; t < tp_; ++t) peers.push_back(this->rank({t, coordinates(rank).dp}));
  return peers;
}

std::vector<int> Topology::dp_peers(int rank) const {
  std::vector<int> peers;
  for (int d = 0; d < dp_; ++d) peers.push_back(this->rank({coordinates(rank).tp, d}));
  return peers;
}

}  // namespace bessemer::parallel
