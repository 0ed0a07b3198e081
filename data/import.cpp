#include "data/import.h"

#include <algorithm>
#include <deque>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "data/neighbours/neighbour.h"
#include "data/neighbours/token_hash.h"
#include "data/sha256.h"
#include "data/shard_set.h"
#include "data/shard_sink.h"
#include "data/workplace.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using TellProgress = std::function<bool(const BuildProgress&)>;

/// Sources whose tokens follow one another.
struct Set {
  std::vector<std::string> sources;
  std::vector<std::string> splits;  ///< that their tokens fill, one after the other
};

/// The documents of all sources of a set. A document that is open where they end, ends there.
class Stream {
 public:
  Stream(const Set& set, const NeighbourFormat& format, const NeighbourOptions& options)
      : set_(set), format_(format), options_(options) {}

  bool next(TokenPiece& piece) {
    for (;; end_source()) {
      if (!reader_ && !begin_source()) {
        piece = {{}, std::exchange(open_, false)};
        return piece.ends_document;
      }
      if (!reader_->next(piece)) continue;
      tokens_ += piece.ids.size();
      open_ = !piece.ends_document && (open_ || !piece.ids.empty());
      return true;
    }
  }
  const std::vector<std::string>& remarks() const { return remarks_; }

 private:
  bool begin_source() {
    if (at_ == set_.sources.size()) return false;
    reader_ = format_.open(set_.sources[at_], options_);
    tokens_ = 0;
    return true;
  }
  void end_source() {
    const auto stated = reader_->stated_tokens();
    BESSEMER_CHECK_DATA(!stated || *stated == tokens_, set_.sources[at_], ": ", *stated, " tokens are stated, ",
                        tokens_, " were found");
    if (const auto remark = reader_->remark(); !remark.empty()) remarks_.push_back(remark);
    reader_.reset();
    ++at_;
  }
  const Set& set_;
  const NeighbourFormat& format_;
  const NeighbourOptions& options_;
  std::unique_ptr<NeighbourReader> reader_;  ///< of source at_
  std::size_t at_ = 0;
  uint64_t tokens_ = 0;
  bool open_ = false;
  std::vector<std::string> remarks_;
};

/// The shards of a set's splits, filled one after the other.
class SetWriter {
 public:
  SetWriter(const std::string& out, const ShardFacts& facts, const std::vector<std::string>& splits,
            const std::vector<uint64_t>& tokens, uint64_t shard_tokens)
      : left_(tokens) {
    for (std::size_t i = 0; i < splits.size(); ++i) sinks_.emplace_back(out, facts, splits[i], tokens[i], shard_tokens);
  }
  void append(const TokenPiece& piece) {
    for (auto ids = piece.ids; !ids.empty();) {
      while (left_[at_] == 0 && at_ + 1 < sinks_.size()) ++at_;
      const auto n = std::min<uint64_t>(left_[at_], ids.size());
      BESSEMER_CHECK_DATA(n > 0,
                          "there are more tokens than were counted: a file changed while it was read; start again");
      sinks_[at_].append(ids.first(n), {}, within_);
      within_ = true;
      left_[at_] -= n, ids = ids.subspan(n);
    }
    if (!piece.ends_document) return;
    sinks_[at_].end_document();
    within_ = false;
  }
  void finish(std::vector<ShardFacts>& all) {
    for (auto& sink : sinks_) {
      for (auto& facts : sink.finish()) all.push_back(std::move(facts));
    }
  }

 private:
  std::deque<ShardSink> sinks_;
  std::vector<uint64_t> left_;
  std::size_t at_ = 0;
  bool within_ = false;  ///< tokens of the open document have gone out already
};

class Import {
 public:
  Import(const ImportOptions& options, const TellProgress& progress)
      : options_(options), progress_(progress), tokenizer_(open_tokenizer_spec(options.tokenizer)) {
    result_.vocab_size = static_cast<uint64_t>(tokenizer_->vocab_size());
    width_ = result_.vocab_size <= 65536 ? 2 : 4;
    find_sets();
    find_options();
    find_files();
  }

