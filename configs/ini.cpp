#include "configs/ini.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "parallel/error.h"

namespace bessemer::configs {
namespace {

namespace fs = std::filesystem;

std::string trim(const std::string& text) {
  const auto first = text.find_first_not_of(" \t\r");
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

/// Where a comment begins in unquoted text, or npos.
std::size_t comment(const std::string& text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((text[i] == '#' || text[i] == ';') && (i == 0 || text[i - 1] == ' ' || text[i - 1] == '\t')) return i;
  }
  return std::string::npos;
}

/// The value that begins with the quote text[0]; false where the quote does not close or something follows it.
bool unquote(const std::string& text, std::string& value) {
  const char quote = text[0];
  std::size_t i = 1;
  for (value.clear(); i < text.size() && text[i] != quote; ++i) {
    const bool escape = quote == '"' && text[i] == '\\' && i + 1 < text.size();
    if (!escape)
      value += text[i];
    else if (const char c = text[++i]; c == 'n' || c == 'r')
      value += c == 'n' ? '\n' : '\r';
    else
      value += c;
  }
  if (i >= text.size()) return false;
  const std::string rest = trim(text.substr(i + 1));
  return rest.empty() || rest[0] == '#' || rest[0] == ';';
}

class Reader {
 public:
  Ini result;

  /// \param from  "file:line" of the include, "" for the first file.
  void read(const fs::path& path, const std::string& from) {
    const std::string behind = from.empty() ? "" : " (included at " + from + ")";
    const fs::path whole = fs::weakly_canonical(path);
    if (std::find(open_.begin(), open_.end(), whole) != open_.end()) {
      std::string cycle;
      for (const auto& p : open_) cycle += p.filename().string() + " -> ";
      return problem(from, "include = ", path.string(), " goes in a circle: ", cycle, whole.filename().string());
    }
    std::ifstream in(path);
    std::error_code ignored;
    if (!in || fs::is_directory(path, ignored)) {
      return result.problems.push_back(
          concat("cannot read the file ", path.string(), behind, "; check the path and its permissions"));
    }
    open_.push_back(whole);
    read(in, path);
    open_.pop_back();
  }

  void read(std::istream& in, const fs::path& path) {
    std::vector<Setting> own;
    read_lines(in, path, own);
    result.settings.insert(result.settings.end(), own.begin(), own.end());
  }

 private:
  template <class... Parts>
  void problem(const std::string& where, const Parts&... parts) {
    result.problems.push_back(concat(where, ": ", parts...));
  }

  void read_lines(std::istream& in, const fs::path& path, std::vector<Setting>& own) {
    std::string line, section;
    std::map<std::string, std::string> seen;
    for (int number = 1; std::getline(in, line); ++number) {
      if (number == 1 && line.rfind("\xEF\xBB\xBF", 0) == 0) line.erase(0, 3);
      const std::string where = path.string() + ":" + std::to_string(number);
      line = trim(line);
      if (line.empty() || line[0] == '#' || line[0] == ';') continue;
      if (line[0] == '[') {
        read_section(line, where, section);
        continue;
      }
      Setting setting{"", "", where};
      if (!read_assignment(line, section, setting)) continue;
      if (setting.name == "include") {
        read(path.parent_path() / setting.value, where);
        continue;
      }
      const auto [first, is_new] = seen.emplace(setting.name, where);
      if (is_new)
        own.push_back(setting);
      else
        problem(where, setting.name, " is given twice; the first is at ", first->second);
    }
  }

  void read_section(const std::string& line, const std::string& where, std::string& section) {
    const auto close = line.find(']');
    const std::string rest = close == std::string::npos ? "x" : trim(line.substr(close + 1));
    if (!rest.empty() && rest[0] != '#' && rest[0] != ';')
      return problem(where, "'", line, "' is no section; write [name]");
    section = trim(line.substr(1, close - 1));
  }

  bool read_assignment(const std::string& line, const std::string& section, Setting& out) {
    const auto equals = line.find('=');
    const std::string key = trim(line.substr(0, equals));
    if (equals == std::string::npos || key.empty()) {
      problem(out.where, "'", line, "' is neither [section] nor key = value");
      return false;
    }
    if (key == "include" && !section.empty()) {
      problem(out.where, "include stands below [", section, "]; put it above the first section");
      return false;
    }
    out.name = section.empty() ? key : section + "." + key;
    const std::string right = trim(line.substr(equals + 1));
    if (!right.empty() && (right[0] == '"' || right[0] == '\'')) {
      if (unquote(right, out.value)) return true;
      problem(out.where, "the quotes of ", out.name, " = ", right, " do not close, or something follows them");
      return false;
    }
    out.value = trim(right.substr(0, comment(right)));
    return true;
  }

  std::vector<fs::path> open_;
};

}  // namespace

Ini read_ini(const std::string& path) {
  Reader reader;
  reader.read(path, "");
  return std::move(reader.result);
}

Ini read_ini_text(const std::string& text, const std::string& name) {
  Reader reader;
  std::istringstream in(text);
  reader.read(in, name);
  return std::move(reader.result);
}

}  // namespace bessemer::configs
