#pragma once
#include <ostream>
#include <string>
#include <vector>

#include "parallel/error.h"

namespace bessemer::launch {

/// An error that every rank of the job throws at the same place: rank 0 says it, and all end by themselves.
struct AgreedError : Error {
  using Error::Error;
};

/// Where an error happened, for its block.
struct Place {
  std::string command;  ///< "train"
  std::string host;
  int rank = 0;
  int ranks = 1;
};

/// Writes the one block that an error gets: what, where, what to do.
/// \param message  one sentence, or several lines of one problem each.
void write_error(std::ostream& out, ExitCode code, std::string message, const Place& place, bool colour);

/// What an exit code stands for and what to do about it; one line.
std::string exit_advice(ExitCode code);

/// Colours are wanted: stderr is a terminal that knows them, and NO_COLOR is not set.
bool colours();

}  // namespace bessemer::launch