  ImportResult run() {
    if (there_already()) return result_;
    for (const auto& set : sets_) result_.sets.push_back(count(set));
    fs::create_directories(fs::path(options_.out).parent_path());
    Workplace workplace(options_.out);
    workplace.lock();
    try {
      workplace.open("import");
      write(workplace.data());
      workplace.publish();
    } catch (...) {
      workplace.remove();
      throw;
    }
    return result_;
  }

 private:
  void find_sets() {
    sets_.push_back({find_neighbour_sources(options_.inputs), {options_.split}});
    if (options_.val_fraction > 0) sets_[0].splits.emplace_back("val");
    if (!options_.val_inputs.empty()) sets_.push_back({find_neighbour_sources(options_.val_inputs), {"val"}});
    const auto& first = sets_[0].sources.front();
    format_ = options_.from.empty() ? &detect_neighbour(first) : &neighbour_format(options_.from);
    for (const auto& set : sets_) {
      for (const auto& source : set.sources) {
        if (!options_.from.empty()) continue;
        const auto& found = detect_neighbour(source);
        BESSEMER_CHECK(&found == format_, source, ": is of format ", found.name, ", ", first, " of ", format_->name,
                       "; import them into data sets of their own");
      }
    }
    result_.from = format_->name;
  }

  void find_options() {
    read_.vocab_size = static_cast<uint32_t>(result_.vocab_size);
    read_.eod_id = options_.eod_id, read_.column = options_.column;
    BESSEMER_CHECK(options_.eod_id < 0 || format_->flat, "--eod-id ", options_.eod_id, ": files of ", format_->what,
                   " say themselves where documents end; leave it out");
    BESSEMER_CHECK(options_.eod_id < static_cast<int64_t>(result_.vocab_size), "--eod-id ", options_.eod_id,
                   " is no id of the tokenizer's vocabulary of ", result_.vocab_size);
    if (options_.dtype.empty()) return;
    BESSEMER_CHECK(format_->takes_dtype, "--dtype ", options_.dtype, ": files of ", format_->what,
                   " say themselves what type the ids have; leave it out");
    read_.dtype = element_of(options_.dtype);
    BESSEMER_CHECK(read_.dtype, "--dtype '", options_.dtype,
                   "' is unknown; choose one of: u8, u16, u32, u64, i8, i16, i32, i64");
  }

  /// Opens every source once, so that what is wrong with headers is said before anything long begins.
  void find_files() {
    for (const auto& set : sets_) {
      for (const auto& source : set.sources) {
        for (const auto& file : format_->open(source, read_)->files()) {
          files_.push_back(file);
          bytes_ += fs::file_size(file);
        }
      }
    }
    result_.files = files_.size();
  }

  void tell(const char* phase, uint64_t done, uint64_t all, uint64_t tokens) const {
    if (!progress_({phase, done, all, tokens})) fail(ExitCode::kStopped, "stopped; nothing was kept");
  }

  json sources() const {
    json all = json::array();
    for (std::size_t i = 0; i < files_.size(); ++i)
      all.push_back(
          {{"name", fs::path(files_[i]).filename()}, {"sha256", hashes_[i]}, {"bytes", fs::file_size(files_[i])}});
    return all;
  }

  json identity() const {
    json sets = json::array();
    for (const auto& set : sets_) sets.push_back({{"splits", set.splits}, {"sources", set.sources.size()}});
    return {{"from", format_->name},
            {"sets", sets},
            {"val_fraction", options_.val_fraction},
            {"shard_tokens", options_.shard_tokens},
            {"eod_id", options_.eod_id},
            {"dtype", options_.dtype},
            {"column", options_.column}};
  }

