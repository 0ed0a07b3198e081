#include "launch/initial_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "configs/text.h"
#include "data/file.h"
#include "data/sha256.h"
#include "data/tokenizer.h"
#include "launch/agree.h"
#include "launch/model_files.h"
#include "launch/start.h"
#include "models/presets.h"
#include "parallel/error.h"
#include "trainer/checkpoint_reader.h"
#include "trainer/flat_checkpoint.h"
#include "trainer/grown_weights.h"
#include "trainer/run_directory.h"

namespace bessemer::launch {
namespace {

/// A configuration that [model] is completed from.
struct Shape {
  configs::RunConfig config;
  std::string where;
  bool pretrained = false;  ///< of Hugging Face's
};

Shape from_text(const std::string& text, const std::string& where) {
  const auto parsed = configs::parse({"", text, {}, {}});
  BESSEMER_CHECK_DATA(parsed.problems.empty(), where,
                      " has a configuration that this version does not read: ", parsed.problems.front());
  return {parsed.config, where};
}

std::string own_file(const configs::RunConfig& config) { return config.run.dir + "/config.ini"; }

bool goes_on(const configs::RunConfig& config) {
  return config.run.resume != "none" && std::filesystem::exists(own_file(config));
}

/// Has the run that goes on its shape from run.init_from? A file that is damaged is named by whoever resumes.
bool began_from_another(const configs::RunConfig& config) {
  if (!goes_on(config)) return false;
  const auto parsed = configs::parse({"", data::read_file(own_file(config)), {}, {}});
  return parsed.problems.empty() && !parsed.config.run.init_from.empty();
}

Shape shape_of(const configs::RunConfig& config) {
  const std::string own = own_file(config), &from = config.run.init_from;
  if (goes_on(config)) return from_text(data::read_file(own), own);
  if (trainer::PretrainedReader::is_one(from)) {
    Shape shape{{}, "run.init_from " + from, true};
    shape.config.model = trainer::PretrainedReader::open(from).options();
    if (shape.config.model.family == models::Family::kBert) shape.config.data.objective = data::ObjectiveKind::kMasked;
    return shape;
  }
  const auto found = trainer::find_checkpoint(from, trainer::Verify::kMetadata);
  return from_text(trainer::CheckpointReader::open(found.path).config(), "run.init_from " + found.path);
}

/// What a run may choose anew: nothing of it changes what a model computes of a row, in evaluation.
bool is_free(const std::string& name) {
  static const std::vector<std::string> all{"model.preset",
                                            "model.vocab",
                                            "model.sequence",
                                            "model.dropout",
                                            "model.embedding_dropout",
                                            "model.attention_dropout",
                                            "model.residual_dropout",
                                            "model.recompute",
                                            "model.init_std",
                                            "model.pair_head"};
  return std::find(all.begin(), all.end(), name) != all.end();
}

/// A row for each position, that many and no others.
bool has_table(const models::ModelOptions& o) { return o.position == models::Position::kLearned; }

/// Is the option's value nobody's, and to be the source's?
bool wanted(const std::string& name, const std::map<std::string, std::string>& origins) {
  if (origins.at(name) != "default" || name == "model.preset" || name == "model.vocab") return false;
  const bool of_dropout = name.ends_with("_dropout");  // they follow a model.dropout that was given
  return !of_dropout || origins.at("model.dropout") == "default";
}

/// The first id that two vocabularies give to different texts; -1: each is the other's, or longer.
int64_t first_difference(const data::Tokenizer& a, const data::Tokenizer& b) {
  if (a.sha256() == b.sha256()) return -1;
  for (int64_t id = 0; id < std::min(a.vocab_size(), b.vocab_size()); ++id) {
    const std::string mine = a.token(static_cast<uint32_t>(id)), theirs = b.token(static_cast<uint32_t>(id));
    if (mine != theirs && !mine.empty() && !theirs.empty()) return id;
  }
  return -1;
}

void refuse_other_tokenizer(const ModelFiles& source, const std::string& text) {
  if (source.tokenizer.empty())
    std::cerr << "warning: " << source.path
              << " holds no tokenizer; whether the data's ids are its own is not checked\n";
  if (source.tokenizer.empty() || source.tokenizer == text) return;
  const auto theirs = data::load_tokenizer(source.tokenizer), ours = data::load_tokenizer(text);
  const int64_t id = first_difference(*theirs, *ours);
  const auto word = [&](const data::Tokenizer& of) {
    return nlohmann::json(of.token(static_cast<uint32_t>(id)))
        .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  };
  if (id < 0) return;
  const std::string spec = trainer::PretrainedReader::is_one(source.path) ? "hf:" + source.path : "that of its data";
  fail(ExitCode::kBadData, "the data was made with another tokenizer than the model of ", source.path, ": id ", id,
       " is ", word(*theirs), " there and ", word(*ours),
       " in the data; build it with the model's own, `bessemer data ", "build --tokenizer ", spec, "`");
}

/// The source's values that are no longer so: the same shapes may mean another function.
void warn_of_changes(const configs::RunConfig& theirs, const configs::RunConfig& config) {
  for (const auto& d : configs::changed(theirs, config)) {
    if (d.option.starts_with("model.") && d.option != "model.vocab")
      std::cerr << "warning: " << d.option << " was " << d.before << " where these weights were trained and is now "
                << d.after << "\n";
  }
}

void say_taken(const trainer::WeightMatch& match, const std::string& path, int64_t before, int64_t vocab) {
  std::cerr << fmt::format(
      "initial weights of {}: {} tensors taken, {} new (initial values of the seed), {} left over\n", path,
      match.loaded.size(), match.fresh.size(), match.left.size());
  if (before < vocab)
    std::cerr << fmt::format("vocabulary grew from {} to {}: {} new rows, the mean of the old ones\n", before, vocab,
                             vocab - before);
  for (const auto& name : match.fresh) std::cerr << "  new        " << name << "\n";
  for (const auto& name : match.left) std::cerr << "  left over  " << name << "\n";
}

/// The source, with advice where names are missing, which only `import` lets be.
ModelFiles open_source(const std::string& path) {
  try {
    return open_model(path);
  } catch (const Error& error) {
    const std::string what = error.what();
    if (what.find("--allow-missing") == std::string::npos) throw;
    fail(error.code(), what, ": an option of `bessemer import`; run.init_from takes the checkpoint that it makes");
  }
}

}  // namespace

int64_t complete_model(configs::Parsed& parsed) {
  auto& config = parsed.config;
  if (!parsed.problems.empty() || (config.run.init_from.empty() && !began_from_another(config))) return 0;
  Shape source = shape_of(config);
  const int64_t vocab = source.config.model.vocab;
  configs::RunConfig resolved = source.config;
  resolved.model = models::resolve(source.config.model);
  const auto theirs = visit(source.config), completed = visit(resolved), ours = visit(config);
  std::vector<std::pair<std::string, std::string>> given;  // of those that must agree, and the source's value
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const std::string& name = ours[i].name;
    const bool objective = (name == "data.objective" || name == "data.pairs") && parsed.origins.at(name) == "default";
    if (ours[i].section() != "model" && !objective) continue;
    if (objective || wanted(name, parsed.origins)) {
      ours[i].set(theirs[i].text());
      parsed.origins[name] = source.where;
    } else if (parsed.origins.at(name) != "default" &&
               ((source.pretrained && !is_free(name)) || (name == "model.sequence" && has_table(resolved.model)))) {
      given.emplace_back(name, completed[i].text());
    }
  }
  resolved.model = models::resolve(config.model);
  for (const auto& option : completed) {
    const auto found = std::find_if(given.begin(), given.end(), [&](const auto& g) { return g.first == option.name; });
    if (found != given.end() && found->second != option.text())
      parsed.problems.push_back(concat(option.name, " is ", option.text(), ", and ", found->second, " in ",
                                       source.where, "; leave it out, the model's own is taken"));
  }
  if (config.model.vocab > 0 && config.model.vocab < vocab)
    parsed.problems.push_back(concat("model.vocab is ", config.model.vocab, ", and ", vocab, " in ", source.where,
                                     "; a vocabulary can grow, and not shrink: leave it out"));
  return vocab;
}

trainer::Texts take_initial_weights(const configs::RunConfig& config, const std::string& tokenizer,
                                    trainer::Trainer& trainer, const parallel::World& world) {
  const bool pretrained = trainer::PretrainedReader::is_one(config.run.init_from);
  const std::string path = pretrained ? config.run.init_from : initial_checkpoint(config, world);
  std::optional<ModelFiles> source;
  agree(world.group(), world.host(), [&] {
    source = open_source(path);
    if (world.rank() == 0) refuse_other_tokenizer(*source, tokenizer);
  });
  if (pretrained)
    agree_on(world.group(), concat("config.json = ", data::sha256(source->origin->config)), ExitCode::kEnvironment,
             concat("the ranks see different files in ", path), "does every host see the same file system?");
  agree(world.group(), world.host(), [&] {
    const trainer::GrownWeights weights(*source->weights, config.model.vocab);
    const auto match = trainer::load_initial_weights(trainer.flat(), weights);
    if (world.rank() != 0) return;
    if (!pretrained) warn_of_changes(source->config, config);
    say_taken(match, path, weights.old_vocab(), config.model.vocab);
  });
  trainer.flat().publish_weights(trainer.grid().dp);
  return std::move(source->beside);
}

}  // namespace bessemer::launch
