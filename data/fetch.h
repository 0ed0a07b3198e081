#pragma once
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace bessemer::data {

/// How a file comes here from where only the user's own tools reach.
struct FetchCommand {
  std::string text;                             ///< for /bin/sh -c: {src} and {dst} become quoted words
  double timeout = 300;                         ///< seconds without a byte in {dst}'s folder, after which it is ended
  int tries = 4;                                ///< until it is given up
  std::chrono::milliseconds first_pause{1000};  ///< before the second try; each pause is twice the one before
  /// Set from another thread: the command under way is ended, and none is begun. Null: nobody does.
  std::shared_ptr<const std::atomic<bool>> stop = {};
  bool stopped() const { return stop && *stop; }
};

/// The command with its words: {src} and {dst} in single quotes.
std::string command_line(const std::string& command, const std::string& source, const std::string& target);

/// Copies `source` to folder + "/copy/" + its last part, and tries again where the command fails, ends without a file,
/// stalls, or `check` finds the file wrong.
/// \param folder  of this fetch alone; it exists. The command writes beside the file what it likes.
/// \param check   throws Error where the file is not what was expected.
/// \return  the path of the file.
/// Errors: Error (75) where it was stopped; else Error naming source, command, how it ended and the last it said: (69)
/// where the command did not work, (65) where it brought something else.
std::string fetch(const FetchCommand& command, const std::string& source, const std::string& folder,
                  const std::function<void(const std::string& path)>& check);

}  // namespace bessemer::data
