#include "data/mixture.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "data/file.h"
#include "data/length_groups.h"
#include "data/pair_corpus.h"
#include "data/remote.h"
#include "data/shard_set.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

/// Data sets here and elsewhere.
class DataSets {
 public:
  DataSets(const DataOptions& options, int64_t sequence, int processes, std::shared_ptr<const std::atomic<bool>> stop)
      : options_(options), cut_(cut_of(options, sequence)),
        cache_(make_shard_cache(options, processes, std::move(stop))) {}

  std::shared_ptr<const Corpus> open(const std::string& path, const std::string& split) const {
    if (!remote(path)) return Corpus::open(path, split, cut_);
    return Corpus::cut(open_remote(cache_, path, split, cut_.verify), path, split, cut_);
  }
  bool has_validation(const std::string& path) const {
    const auto splits = remote(path) ? remote_splits(*cache_, path) : splits_of(path);
    return std::find(splits.begin(), splits.end(), "val") != splits.end();
  }

 private:
  bool remote(const std::string& path) const { return cache_ && is_remote(path, options_); }

  const DataOptions& options_;
  Cut cut_;
  std::shared_ptr<ShardCache> cache_;
};

/// The last part of each path; whole paths where two of those are alike.
std::vector<std::string> short_names(const std::vector<Share>& blend) {
  std::vector<std::string> names;
  for (const auto& share : blend) names.push_back((std::filesystem::path(share.path) / "").parent_path().filename());
  auto sorted = names;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end()) return names;
  names.clear();
  for (const auto& share : blend) names.push_back(share.path);
  return names;
}

void refuse_other_tokenizers(const std::vector<Source>& sources, const Source& first) {
  for (const auto& source : sources) {
    BESSEMER_CHECK_DATA(source.corpus->tokenizer_sha256() == first.corpus->tokenizer_sha256(), source.name,
                        ": its tokens are of another tokenizer (SHA-256 ", source.corpus->tokenizer_sha256(),
                        ") than those of ", first.name, " (", first.corpus->tokenizer_sha256(),
                        "); build both with the same one");
  }
}

/// What a dataset.json says of its conversations.
ChatTemplate template_in(const std::string& manifest) {
  const auto all = nlohmann::json::parse(manifest, nullptr, false);
  const nlohmann::json::json_pointer at("/options/template");
  const bool named = all.is_object() && all.contains(at) && all.at(at).is_string();
  return chat_template_named(named ? all.at(at).get<std::string>() : "");
}

}  // namespace

std::string first_source(const DataOptions& options) {
  return options.blend.empty() ? options.path : options.blend.front().path;
}

std::unique_ptr<Tokenizer> tokenizer_of(const DataOptions& options) {
  const std::string source = first_source(options);
  const auto cache = make_shard_cache(options, 1);
  return cache && is_remote(source, options) ? remote_tokenizer(*cache, source) : open_tokenizer(source);
}

ChatTemplate chat_template_of(const DataOptions& options) {
  std::vector<std::string> sources;
  for (const auto& share : options.blend) sources.push_back(share.path);
  if (sources.empty()) sources.push_back(options.path);
  const auto cache = make_shard_cache(options, 1);
  for (const auto& source : sources) {
    const bool remote = cache && is_remote(source, options);
    const std::string path = source + "/dataset.json";
    if (!remote && !std::filesystem::exists(path)) continue;
    const auto found = template_in(remote ? remote_manifest(*cache, source) : read_file(path));
    if (found != ChatTemplate::kNone) return found;
  }
  return ChatTemplate::kNone;
}

Cut cut_of(const DataOptions& options, int64_t sequence) {
  Cut cut{sequence, options.mode, options.document_mask, options.verify, options.objective != ObjectiveKind::kMasked};
  if (options.pairs != PairKind::kNone) cut.pairs = pair_cut(options, *tokenizer_of(options));
  return cut;
}

Mixture Mixture::open(const DataOptions& options, int64_t sequence, bool evaluated, int processes) {
  Mixture out;
  out.group_by_length = options.group_by_length;
  const DataSets sets(options, sequence, processes, out.stop_fetching);
  const bool blended = !options.blend.empty();
  auto named = options.validation;
  const auto names = short_names(options.blend);
  for (std::size_t i = 0; i < options.blend.size(); ++i) {
    const auto& share = options.blend[i];
    out.train.push_back({names[i], sets.open(share.path, "train"), share.share});
    if (options.validation.empty() && sets.has_validation(share.path)) named.push_back({names[i], share.path});
  }
  if (!blended) {
    out.train.push_back({options.path, sets.open(options.path, "train"), 1});
    if (named.empty() && sets.has_validation(options.path)) named.push_back({"", options.path});
  }
  if (blended && options.blend.front().share == 0) {
    std::vector<int64_t> tokens;
    for (const auto& source : out.train) tokens.push_back(source.corpus->tokens());
    const auto shares = shares_by_size(tokens, options.blend_temperature);
    for (std::size_t i = 0; i < shares.size(); ++i) out.train[i].share = shares[i];
  }
  for (std::size_t i = 0; evaluated && i < named.size(); ++i)
    out.validation.push_back({named[i].name, sets.open(named[i].path, "val"), 1});
  refuse_other_tokenizers(out.train, out.train.front());
  refuse_other_tokenizers(out.validation, out.train.front());
  for (std::size_t i = 0; i < out.train.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j)
      BESSEMER_CHECK_DATA(out.train[i].corpus->content_id() != out.train[j].corpus->content_id(), out.train[i].name,
                          " and ", out.train[j].name, " hold the same tokens; name one of them, with both shares");
  }
  return out;
}

std::vector<std::shared_ptr<const Corpus>> Mixture::corpora() const {
  std::vector<std::shared_ptr<const Corpus>> all;
  for (const auto& source : train) all.push_back(source.corpus);
  return all;
}

std::vector<Sampler::Source> Mixture::sources(int64_t global_batch) const {
  std::vector<Sampler::Source> all;
  for (const auto& source : train) {
    all.push_back({source.corpus->rows(), source.share, 0, 0});
    if (group_by_length) all.back().groups = std::make_shared<const LengthGroups>(source.corpus, global_batch);
  }
  return all;
}

int64_t Mixture::rows() const {
  int64_t sum = 0;
  for (const auto& source : train) sum += source.corpus->rows();
  return sum;
}

int64_t Mixture::tokens() const {
  int64_t sum = 0;
  for (const auto& source : train) sum += source.corpus->tokens();
  return sum;
}

}  // namespace bessemer::data
