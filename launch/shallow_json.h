#pragma once
#include <nlohmann/json.hpp>
#include <string>

namespace bessemer::launch {

/// JSON of a user's, to be written again: null where it is none, or nested deeper than 256, for writing recurses.
inline nlohmann::ordered_json shallow_json(const std::string& text) {
  constexpr int kDeepest = 256;
  bool deep = false;
  auto json = nlohmann::ordered_json::parse(
      text, [&](int depth, auto, auto&) { return !(deep = deep || depth > kDeepest); }, false);
  return deep || json.is_discarded() ? nlohmann::ordered_json() : json;
}

}  // namespace bessemer::launch
