#pragma once
#include <string>
#include <vector>

namespace bessemer::configs {

/// How many values an option takes on a command line.
enum class Takes { kNone, kOne, kOneOrNone, kSome };
struct Takeable {
  std::string name;
  Takes takes = Takes::kOne;
};

/// One piece of a command line: `--option=value`, `--option value...`, or a bare word (option empty).
struct Word {
  std::string option;
  std::vector<std::string> values;
  bool known = true;  ///< false: --option is not among those that the command takes
};

/// Cuts a command line into words by Boost.Program_options; abbreviations are not guessed, unknown options come back
/// marked. Errors: Error (64) for an option without the value it needs, or with one it does not take.
std::vector<Word> split_words(const std::vector<std::string>& arguments, const std::vector<Takeable>& options);

}  // namespace bessemer::configs