  bool there_already() {
    uint64_t done = 0;
    for (const auto& file : files_) {
      tell("reading", done, bytes_, 0);
      hashes_.push_back(sha256_of_file(file));
      done += fs::file_size(file);
    }
    const json all{{"format", "token-shard 1.0, imported"},
                   {"sources", sources()},
                   {"tokenizer", sha256(tokenizer_->json())},
                   {"options", identity()}};
    result_.dataset_id = sha256(all.dump()).substr(0, 32);
    result_.already_there = already_made(options_.out, result_.dataset_id, options_.overwrite);
    if (!result_.already_there) return false;
    const json made = json::parse(read_file(options_.out + "/dataset.json"));
    for (const auto& [split, facts] : made.at("splits").items()) result_.split_tokens[split] = facts.at("tokens");
    for (const auto& set : made.at("imported"))
      result_.sets.push_back(
          {set.at("splits"), set.at("tokens"), set.at("documents"), set.at("empty_documents"), set.at("sha256")});
    return true;
  }

  /// Reads all of a set before anything of it is written.
  ImportedTokens count(const Set& set) {
    ImportedTokens counted;
    for (const auto& split : set.splits) counted.splits += (counted.splits.empty() ? "" : " and ") + split;
    Stream stream(set, *format_, read_);
    TokenHash hash(width_);
    uint64_t in_document = 0;
    int64_t last = -1;
    for (TokenPiece piece; stream.next(piece);) {
      hash.update(piece.ids);
      counted.tokens += piece.ids.size(), in_document += piece.ids.size();
      if (!piece.ids.empty()) last = piece.ids.back();
      if (piece.ends_document) {
        ++(in_document > 0 ? counted.documents : counted.empty_documents);
        eod_everywhere_ = eod_everywhere_ && (in_document == 0 || last == tokenizer_->eod_id);
        in_document = 0;
      }
      tell("checking", counted.tokens * width_, std::max(bytes_, counted.tokens * width_), counted.tokens);
    }
    counted.sha256 = hash.hex();
    BESSEMER_CHECK_DATA(counted.tokens > 0, set.sources.front(), ": no tokens in ", set.sources.size(), " source",
                        set.sources.size() == 1 ? "" : "s", "; at least one is expected");
    result_.remarks.insert(result_.remarks.end(), stream.remarks().begin(), stream.remarks().end());
    if (options_.eod_id >= 0 && counted.documents == 1)
      result_.remarks.push_back(
          concat(set.sources.front(), ": one document; is ", options_.eod_id, " the right --eod-id?"));
    return counted;
  }

  /// As data build: the first int(n (1 - val_fraction)) tokens are not val's.
  std::vector<uint64_t> cut(const Set& set, uint64_t tokens) const {
    if (set.splits.size() == 1) return {tokens};
    const auto kept = static_cast<uint64_t>(static_cast<double>(tokens) * (1 - options_.val_fraction));
    return {std::min(kept, tokens), tokens - std::min(kept, tokens)};
  }

  void write(const std::string& directory) {
    ShardFacts facts = common_facts(result_.dataset_id, *tokenizer_, sources());
    facts.eod_id = options_.eod_id >= 0 ? options_.eod_id : eod_everywhere_ ? tokenizer_->eod_id : -1;
    uint64_t all = 0, done = 0;
    for (const auto& set : result_.sets) all += set.tokens;
    require_space(directory + "/", all * width_);
    std::vector<ShardFacts> shards;
    for (std::size_t i = 0; i < sets_.size(); ++i) {
      const auto tokens = cut(sets_[i], result_.sets[i].tokens);
      SetWriter writer(directory, facts, sets_[i].splits, tokens, static_cast<uint64_t>(options_.shard_tokens));
      Stream stream(sets_[i], *format_, read_);
      for (TokenPiece piece; stream.next(piece);) {
        writer.append(piece);
        done += piece.ids.size();
        tell("writing", done * width_, all * width_, done);
      }
      writer.finish(shards);
      for (std::size_t k = 0; k < tokens.size(); ++k) result_.split_tokens[sets_[i].splits[k]] += tokens[k];
    }
    verify(directory, all);
    write_file(directory + "/tokenizer/tokenizer.json", tokenizer_->json());
    write_file(directory + "/dataset.json", manifest(shards, directory).dump(2) + "\n");
  }

