#pragma once
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "parallel/error.h"

namespace bessemer::fuzz {

/// Bad input may be refused by an Error, and by nothing else.
template <class Act>
void allow_refusal(const Act& act) {
  try {
    act();
  } catch (const Error&) {
  }
}

/// A file in memory that holds the input, for readers that take paths.
inline std::string as_file(std::string_view text, const std::string& name) {
  const std::string folder = "/dev/shm/bessemer-fuzz-" + std::to_string(getpid());
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/" + name, std::ios::binary) << text;
  return folder + "/" + name;
}

}  // namespace bessemer::fuzz
