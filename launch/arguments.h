#pragma once
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "data/chat_template.h"
#include "parallel/error.h"

namespace bessemer::launch {

/// An option of one subcommand (a run's own options are configs/run_config.cpp's).
struct Flag {
  std::string name;      ///< "input", given as --input
  std::string argument;  ///< what --help shows for its value: "PATH"; empty: a switch
  std::string doc;
  std::string fallback = {};  ///< its value where it is not given; text
  bool required = false;
  bool list = false;  ///< takes several words (--input a b) and may be repeated
};

/// The words after a subcommand, read by its flags. All that is wrong with them is refused at once, with "did you
/// mean".
class Arguments {
 public:
  /// \param positional  names of the bare words that the command takes, for messages; each is optional.
  /// Errors: Error (64).
  Arguments(const std::vector<std::string>& words, const std::vector<Flag>& flags,
            const std::vector<std::string>& positional = {});

  bool has(const std::string& name) const;                        ///< given, or its fallback is not empty
  bool given(const std::string& name) const;                      ///< by a word
  bool flag(const std::string& name) const { return has(name); }  ///< of a switch
  std::string text(const std::string& name) const;
  const std::vector<std::string>& list(const std::string& name) const;
  // Error (64) naming the flag where the text is not of that kind (configs/values.h).
  int64_t count(const std::string& name) const;
  double real(const std::string& name) const;
  double fraction(const std::string& name) const;
  int64_t bytes(const std::string& name) const;
  uint64_t seed(const std::string& name) const;
  /// The value that the flag's word stands for. Errors: Error (64) listing the words.
  template <class T>
  T choice(const std::string& name, std::initializer_list<std::pair<const char*, T>> choices) const {
    const std::string given = text(name);
    std::string all;
    for (const auto& [word, value] : choices) {
      if (given == word) return value;
      all += (all.empty() ? "" : ", ") + std::string(word);
    }
    fail(ExitCode::kUsage, "--", name, " '", given, "' is unknown; choose one of: ", all);
  }
  const std::vector<std::string>& positional() const { return positional_; }

 private:
  std::vector<std::pair<std::string, std::vector<std::string>>> values_;
  std::vector<std::string> positional_;
  std::size_t given_ = 0;  ///< of values_: the first so many
};

/// The template that --template names; kNone where it is not given. Errors: Error (64).
data::ChatTemplate chat_template(const Arguments& arguments);

/// Errors: Error (64) where --out is the file of --input.
void refuse_own_input(const Arguments& arguments);

/// The flags as --help shows them: aligned, defaults named.
std::string flags_help(const std::vector<Flag>& flags);

}  // namespace bessemer::launch
