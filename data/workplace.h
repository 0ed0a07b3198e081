#pragma once
#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "data/file.h"
#include "data/token_shard.h"
#include "data/tokenizer.h"

namespace bessemer::data {

// How a data set comes to be, whatever it is made from: in a directory of another name, published by one rename.

/// The directory under its temporary name: what is done so far, and the data set while it is written.
class Workplace {
 public:
  explicit Workplace(const std::filesystem::path& out);
  /// Holds the place until we end. Errors: Error (69) where another process does.
  void lock();
  std::string units() const { return temporary_ / "units"; }
  std::string data() const { return temporary_ / "data"; }  ///< becomes `out`
  /// Keeps the units of a build that was killed, if they are of this plan; data() is new.
  void open(const std::string& plan) const;
  void publish() const;
  void remove() const;

 private:
  std::string lock_path() const { return temporary_.string() + ".lock"; }
  std::filesystem::path out_, temporary_;
  std::optional<FileDescriptor> lock_;
};

/// "data/", "data" and "data/." are one.
std::string data_set_path(const std::string& out);

/// Whether `out` holds this very data set. Errors: Error (64) where it holds something that is not to be replaced.
bool already_made(const std::string& out, const std::string& dataset_id, bool overwrite);

/// What all shards have in common; `sources` is an array of {name, sha256, bytes}. No eod_id: who makes the set knows.
ShardFacts common_facts(const std::string& dataset_id, const Tokenizer& tokenizer, const nlohmann::json& sources);

/// dataset.json's "splits": tokens, documents and shards (with size and SHA-256) of each: all that is needed to read a
/// split without opening its shards (data/remote.h).
nlohmann::json splits_json(const std::vector<ShardFacts>& shards, const std::string& directory);
/// dataset.json's "tokenizer". \param spec  as it was named.
nlohmann::json tokenizer_json(const Tokenizer& tokenizer, const std::string& spec);
std::string utc_now();  ///< "2025-01-31T12:00:00Z"

}  // namespace bessemer::data
