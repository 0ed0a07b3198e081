#include <ATen/Version.h>
#include <fmt/format.h>
#include <torch/csrc/api/include/torch/version.h>

#include <boost/version.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "launch/arguments.h"
#include "launch/commands.h"
#include "launch/machine.h"

namespace bessemer::launch {
namespace {

const std::vector<Flag>& flags() {
  static const std::vector<Flag> all{{"json", "", "as one JSON object"}};
  return all;
}

std::string help() {
  return "example:\n  bessemer version\n\nVersions of Bessemer and its libraries, for reports.\n\n" +
         flags_help(flags());
}

int version(const Words& words) {
  const Arguments arguments(words, flags());
  nlohmann::ordered_json out;
  out["bessemer"] = BESSEMER_VERSION;
  out["build type"] = build_type();
  out["compiler"] = "g++ " __VERSION__;
  out["libtorch"] = TORCH_VERSION;
  out["blas"] = blas();
  out["instruction set"] = instruction_set();
  // The C libraries have homes of their own; CMake found these versions.
  out["mpi"] = BESSEMER_MPI_VERSION;
  out["hdf5"] = BESSEMER_HDF5_VERSION;
  out["boost"] = fmt::format("{}.{}.{}", BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000, BOOST_VERSION % 100);
  out["fmt"] = fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100);
  out["cuda"] = BESSEMER_CUDA_VERSION;
  if (arguments.flag("json")) {
    std::cout << out.dump(2) << "\n";
    return 0;
  }
  for (const auto& [name, value] : out.items()) std::cout << fmt::format("{:<16} {}\n", name, value.get<std::string>());
  return 0;
}

}  // namespace

std::vector<Command> version_commands() {
  return {{"version", "versions of Bessemer and its libraries", help, version}};
}

}  // namespace bessemer::launch
