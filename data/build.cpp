#include "data/build.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "data/build_inputs.h"
#include "data/deal.h"
#include "data/file.h"
#include "data/sha256.h"
#include "data/workplace.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json sources_json(const Inputs& inputs, const BuildOptions& options) {
  json all = json::array();
  for (std::size_t i = 0; i < inputs.sources.size(); ++i) {
    json one{{"name", inputs.sources[i].name}, {"sha256", inputs.sha256[i]}, {"bytes", inputs.sources[i].bytes}};
    if (!options.licence.empty()) one["licence"] = options.licence;
    all.push_back(std::move(one));
  }
  return all;
}

/// Options that change the shards.
json identity(const BuildOptions& o) {
  json all{{"documents", static_cast<int>(o.documents)},
           {"split_by", o.split_by == SplitBy::kHash ? "hash" : "tail"},
           {"val_fraction", o.val_fraction},
           {"test_fraction", o.test_fraction},
           {"shard_tokens", o.shard_tokens},
           {"text_field", o.text_field},
           {"append_eod", o.append_eod},
           {"drop_duplicates", o.drop_duplicates},
           {"parse_special", o.parse_special},
           {"sentences", o.sentences}};
  if (o.chat != ChatTemplate::kNone) all["template"] = name_of(o.chat);
  return all;
}

std::string dataset_id(const BuildOptions& options, const Inputs& inputs) {
  const json all{{"format", "token-shard 1.0"},
                 {"sources", sources_json(inputs, options)},
                 {"tokenizer", sha256(inputs.tokenizer->json())},
                 {"normalizer", inputs.tokenizer->normalizer()},
                 {"options", identity(options)}};
  return sha256(all.dump()).substr(0, 32);
}

ShardFacts facts_of(const std::string& id, const BuildOptions& options, const Inputs& inputs) {
  ShardFacts facts = common_facts(id, *inputs.tokenizer, sources_json(inputs, options));
  facts.loss_mask = options.chat != ChatTemplate::kNone;
  facts.eod_id = options.append_eod && !facts.loss_mask ? inputs.tokenizer->eod_id : -1;
  facts.sentences = options.sentences;
  return facts;
}

json manifest(const BuildOptions& options, const Inputs& inputs, const BuildResult& result,
              const std::vector<ShardFacts>& shards, const std::string& directory) {
  return {{"format", "bessemer-dataset"},
          {"version", 1},
          {"dataset_id", result.dataset_id},
          {"created", utc_now()},
          {"tokenizer", tokenizer_json(*inputs.tokenizer, options.tokenizer)},
          {"documents", result.documents},
          {"duplicates_dropped", result.duplicates},
          {"rejected", result.rejected},
          {"text_bytes", result.text_bytes},
          {"splits", splits_json(shards, directory)},
          {"sources", sources_json(inputs, options)},
          {"options", identity(options)}};
}

/// What units are made of: a change of any makes those of before useless.
std::string plan_of(const BuildOptions& options, const Inputs& inputs) {
  json sources = json::array();
  for (const auto& s : inputs.sources) {
    sources.push_back({s.path, s.bytes, fs::last_write_time(s.path).time_since_epoch().count()});
  }
  const json all{{"format", "bessemer-build-units 1"},
                 {"sources", sha256(sources.dump())},
                 {"tokenizer", sha256(inputs.tokenizer->json())},
                 {"units", inputs.units.size()},
                 {"options", identity(options)}};
  return all.dump(2) + "\n";
}

class Build {
 public:
  Build(const BuildOptions& options, const TellProgress& progress, const BuildPeers& peers)
      : options_(options), progress_(progress), peers_(peers), inputs_(find_inputs(options, progress)),
        workplace_(options.out) {
    result_.vocab_size = static_cast<uint64_t>(inputs_.tokenizer->vocab_size());
    result_.added_tokens = inputs_.added_tokens;
    result_.files = inputs_.sources.size(), result_.skipped = inputs_.skipped;
    spools_.folder = workplace_.units(), spools_.wide = result_.vocab_size > 65536;
  }

  BuildResult run() {
    if (options_.dry_run) return estimate();
    if (there_already()) return result_;
    fs::create_directories(fs::path(options_.out).parent_path());
    if (peers_.rank == 0) {
      workplace_.lock();
      workplace_.open(plan_of(options_, inputs_));
    }
    peers_.barrier();
    try {
      encode_units();
      peers_.barrier();
      if (peers_.rank == 0) write();
    } catch (const Error& error) {
      // Other ranks may still be at work in it.
      if (error.code() == ExitCode::kBadData && peers_.size == 1) workplace_.remove();
      throw;
    }
    peers_.barrier();
    return result_;
  }

