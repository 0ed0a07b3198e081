#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "data/blend.h"

namespace bessemer::data {

enum class ObjectiveKind { kCausal };  ///< later: masked, span, image

/// A validation set by name.
struct NamedPath {
  std::string name;
  std::string path;
  bool operator==(const NamedPath&) const = default;
};
/// "web=data/web, code=data/code". Errors: Error (64), a sentence.
std::vector<NamedPath> parse_named_paths(const std::string& text);
std::string named_paths_text(const std::vector<NamedPath>& all);

/// [data]: what a run reads.
struct DataOptions {
  std::string path;                   ///< directory of token shards (data build made it)
  std::vector<Share> blend;           ///< or several, in these shares; then path is empty
  double blend_temperature = 1;       ///< of shares by size
  std::vector<NamedPath> validation;  ///< directories whose `val` split is evaluated; empty: that of path or blend
  ObjectiveKind objective = ObjectiveKind::kCausal;
  int64_t ahead = 2;    ///< steps that are read before they are needed
  bool verify = false;  ///< check the CRC32C of every block that is read, not only of the first touch at start
};

}  // namespace bessemer::data
