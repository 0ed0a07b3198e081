#include "launch/model_files.h"

#include <filesystem>
#include <iostream>

#include "configs/parse.h"
#include "data/file.h"
#include "data/tokenizer.h"
#include "data/utf8.h"
#include "parallel/error.h"
#include "trainer/checkpoint_reader.h"
#include "trainer/run_directory.h"

namespace bessemer::launch {
namespace {

constexpr uint64_t kLargestText = 64 << 20;

bool has(const std::string& directory, const char* name) {
  std::error_code error;
  return std::filesystem::is_regular_file(directory + "/" + name, error);
}

std::string read_tokenizer(const std::string& directory) {
  const std::string spec = data::tokenizer_spec_of(directory);
  if (spec.empty()) return "";
  try {
    return data::open_tokenizer_spec(spec)->json();
  } catch (const Error& error) {
    std::cerr << "warning: the tokenizer is left out, ids go in and out, and no text: " << error.what() << "\n";
    return "";
  }
}

/// The texts beside the weights that an export gives back. Where there is a tokenizer.json it says all that the older
/// files of a vocabulary say.
trainer::Texts texts_in(const std::string& directory) {
  trainer::Texts texts;
  const bool whole = has(directory, "tokenizer.json");
  for (const auto& name : trainer::kBesides) {
    const bool vocabulary = name.starts_with("vocab.") || name == "merges.txt";
    if (!has(directory, name.c_str()) || (whole && vocabulary)) continue;
    const std::string text = data::read_file(directory + "/" + name, kLargestText);
    if (data::first_broken(text) == text.size())
      texts[name] = text;
    else
      std::cerr << "warning: " << directory << "/" << name << " is not UTF-8; an export will not have it\n";
  }
  return texts;
}

ModelFiles open_checkpoint(const std::string& path) {
  auto reader = std::make_unique<trainer::CheckpointReader>(trainer::CheckpointReader::open(path));
  auto parsed = configs::parse({"", reader->config(), {}, {}});
  BESSEMER_CHECK_DATA(parsed.problems.empty(), path,
                      " has a configuration that this version does not read: ", parsed.problems.front());
  const auto& state = reader->state();
  ModelFiles files{
      path, reader->step(), parsed.config, reader->tokenizer(), trainer::origin_in(state), trainer::texts_beside(state),
      {}};
  files.weights = std::move(reader);
  return files;
}

}  // namespace

ModelFiles open_pretrained(std::unique_ptr<trainer::PretrainedReader> reader,
                           const std::vector<trainer::PretrainedReader::Line>& lines) {
  ModelFiles files{reader->path(), 0, {}, read_tokenizer(reader->path()), trainer::PretrainedOrigin{}, {}, {}};
  files.config.model = reader->options();
  if (files.config.model.family == models::Family::kBert) files.config.data.objective = data::ObjectiveKind::kMasked;
  files.origin->config = reader->config(), files.origin->prefix = reader->prefix();
  files.origin->files = files.beside = texts_in(reader->path());
  for (const auto& line : lines) {
    if (!line.names.empty() && !line.dtype.empty()) files.origin->dtypes[line.tensor] = line.dtype;
  }
  files.weights = std::move(reader);
  return files;
}

ModelFiles open_model(const std::string& path, int64_t below, const std::vector<std::string>& allowed) {
  if (trainer::PretrainedReader::is_one(path)) {
    auto reader = std::make_unique<trainer::PretrainedReader>(trainer::PretrainedReader::open(path));
    const auto lines = reader->settle(allowed);
    return open_pretrained(std::move(reader), lines);
  }
  const auto found = trainer::find_checkpoint(path, trainer::Verify::kMetadata, below);
  for (const auto& warning : found.warnings) std::cerr << "warning: " << warning << "\n";
  return open_checkpoint(found.path);
}

}  // namespace bessemer::launch
