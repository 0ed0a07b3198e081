#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "configs/run_config.h"

namespace bessemer::configs {

/// A complete INI file that reloads to the same values.
/// \param note  what stands behind an option as a comment ("" = nothing), for example where its value came from.
std::string to_text(const RunConfig& config, const std::function<std::string(const Option&)>& note = {});

/// A value as an INI file needs it: quoted where it would be read otherwise.
std::string ini_value(const std::string& value);

/// What to_text() has written: option name to its whole assignment, {"model.layers", "model.layers = 2"}.
std::map<std::string, std::string> assignments(const std::string& text);

struct Difference {
  std::string option;
  std::string before;
  std::string after;
};
/// Options that differ and may not on resume. Compared is what they come to: ffn = 0 and ffn = 4 x hidden are the same.
std::vector<Difference> changed(const RunConfig& before, const RunConfig& after);

}  // namespace bessemer::configs
