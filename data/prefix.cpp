#include "data/prefix.h"

#include <algorithm>

#include "data/draws.h"
#include "parallel/random.h"

namespace bessemer::data {
namespace {

constexpr uint32_t kUse = 5;  // of Draws

}  // namespace

void add_prefixes(uint64_t seed, Rows& rows) {
  const auto s = static_cast<std::size_t>(rows.sequence);
  if (rows.counted.empty()) rows.counted.assign(rows.rows.size() * s, 1);
  rows.ends.resize(rows.rows.size() * s);
  for (std::size_t r = 0; r < rows.rows.size(); ++r) {
    const uint64_t key = parallel::stream_key(seed, "prefix", static_cast<uint64_t>(rows.rows[r]));
    const auto start = [&](std::size_t i) { return rows.starts.empty() ? 0 : rows.starts[r * s + i]; };
    for (std::size_t begin = 0, end = 0; begin < s; begin = end) {
      for (end = begin + 1; end < s && start(end) == start(begin);) ++end;
      // Its last position has a target only where the row ends inside of it.
      const std::size_t targets = end - begin - (end < s ? 1 : 0);
      Draws draws(parallel::stream_key(key, "data/prefix", begin), kUse);
      const auto prefix =
          1 + static_cast<std::size_t>(draws.below(std::max<int64_t>(1, static_cast<int64_t>(targets))));
      for (std::size_t i = begin; i < end; ++i) {
        rows.ends[r * s + i] = static_cast<int64_t>(begin + prefix);
        if (i + 1 < begin + prefix) rows.counted[r * s + i] = 0;
      }
    }
  }
}

}  // namespace bessemer::data
