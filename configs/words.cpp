#include "configs/words.h"

#include <algorithm>
#include <boost/make_shared.hpp>
#include <boost/program_options.hpp>

#include "parallel/error.h"

namespace bessemer::configs {
namespace po = boost::program_options;
namespace {

const po::value_semantic* semantic(Takes takes) {
  switch (takes) {
    case Takes::kNone: return new po::untyped_value(true);
    case Takes::kOne: return po::value<std::string>();
    case Takes::kOneOrNone: return po::value<std::string>()->implicit_value("yes");
    case Takes::kSome: return po::value<std::vector<std::string>>()->multitoken();
  }
  return nullptr;
}

}  // namespace

std::vector<Word> split_words(const std::vector<std::string>& arguments, const std::vector<Takeable>& options) {
  namespace style = po::command_line_style;
  po::options_description known;
  for (const auto& o : options)
    known.add(boost::make_shared<po::option_description>(o.name.c_str(), semantic(o.takes)));
  std::vector<Word> words;
  try {
    // No short options: `-1` is then a value, as in `--top-k -1`, for the option to judge.
    const auto parsed = po::command_line_parser(arguments)
                            .options(known)
                            .allow_unregistered()
                            .style(style::allow_long | style::long_allow_adjacent | style::long_allow_next)
                            .run();
    for (const auto& o : parsed.options) {
      if (o.position_key >= 0)
        words.push_back({"", o.value, true});
      else
        words.push_back({o.string_key, o.value, !o.unregistered});
      const auto switched = [&](const Takeable& t) { return t.name == o.string_key && t.takes == Takes::kOneOrNone; };
      if (o.value.empty() && std::any_of(options.begin(), options.end(), switched)) words.back().values = {"yes"};
    }
  } catch (const po::error& e) {
    fail(ExitCode::kUsage, e.what(), " (command line)");
  }
  return words;
}

}  // namespace bessemer::configs
