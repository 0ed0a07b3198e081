#pragma once
#include <cstdint>
#include <string>

namespace bessemer::data {

enum class ObjectiveKind { kCausal };  ///< later: masked, span, image

/// [data]: what a run reads.
struct DataOptions {
  std::string path;  ///< directory of token shards (data build made it)
  ObjectiveKind objective = ObjectiveKind::kCausal;
  bool verify = false;  ///< check the CRC32C of every block that is read, not only of the first touch at start
};

}  // namespace bessemer::data
