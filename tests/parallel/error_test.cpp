#include "parallel/error.h"

#include <gtest/gtest.h>

#include <vector>

namespace bessemer {

TEST(EditDistance, CountsInsertionsDeletionsSubstitutionsAndSwaps) {
  EXPECT_EQ(edit_distance("layers", "layers"), 0u);
  EXPECT_EQ(edit_distance("layres", "layers"), 1u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
}

TEST(Nearest, SuggestsTheClosestNameOrNothing) {
  const std::vector<std::string> names{"model.layers", "model.hidden"};
  EXPECT_EQ(nearest("model.layres", names), "model.layers");
  EXPECT_EQ(nearest("zzz", names), "");
}

}  // namespace bessemer
