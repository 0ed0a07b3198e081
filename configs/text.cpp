#include "configs/text.h"

#include <sstream>

#include "models/presets.h"

namespace bessemer::configs {

std::string ini_value(const std::string& value) {
  const bool plain = !value.empty() && value.find_first_of("\"'#;\\\n\r\t") == std::string::npos &&
                     value.front() != ' ' && value.back() != ' ';
  if (plain) return value;
  std::string out = "\"";
  for (const char c : value) {
    if (c == '\n')
      out += "\\n";
    else if (c == '\r')
      out += "\\r";
    else if (c == '"' || c == '\\')
      out += {'\\', c};
    else
      out += c;
  }
  return out + '"';
}

std::string to_text(const RunConfig& config, const std::function<std::string(const Option&)>& note) {
  RunConfig copy = config;
  std::string out, section;
  for (const auto& option : visit(copy)) {
    if (option.section() != section) {
      out += (section.empty() ? "[" : "\n[") + option.section() + "]\n";
      section = option.section();
    }
    const std::string behind = note ? note(option) : std::string();
    out += option.key() + " = " + ini_value(option.text()) + (behind.empty() ? "" : "  # " + behind) + "\n";
  }
  return out;
}

std::vector<Difference> changed(const RunConfig& before, const RunConfig& after) {
  RunConfig a = before, b = after;
  a.model = models::resolve(a.model);
  b.model = models::resolve(b.model);
  std::vector<Difference> out;
  const auto old_options = visit(a), new_options = visit(b);
  for (std::size_t i = 0; i < old_options.size(); ++i) {
    const auto& option = old_options[i];
    if (option.on_resume == OnResume::kFixed && option.text() != new_options[i].text())
      out.push_back({option.name, option.text(), new_options[i].text()});
  }
  return out;
}

std::map<std::string, std::string> assignments(const std::string& text) {
  std::map<std::string, std::string> out;
  std::istringstream lines(text);
  std::string section;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) continue;
    if (line.front() == '[')
      section = line.substr(1, line.find(']') - 1) + ".";
    else
      out[section + line.substr(0, line.find(" = "))] = section + line;
  }
  return out;
}

}  // namespace bessemer::configs
