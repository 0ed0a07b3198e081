#pragma once

namespace bessemer::data {

/// Which pieces a match and what lies between matches become (tokenizer.json's "behavior").
enum class SplitBehavior { kIsolated, kRemoved, kMergedWithPrevious, kMergedWithNext, kContiguous };

}  // namespace bessemer::data