 private:
  bool there_already() {
    if (!fs::exists(options_.out)) return false;
    hash_inputs(inputs_, options_, progress_);
    result_.dataset_id = dataset_id(options_, inputs_);
    result_.already_there = already_made(options_.out, result_.dataset_id, options_.overwrite);
    if (!result_.already_there) return false;
    const json made = json::parse(read_file(options_.out + "/dataset.json"));
    result_.documents = made.value("documents", uint64_t{0}),
    result_.text_bytes = made.value("text_bytes", uint64_t{0});
    for (const auto& [split, facts] : made.at("splits").items()) {
      result_.split_tokens[split] = facts.at("tokens");
      result_.loss_tokens += facts.value("loss_tokens", uint64_t{0});
    }
    if (peers_.rank == 0) workplace_.remove();  // of a build that died right after it was done
    return true;
  }

  void encode_units() {
    std::vector<std::size_t> todo;
    UnitCounters counters;
    for (std::size_t unit = 0; unit < inputs_.units.size(); ++unit) {
      UnitFacts facts;
      if (unit % static_cast<std::size_t>(peers_.size) != static_cast<std::size_t>(peers_.rank)) continue;
      if (!read_unit(spools_.path(unit), spools_.wide, facts, true)) {
        todo.push_back(unit);
        continue;
      }
      ++result_.resumed_units;
      counters.tokens += facts.tokens, counters.rejected += facts.rejected;
      for (const auto& part : inputs_.units[unit]) counters.raw += part.stretch.end - part.stretch.begin;
    }
    // The end of a long file also takes the hash of all of it: begun last, it would leave the other workers idle.
    std::stable_partition(todo.begin(), todo.end(), [&](std::size_t unit) {
      const auto& part = inputs_.units[unit].front();
      return part.stretch.last && part.stretch.begin > 0;
    });
    const EncodeOptions encode{read_options(options_), options_.parse_special, options_.sentences, options_.chat,
                               options_.append_eod};
    const auto work = [&](std::size_t unit) {
      encode_unit(inputs_.units[unit], inputs_.sources, *inputs_.tokenizer, encode, spools_.path(unit), counters);
    };
    bool too_many = false, stop = false;
    run_units(todo, options_.workers, work, [&] {
      too_many = counters.rejected > options_.max_rejects;
      stop = stop || !progress_({"tokenizing", counters.raw, inputs_.bytes / static_cast<uint64_t>(peers_.size),
                                 counters.tokens});
      return !too_many && !stop;
    });
    if (stop) stopped();
  }

  /// All that the units of every rank say.
  void collect() {
    inputs_.sha256.resize(inputs_.sources.size());
    spools_.units.clear();
    uint64_t lines = 0;  // of the file at hand, before this unit
    for (std::size_t unit = 0; unit < inputs_.units.size(); ++unit) {
      UnitFacts facts;
      if (!read_unit(spools_.path(unit), spools_.wide, facts, false))
        facts = {};  // not made: too many rejects before it
      if (inputs_.units[unit].front().stretch.begin == 0) lines = 0;
      for (auto& reject : facts.rejects) {
        if (reject.line > 0) reject.line += lines;
        if (result_.rejects.size() < SpoolWriter::kRejectsKept) result_.rejects.push_back(reject);
      }
      lines += facts.lines;
      for (const auto& [source, hash] : facts.sha256) inputs_.sha256.at(source) = hash;
      result_.rejected += facts.rejected, result_.replaced += facts.replaced, result_.forced += facts.forced;
      result_.text_bytes += facts.text_bytes;
      spools_.units.push_back(std::move(facts));
    }
  }

  [[noreturn]] void refuse_rejects() {
    std::string message;
    for (std::size_t i = 0; i < std::min<std::size_t>(result_.rejects.size(), 20); ++i) {
      const auto& r = result_.rejects[i];
      message += concat(message.empty() ? "" : "\n", r.file,
                        r.line > 0 ? concat(":", r.line) : concat(": byte ", r.byte), ": ", r.message);
    }
    if (result_.rejected > 1 || options_.max_rejects > 0)
      message +=
          concat("\n", result_.rejected, " documents cannot be used, --max-rejects allows ", options_.max_rejects);
    fail(ExitCode::kBadData, message);
  }

