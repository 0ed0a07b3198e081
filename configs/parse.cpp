#include "configs/parse.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/algorithm/string/case_conv.hpp>

#include "configs/ini.h"
#include "configs/words.h"
#include "models/presets.h"
#include "parallel/error.h"

namespace bessemer::configs {
namespace {

std::vector<std::string> names_of(const std::vector<Option>& options) {
  std::vector<std::string> names;
  for (const auto& o : options) names.push_back(o.name);
  return names;
}

/// The option nearest to `name`, by its whole name or by the part after the last dot ("resume" -> "run.resume").
std::string suggestion(const std::string& name, const std::vector<Option>& options) {
  const std::string key = name.substr(name.rfind('.') + 1);
  for (const auto& o : options) {
    if (o.key() == key) return o.name;
  }
  const std::string near = nearest(name, names_of(options));
  if (!near.empty()) return near;
  std::vector<std::string> keys;
  for (const auto& o : options) keys.push_back(o.key());
  const std::string near_key = nearest(key, keys);
  const auto at = std::find_if(options.begin(), options.end(), [&](const Option& o) { return o.key() == near_key; });
  return near_key.empty() || at == options.end() ? "" : at->name;
}

std::string ask(const std::string& suggested) {
  return suggested.empty() ? "; `bessemer train --help` lists all options" : "; did you mean " + suggested + "?";
}

const Option* find(const std::vector<Option>& options, const std::string& name) {
  const auto at = std::find_if(options.begin(), options.end(), [&](const Option& o) { return o.name == name; });
  return at == options.end() ? nullptr : &*at;
}

std::vector<Setting> from_arguments(const std::vector<std::string>& arguments, const std::vector<Option>& options,
                                    std::vector<std::string>& problems) {
  std::vector<Takeable> known;
  for (const auto& o : options) known.push_back({o.name, o.is_switch ? Takes::kOneOrNone : Takes::kOne});
  std::vector<Setting> out;
  std::vector<Word> words;
  try {
    words = split_words(arguments, known);
  } catch (const Error& e) {
    problems.push_back(e.what());
  }
  for (const auto& word : words) {
    const std::string value = word.values.empty() ? "" : word.values.front();
    const auto twice = std::find_if(out.begin(), out.end(), [&](const Setting& s) { return s.name == word.option; });
    if (word.option.empty())
      problems.push_back(
          concat("unexpected argument '", value, "' (command line); options are written --section.name=value"));
    else if (!word.known)
      problems.push_back(
          concat("unknown option --", word.option, " (command line)", ask(suggestion(word.option, options))));
    else if (twice != out.end())
      problems.push_back(concat("--", word.option, " is given twice on the command line, as '", twice->value,
                                "' and as '", value, "'"));
    else
      out.push_back({word.option, value, "command line"});
  }
  return out;
}

std::vector<Setting> from_environment(const std::vector<std::pair<std::string, std::string>>& environment,
                                      const std::vector<Option>& options, std::vector<std::string>& problems) {
  std::map<std::string, std::string> names;  // of variables -> options
  std::vector<std::string> variables, sections;
  for (const auto& o : options) {
    names[variable_name(o.name)] = o.name;
    variables.push_back(variable_name(o.name));
    sections.push_back(variable_name(o.section()) + "_");
  }
  std::vector<Setting> out;
  for (const auto& [name, value] : environment) {
    if (name.rfind("BESSEMER_", 0) != 0) continue;
    if (const auto at = names.find(name); at != names.end()) {
      out.push_back({at->second, value, "environment variable " + name});
      continue;
    }
    // Other BESSEMER_ variables exist (BESSEMER_LIBTORCH for the build); one that looks like an option is a slip.
    const std::string near = nearest(name, variables);
    const bool slip = std::any_of(sections.begin(), sections.end(),
                                  [&, &n = name](const std::string& s) { return n.rfind(s, 0) == 0; });
    if (slip || (!near.empty() && edit_distance(name, near) <= 2))
      problems.push_back(concat("unknown environment variable ", name, ask(near)));
  }
  return out;
}

/// Sets what is known and well-formed; says what is not.
void apply(const std::vector<Setting>& settings, const std::vector<Option>& options, Parsed& out) {
  for (const auto& s : settings) {
    const Option* option = find(options, s.name);
    if (option == nullptr) {
      const bool bare = s.name.find('.') == std::string::npos;
      out.problems.push_back(concat(s.where, ": unknown option ", s.name, bare ? " (outside of any [section])" : "",
                                    ask(suggestion(s.name, options))));
      continue;
    }
    try {
      option->set(s.value);
      out.origins[s.name] = s.where;
    } catch (const Error& e) {
      out.problems.push_back(concat(s.where, ": ", s.name, " = ", e.what()));
    }
  }
}

/// The preset of highest precedence fills [model] before anything else is set.
void apply_preset(const std::vector<Setting>& settings, Parsed& out) {
  const auto last =
      std::find_if(settings.rbegin(), settings.rend(), [](const Setting& s) { return s.name == "model.preset"; });
  if (last == settings.rend() || last->value.empty()) return;
  try {
    out.config.model = models::preset(last->value);
    for (const auto& option : visit(out.config)) {
      if (option.section() == "model") out.origins[option.name] = "preset " + last->value;
    }
  } catch (const Error& e) {
    out.problems.push_back(concat(last->where, ": ", e.what()));
  }
}

}  // namespace

Parsed parse(const Sources& sources) {
  Parsed out;
  const auto options = visit(out.config);  // bound to out, which is not moved: it is returned in place
  for (const auto& o : options) out.origins[o.name] = "default";
  Ini ini;
  if (!sources.file.empty())
    ini = read_ini(sources.file);
  else if (!sources.text.empty())
    ini = read_ini_text(sources.text);
  out.problems = ini.problems;
  std::vector<Setting> settings = ini.settings;
  for (const auto& part : {from_environment(sources.environment, options, out.problems),
                           from_arguments(sources.arguments, options, out.problems)}) {
    settings.insert(settings.end(), part.begin(), part.end());
  }
  apply_preset(settings, out);
  apply(settings, options, out);
  return out;
}

std::vector<std::pair<std::string, std::string>> environment() {
  std::vector<std::pair<std::string, std::string>> out;
  for (char** at = environ; at != nullptr && *at != nullptr; ++at) {
    const std::string entry = *at;
    const auto equals = entry.find('=');
    if (equals != std::string::npos) out.emplace_back(entry.substr(0, equals), entry.substr(equals + 1));
  }
  return out;
}

std::string variable_name(const std::string& option) {
  std::string name = "BESSEMER_" + boost::to_upper_copy(option);
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

std::string options_help() {
  RunConfig defaults;
  std::string out, section;
  for (const auto& o : visit(defaults)) {
    if (o.section() != section) {
      section = o.section();
      out += "\n[" + section + "]\n";
    }
    const std::string left = "--" + o.name + "=" + (o.kind.size() <= 24 ? o.kind : "CHOICE");
    const std::string choices = o.kind.size() <= 24 ? "" : "; " + o.kind;
    const std::string value = o.text().empty() ? "" : " (default " + o.text() + ")";
    out += fmt::format("  {:<36} {}{}{}\n", left, o.doc, choices, value);
  }
  return out;
}

void refuse(const std::vector<std::string>& problems) {
  std::string all;
  for (const auto& p : problems) all += (all.empty() ? "" : "\n") + p;
  BESSEMER_CHECK(problems.empty(), all);
}

}  // namespace bessemer::configs
