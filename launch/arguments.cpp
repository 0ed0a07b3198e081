#include "launch/arguments.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "configs/values.h"
#include "configs/words.h"
#include "parallel/error.h"

namespace bessemer::launch {
namespace {

using configs::Takes;

const Flag* find(const std::vector<Flag>& flags, const std::string& name) {
  const auto at = std::find_if(flags.begin(), flags.end(), [&](const Flag& f) { return f.name == name; });
  return at == flags.end() ? nullptr : &*at;
}

std::string unknown(const std::string& name, const std::vector<Flag>& flags) {
  std::vector<std::string> names;
  for (const auto& f : flags) names.push_back(f.name);
  const std::string near = nearest(name, names);
  return concat("unknown option --", name, near.empty() ? "; --help lists them" : "; did you mean --" + near + "?");
}

/// Adds the flag's name to the sentence of a parser of values.
template <class Parse>
auto read(const std::string& name, const std::string& text, Parse parse) {
  try {
    return parse(text);
  } catch (const Error& e) {
    fail(e.code(), "--", name, ": ", e.what());
  }
}

}  // namespace

Arguments::Arguments(const std::vector<std::string>& words, const std::vector<Flag>& flags,
                     const std::vector<std::string>& positional) {
  std::vector<configs::Takeable> known;
  for (const auto& f : flags)
    known.push_back({f.name, f.argument.empty() ? Takes::kNone : f.list ? Takes::kSome : Takes::kOne});
  std::vector<std::string> problems;
  for (const auto& word : configs::split_words(words, known)) {
    if (word.option.empty()) {
      positional_.insert(positional_.end(), word.values.begin(), word.values.end());
      continue;
    }
    const Flag* flag = find(flags, word.option);
    if (flag == nullptr) {
      problems.push_back(unknown(word.option, flags));
      continue;
    }
    const auto seen =
        std::find_if(values_.begin(), values_.end(), [&](const auto& v) { return v.first == word.option; });
    if (seen == values_.end())
      values_.emplace_back(word.option, flag->argument.empty() ? std::vector<std::string>{"yes"} : word.values);
    else if (flag->list)
      seen->second.insert(seen->second.end(), word.values.begin(), word.values.end());
    else
      problems.push_back(concat("--", word.option, " is given twice; give it once"));
  }
  if (positional_.size() > positional.size())
    problems.push_back(concat("unexpected argument '", positional_[positional.size()], "'"));
  given_ = values_.size();
  for (const auto& f : flags) {
    const bool given = std::any_of(values_.begin(), values_.end(), [&](const auto& v) { return v.first == f.name; });
    if (!given && f.required) problems.push_back(concat("--", f.name, " ", f.argument, " is missing: ", f.doc));
    if (!given)
      values_.emplace_back(f.name,
                           f.fallback.empty() ? std::vector<std::string>{} : std::vector<std::string>{f.fallback});
  }
  std::string all;
  for (const auto& p : problems) all += (all.empty() ? "" : "\n") + p;
  BESSEMER_CHECK(problems.empty(), all);
}

const std::vector<std::string>& Arguments::list(const std::string& name) const {
  for (const auto& [key, values] : values_) {
    if (key == name) return values;
  }
  fail(ExitCode::kInternal, "the command has no option --", name);
}

bool Arguments::given(const std::string& name) const {
  const auto end = values_.begin() + static_cast<std::ptrdiff_t>(given_);
  return std::any_of(values_.begin(), end, [&](const auto& value) { return value.first == name; });
}
bool Arguments::has(const std::string& name) const { return !list(name).empty(); }
std::string Arguments::text(const std::string& name) const { return has(name) ? list(name).front() : std::string(); }
int64_t Arguments::count(const std::string& name) const { return read(name, text(name), configs::parse_count); }
double Arguments::real(const std::string& name) const { return read(name, text(name), configs::parse_real); }
double Arguments::fraction(const std::string& name) const { return read(name, text(name), configs::parse_fraction); }
int64_t Arguments::bytes(const std::string& name) const { return read(name, text(name), configs::parse_bytes); }
uint64_t Arguments::seed(const std::string& name) const { return read(name, text(name), configs::parse_seed); }

data::ChatTemplate chat_template(const Arguments& a) {
  using data::ChatTemplate;
  if (!a.has("template")) return ChatTemplate::kNone;
  return a.choice<ChatTemplate>(
      "template",
      {{"chatml", ChatTemplate::kChatml}, {"llama3", ChatTemplate::kLlama3}, {"plain", ChatTemplate::kPlain}});
}

void refuse_own_input(const Arguments& a) {
  std::error_code ignored;  // one of them is not there
  BESSEMER_CHECK(!std::filesystem::equivalent(a.text("input"), a.text("out"), ignored), "--out ", a.text("out"),
                 " is the file of --input; choose another");
}

std::string flags_help(const std::vector<Flag>& flags) {
  std::string out = "options:\n";
  for (const auto& f : flags) {
    const std::string left = "--" + f.name + (f.argument.empty() ? "" : " " + f.argument) + (f.list ? " ..." : "");
    const std::string right = f.required ? " (required)" : f.fallback.empty() ? "" : " (default " + f.fallback + ")";
    out += fmt::format("  {:<28} {}{}\n", left, f.doc, right);
  }
  return out;
}

}  // namespace bessemer::launch
