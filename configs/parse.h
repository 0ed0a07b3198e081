#pragma once
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "configs/run_config.h"

namespace bessemer::configs {

/// What a run's values are taken from. Later wins: defaults, preset, file, environment, command line.
struct Sources {
  std::string file;  ///< INI file; "" = none
  std::string text;  ///< INI text instead of a file, "" = none (a checkpoint's copy)
  std::vector<std::pair<std::string, std::string>> environment;  ///< name and value; only BESSEMER_* are looked at
  std::vector<std::string> arguments;                            ///< --section.name=value ...
};

struct Parsed {
  RunConfig config;
  std::map<std::string, std::string>
      origins;                        ///< of each option: "default", "preset tiny", "run.ini:3", "command line" ...
  std::vector<std::string> problems;  ///< one sentence each, with its origin; empty = good
};

/// Reads a run's options; nothing is thrown, all that is wrong comes back in `problems`.
Parsed parse(const Sources& sources);

/// The environment of this process.
std::vector<std::pair<std::string, std::string>> environment();
/// "model.layers" -> "BESSEMER_MODEL_LAYERS".
std::string variable_name(const std::string& option);
/// Every option with its kind, default and doc, for --help.
std::string options_help();
/// The sentences as one Error (64), one per line, if there are any.
void refuse(const std::vector<std::string>& problems);

}  // namespace bessemer::configs