  /// What the shards hold is what the inputs held.
  void verify(const std::string& directory, uint64_t all) const {
    uint64_t done = 0;
    for (std::size_t i = 0; i < sets_.size(); ++i) {
      TokenHash hash(width_);
      uint64_t documents = 0;
      for (const auto& split : sets_[i].splits) {
        if (result_.split_tokens.at(split) == 0) continue;
        for (const auto& shard : open_shards(directory, split)) {
          documents += shard.facts().documents - shard.facts().continues;
          hash.update(shard, [&](uint64_t tokens) {
            done += tokens;
            tell("verifying", done * width_, all * width_, done);
          });
        }
      }
      const auto& expected = result_.sets[i];
      BESSEMER_CHECK_DATA(hash.hex() == expected.sha256 && documents == expected.documents, sets_[i].sources.front(),
                          ": what was written is not what was read first (", documents, " documents, ",
                          expected.documents, " before); a file changed while it was read, or the disk is bad");
    }
  }

  json manifest(const std::vector<ShardFacts>& shards, const std::string& directory) const {
    json imported = json::array();
    uint64_t documents = 0;
    for (const auto& set : result_.sets) {
      documents += set.documents;
      imported.push_back({{"splits", set.splits},
                          {"tokens", set.tokens},
                          {"documents", set.documents},
                          {"empty_documents", set.empty_documents},
                          {"sha256", set.sha256}});
    }
    return {{"format", "bessemer-dataset"},
            {"version", 1},
            {"dataset_id", result_.dataset_id},
            {"created", utc_now()},
            {"tokenizer", tokenizer_json(*tokenizer_, options_.tokenizer)},
            {"documents", documents},
            {"splits", splits_json(shards, directory)},
            {"sources", sources()},
            {"imported", imported},
            {"options", identity()}};
  }

  const ImportOptions& options_;
  const TellProgress& progress_;
  std::unique_ptr<Tokenizer> tokenizer_;
  uint32_t width_ = 2;  ///< bytes of an id in the shards
  std::vector<Set> sets_;
  const NeighbourFormat* format_ = nullptr;
  NeighbourOptions read_;
  std::vector<std::string> files_, hashes_;
  uint64_t bytes_ = 0;          ///< of the files
  bool eod_everywhere_ = true;  ///< every document ends with the tokenizer's id for that
  ImportResult result_;
};

void check(const ImportOptions& o) {
  BESSEMER_CHECK(!o.inputs.empty(), "--input is missing; give token files of another program");
  BESSEMER_CHECK(!o.out.empty(), "--out is missing; give the directory to make");
  BESSEMER_CHECK(o.split == "train" || o.split == "val" || o.split == "test", "--split '", o.split,
                 "' is unknown; choose one of: train, val, test");
  BESSEMER_CHECK(o.val_fraction >= 0 && o.val_fraction < 1, "--val-fraction ", o.val_fraction,
                 "; 0 or more and less than 1 is expected");
  BESSEMER_CHECK(
      (o.split == "val") + (o.val_fraction > 0) + !o.val_inputs.empty() <= 1,
      "of --split val, --val-fraction and --val-input only one can make the split 'val'; leave out the others");
  BESSEMER_CHECK(o.shard_tokens >= 1, "--shard-tokens ", o.shard_tokens, "; at least 1 is expected");
}

}  // namespace

ImportResult import_tokens(const ImportOptions& given, const TellProgress& progress) {
  check(given);
  ImportOptions options = given;
  try {
    options.out = data_set_path(given.out);
    return Import(options, progress).run();
  } catch (const fs::filesystem_error& error) {
    fail(ExitCode::kEnvironment, error.path1().string(), ": cannot be written: ", error.code().message());
  } catch (const json::exception& error) {
    fail(ExitCode::kBadData, options.out, "/dataset.json: not the JSON that is expected: ", error.what());
  }
}

}  // namespace bessemer::data
