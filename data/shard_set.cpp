#include "data/shard_set.h"

#include <cstdio>
#include <filesystem>
#include <set>

#include "parallel/error.h"

namespace bessemer::data {
namespace {

struct Name {
  std::string split;
  uint32_t index = 0;
  uint32_t count = 0;
};

std::vector<Name> names_in(const std::string& directory) {
  std::error_code error;
  const std::filesystem::directory_iterator files(directory, error);
  BESSEMER_CHECK_DATA(!error, directory, ": cannot be read: ", error.message(),
                      "; a directory made by `bessemer data build` is expected");
  std::vector<Name> names;
  for (const auto& entry : files) {
    const std::string file = entry.path().filename();
    Name name{file.substr(0, file.find('-'))};
    if (std::sscanf(file.c_str() + name.split.size(), "-%5u-of-%5u", &name.index, &name.count) != 2) continue;
    if (file == shard_name(name.split, name.index, name.count)) names.push_back(name);
  }
  return names;
}

std::string joined(const std::vector<std::string>& words) {
  std::string all;
  for (const auto& word : words) all += (all.empty() ? "" : ", ") + word;
  return all.empty() ? "none" : all;
}

uint32_t count_of(const std::string& directory, const std::string& split) {
  uint32_t count = 0;
  for (const auto& name : names_in(directory)) {
    if (name.split != split) continue;
    BESSEMER_CHECK_DATA(count == 0 || count == name.count, directory, ": shards '", split, "' of two builds, of ",
                        count, " and of ", name.count, "; keep the shards of one");
    count = name.count;
  }
  BESSEMER_CHECK_DATA(count > 0, directory, ": no shards of split '", split, "' (", split,
                      "-00000-of-....h5); splits found: ", joined(splits_of(directory)),
                      "; make shards with `bessemer data build`");
  return count;
}

void same_build(const TokenShard& shard, const TokenShard& first_shard) {
  const auto &f = shard.facts(), &first = first_shard.facts();
  const auto same = [&](const char* what, const auto& found, const auto& expected) {
    BESSEMER_CHECK_DATA(found == expected, shard.path(), ": ", what, " is '", found, "', '", expected, "' in ",
                        first_shard.path(), "; keep the shards of one build");
  };
  same("dataset_id", f.dataset_id, first.dataset_id);
  same("shard_count", f.count, first.count);
  same("tokenizer_sha256", f.tokenizer_sha256, first.tokenizer_sha256);
  same("vocab_size", f.vocab_size, first.vocab_size);
  same("loss_mask", f.loss_mask, first.loss_mask);
}

}  // namespace

std::vector<std::string> splits_of(const std::string& directory) {
  std::set<std::string> splits;
  for (const auto& name : names_in(directory)) splits.insert(name.split);
  return {splits.begin(), splits.end()};
}

std::vector<TokenShard> open_shards(const std::string& directory, const std::string& split, BlockCheck check) {
  const uint32_t count = count_of(directory, split);
  std::vector<TokenShard> shards;
  for (uint32_t index = 0; index < count; ++index) {
    const std::string file = shard_name(split, index, count);
    const auto path = std::filesystem::path(directory) / file;
    BESSEMER_CHECK_DATA(std::filesystem::exists(path), directory, ": shard ", file, " is missing, all ", count,
                        " of split '", split, "' are expected");
    shards.emplace_back(path.string(), check);
    const auto& facts = shards.back().facts();
    BESSEMER_CHECK_DATA(facts.split == split && facts.index == index && facts.count == count, path.string(),
                        ": says it is shard ", facts.index, " of ", facts.count, " of split '", facts.split,
                        "', which its name does not; it was renamed");
    same_build(shards.back(), shards.front());
  }
  return shards;
}

}  // namespace bessemer::data