  void write() {
    collect();
    if (result_.rejected > options_.max_rejects) refuse_rejects();
    result_.dataset_id = dataset_id(options_, inputs_);
    const auto facts = facts_of(result_.dataset_id, options_, inputs_);
    const Dealing dealing = plan_dealing(spools_, options_, facts.eod_id);
    result_.documents = dealing.documents, result_.duplicates = dealing.duplicates,
    result_.split_tokens = dealing.split_tokens;
    BESSEMER_CHECK_DATA(dealing.documents > 0, options_.inputs.front(), ": empty: no text in ", inputs_.sources.size(),
                        " file", inputs_.sources.size() == 1 ? "" : "s", "; at least one character is expected");
    uint64_t all = 0, done = 0;
    for (const auto& [split, tokens] : dealing.split_tokens) all += tokens;
    const uint64_t width = spools_.wide ? 4 : 2;
    require_space(workplace_.data() + "/", all * width);
    const auto shards = deal(spools_, dealing, options_, facts, workplace_.data(), [&](uint64_t tokens) {
      done += tokens;
      if (!progress_({"writing", done * width, all * width, done})) stopped();
    });
    for (const auto& shard : shards) result_.loss_tokens += shard.loss_tokens;
    const std::string data = workplace_.data();
    write_file(data + "/tokenizer/tokenizer.json", inputs_.tokenizer->json());
    write_file(data + "/dataset.json", manifest(options_, inputs_, result_, shards, data).dump(2) + "\n");
    workplace_.publish();
  }

  /// Tokens by a sample of the inputs' beginnings.
  BuildResult estimate() {
    uint64_t bytes = 0, tokens = 0;
    const auto encoder = inputs_.tokenizer->encoder();
    const std::size_t step = std::max<std::size_t>(1, inputs_.sources.size() / 16);
    for (std::size_t i = 0; i < inputs_.sources.size(); i += step) {
      const auto stream = open_stream(inputs_.sources[i].path);
      std::string text(1 << 18, '\0');
      text.resize(stream->read(text.data(), text.size()));
      TokenIds ids;
      if (options_.tokenizer == "chars") {  // a sample may hold what no document does
        tokens +=
            static_cast<uint64_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
      } else {
        encoder->encode(text, ids);
      }
      bytes += stream->raw(), tokens += ids.size();
    }
    const double rate = bytes > 0 ? static_cast<double>(tokens) / static_cast<double>(bytes) : 0.0;
    const auto all = static_cast<uint64_t>(rate * static_cast<double>(inputs_.bytes));
    result_.split_tokens = {{"all", all}};
    return result_;
  }

  const BuildOptions& options_;
  const TellProgress& progress_;
  const BuildPeers& peers_;
  Inputs inputs_;
  Workplace workplace_;
  Spools spools_;
  BuildResult result_;
};

void check(const BuildOptions& options) {
  BESSEMER_CHECK(!options.inputs.empty(), "--input is missing; give files or directories of text");
  BESSEMER_CHECK(!options.out.empty() || options.dry_run, "--out is missing; give the directory to make");
  for (const auto& [name, value] :
       {std::pair{"--val-fraction", options.val_fraction}, {"--test-fraction", options.test_fraction}})
    BESSEMER_CHECK(value >= 0 && value < 1, name, " ", value, "; 0 or more and less than 1 is expected");
  BESSEMER_CHECK(options.val_fraction + options.test_fraction < 1, "--val-fraction ", options.val_fraction,
                 " and --test-fraction ", options.test_fraction, " leave nothing to train on");
  BESSEMER_CHECK(options.shard_tokens >= 1, "--shard-tokens ", options.shard_tokens, "; at least 1 is expected");
  BESSEMER_CHECK(options.chat == ChatTemplate::kNone || !options.sentences,
                 "--sentences is for texts, and --template for conversations; leave one out");
  BESSEMER_CHECK(!options.add_tokens || !special_tokens_of(options.chat).empty(),
                 "--add-tokens is for the special tokens of --template chatml or llama3; leave it out");
  BESSEMER_CHECK(options.memory >= (64 << 20), "--memory ", options.memory, " bytes; at least 64M is expected");
}

}  // namespace

BuildResult build(const BuildOptions& given, const TellProgress& progress, const BuildPeers& peers) {
  check(given);
  BuildOptions options = given;
  try {
    options.out = data_set_path(given.out);
    return Build(options, progress, peers).run();
  } catch (const fs::filesystem_error& error) {
    fail(ExitCode::kEnvironment, error.path1().string(), ": cannot be written: ", error.code().message());
  }
}

}  // namespace bessemer::data
