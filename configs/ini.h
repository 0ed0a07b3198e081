#pragma once
#include <string>
#include <vector>

namespace bessemer::configs {

/// An assignment and where it stands.
struct Setting {
  std::string name;  ///< "section.key"
  std::string value;
  std::string where;  ///< "run.ini:12", "command line", "environment variable BESSEMER_MODEL_LAYERS"
  bool operator==(const Setting&) const = default;
};

struct Ini {
  std::vector<Setting> settings;      ///< lowest precedence first: what a file includes comes before its own
  std::vector<std::string> problems;  ///< one sentence each, with file:line
};

/// Reads an INI file and what it includes.
///
/// `[section]`, `key = value`, `include = other.ini` above the first section (relative to the file; a file overrides
/// what it includes, a later include an earlier one). A comment runs from `#` or `;` at the beginning of a line or
/// after a blank. Values may stand in quotes, with \" \\ \n inside double ones. A key twice in one file is a problem,
/// as is a cycle. Nothing is thrown: everything that is wrong comes back in `problems`.
Ini read_ini(const std::string& path);
/// Likewise from text; problems name it `name`.
Ini read_ini_text(const std::string& text, const std::string& name = "text");

}  // namespace bessemer::configs
