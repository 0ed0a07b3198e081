#include "launch/commands.h"

#include <algorithm>

#include "parallel/error.h"

namespace bessemer::launch {
namespace {

std::string unknown(const std::vector<Command>& commands, const Words& words) {
  std::vector<std::string> names;
  for (const auto& c : commands) names.push_back(c.name);
  const std::string given = words.size() > 1 && words[1].rfind("-", 0) != 0 ? words[0] + " " + words[1] : words[0];
  std::string near = nearest(given, names);
  if (near.empty()) near = nearest(words[0], names);
  std::string under;  // "data" alone: say what data takes
  for (const auto& name : names) {
    if (name.rfind(words[0] + " ", 0) == 0) under += (under.empty() ? "" : ", ") + name;
  }
  if (!under.empty() && near.empty()) return concat("'bessemer ", given, "' is incomplete; there are: ", under);
  return concat("unknown command '", given, "'",
                near.empty() ? "; `bessemer help` lists them" : "; did you mean 'bessemer " + near + "'?");
}

bool wants_help(const Words& words) {
  return std::any_of(words.begin(), words.end(), [](const std::string& w) { return w == "--help" || w == "-h"; });
}

const Command* find(const std::vector<Command>& commands, const Words& words, std::size_t& used) {
  for (used = std::min<std::size_t>(2, words.size()); used > 0; --used) {
    const std::string name = used == 2 ? words[0] + " " + words[1] : words[0];
    for (const auto& c : commands) {
      if (c.name == name) return &c;
    }
  }
  return nullptr;
}

std::string help(const std::vector<Command>& commands) {
  std::string out =
      "bessemer pretrains Transformers.\n\nexample:\n"
      "  bessemer data build --input texts/ --out data/mine --tokenizer chars\n"
      "  bessemer train configs/tiny.ini --data.path=data/mine --run.dir=runs/first\n"
      "  bessemer generate --model runs/first --prompt 'Once' --tokens 200\n\ncommands:\n";
  for (const auto& c : commands)
    out += "  " + c.name + std::string(c.name.size() < 16 ? 16 - c.name.size() : 1, ' ') + c.summary + "\n";
  return out + "\n`bessemer COMMAND --help` shows an example and every option.\n";
}

}  // namespace

std::vector<Command> all_commands() {
  std::vector<Command> all;
  for (const auto& part :
       {train_commands(), data_build_commands(), data_import_commands(), data_export_commands(), data_commands(),
        data_show_commands(), data_tokenizer_commands(), generate_commands(), embed_commands(), eval_commands(),
        import_commands(), export_commands(), logits_commands(), config_commands(), ckpt_commands(), plan_commands(),
        tokenize_commands(), version_commands()})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

std::string name_of(const std::vector<Command>& commands, const Words& words) {
  std::size_t used = 0;
  const Command* command = find(commands, words, used);
  return command != nullptr ? command->name : words.empty() ? "" : words[0];
}

int dispatch(const std::vector<Command>& commands, const Words& words, std::ostream& out) {
  if (words.empty() || words[0] == "--help" || words[0] == "-h" || (words[0] == "help" && words.size() == 1)) {
    out << help(commands);
    return words.empty() ? static_cast<int>(ExitCode::kUsage) : 0;
  }
  if (words[0] == "--version") return dispatch(commands, {"version"}, out);
  const bool asked = words[0] == "help";
  const Words name(words.begin() + (asked ? 1 : 0), words.end());
  std::size_t used = 0;
  const Command* command = find(commands, name, used);
  BESSEMER_CHECK(command != nullptr, unknown(commands, name));
  const Words rest(name.begin() + static_cast<std::ptrdiff_t>(used), name.end());
  if (asked || wants_help(rest)) {
    out << command->help();
    return 0;
  }
  return command->run(rest);
}

}  // namespace bessemer::launch
