#include "parallel/topology.h"

#include <gtest/gtest.h>

#include "parallel/error.h"

namespace bessemer::parallel {

TEST(Topology, TensorParallelPeersAreNeighbours) {
  const Topology grid(8, 2);
  EXPECT_EQ(grid.dp(), 4);
  EXPECT_EQ(grid.tp_peers(5), (std::vector<int>{4, 5}));
  EXPECT_EQ(grid.dp_peers(5), (std::vector<int>{1, 3, 5, 7}));
  for (int r = 0; r < 8; ++r) EXPECT_EQ(grid.rank(grid.coordinates(r)), r);
}

TEST(Topology, RefusesWhatDoesNotMultiplyToTheRanks) {
  EXPECT_THROW(Topology(4, 3), Error);
  EXPECT_THROW(Topology(4, 2, 1), Error);
  EXPECT_THROW(Topology(0, 1), Error);
}

}  // namespace bessemer::parallel
