#pragma once
#include <ostream>
#include <string>
#include <vector>

namespace bessemer::launch {

using Words = std::vector<std::string>;

/// A subcommand: `bessemer NAME words...`. Results go to stdout, logs to stderr; errors are thrown, main prints them.
struct Command {
  std::string name;                ///< one word or two: "train", "data build"
  std::string summary;             ///< one line for `bessemer help`
  std::string (*help)();           ///< all of --help; begins with an example
  int (*run)(const Words& words);  ///< words after the name; returns the exit code
};

// Who has commands gives them here; all_commands() joins them.
std::vector<Command> data_build_commands();
std::vector<Command> data_import_commands();
std::vector<Command> data_export_commands();
std::vector<Command> data_tokenizer_commands();  ///< data train-tokenizer
std::vector<Command> data_commands();            ///< data_commands.cpp: data info, verify
std::vector<Command> data_show_commands();
std::vector<Command> ckpt_commands();  ///< ckpt_commands.cpp: ckpt list, info, verify, prune, and diff
Command ckpt_diff_command();
std::vector<Command> train_commands();     ///< train.cpp
std::vector<Command> generate_commands();  ///< generate_command.cpp
std::vector<Command> embed_commands();
std::vector<Command> eval_commands();
std::vector<Command> import_commands();
std::vector<Command> export_commands();
std::vector<Command> logits_commands();
std::vector<Command> plan_commands();
std::vector<Command> config_commands();
std::vector<Command> tokenize_commands();
std::vector<Command> version_commands();
std::vector<Command> all_commands();

/// The command that `words` begin with, for messages: "data build"; an unknown one's first word.
std::string name_of(const std::vector<Command>& commands, const Words& words);

/// Runs the command that `words` (argv without the program) begin with; help goes to `out`.
/// Errors: Error (64) for an unknown one, with "did you mean".
int dispatch(const std::vector<Command>& commands, const Words& words, std::ostream& out);

}  // namespace bessemer::launch
