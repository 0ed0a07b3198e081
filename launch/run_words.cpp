#include "launch/run_words.h"

#include <algorithm>

#include "configs/values.h"
#include "parallel/error.h"

namespace bessemer::launch {
namespace {

bool reads_as_switch(const std::string& text) {
  try {
    configs::parse_switch(text);
    return true;
  } catch (const Error&) {
    return false;
  }
}

/// Does the option take the word behind it? Not `--parallel.zero run.ini`.
bool takes(const std::string& option, const std::string& next) {
  configs::RunConfig config;
  for (const auto& known : configs::visit(config)) {
    if ("--" + known.name == option) return !known.is_switch || reads_as_switch(next);
  }
  return true;
}

}  // namespace

RunWords read_run_words(const std::vector<std::string>& words, const std::vector<Flag>& flags) {
  std::vector<std::string> own, run;
  configs::Sources sources;
  const auto find = [&](const std::string& name) {
    return std::find_if(flags.begin(), flags.end(), [&](const Flag& f) { return f.name == name; });
  };
  bool value_next = false;  // the word before is an option of the run whose value is this one
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    const bool option = word.rfind("--", 0) == 0;
    const auto flag = option ? find(word.substr(2, word.find('=') - 2)) : flags.end();
    if (flag != flags.end()) {
      own.push_back(word);
      const bool takes_next = !flag->argument.empty() && word.find('=') == std::string::npos && i + 1 < words.size();
      if (takes_next) own.push_back(words[++i]);
      value_next = false;
    } else if (!option && !value_next && sources.file.empty()) {
      sources.file = word;
    } else {
      run.push_back(word);
      value_next = option && word.find('=') == std::string::npos && i + 1 < words.size() && takes(word, words[i + 1]);
    }
  }
  sources.arguments = run;
  sources.environment = configs::environment();
  return {configs::parse(sources), Arguments(own, flags)};
}

}  // namespace bessemer::launch
