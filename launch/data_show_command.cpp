#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "configs/check.h"
#include "configs/parse.h"
#include "configs/values.h"
#include "data/file.h"
#include "data/loader.h"
#include "data/masking.h"
#include "data/mixture.h"
#include "data/prefix.h"
#include "data/shard_set.h"
#include "data/tokenizer.h"
#include "launch/arguments.h"
#include "launch/build.h"
#include "launch/commands.h"
#include "parallel/error.h"
#include "parallel/topology.h"
#include "trainer/run_directory.h"
#include "trainer/run_state.h"

namespace bessemer::launch {
namespace {

using nlohmann::json;

const std::vector<Flag>& flags() {
  static const std::vector<Flag> all{
      {"split", "NAME", "which part of the data set", "train"},
      {"first", "N", "the number of the first document, from 0", "0"},
      {"documents", "N", "how many", "1"},
      {"step", "T", "of a run: what its step T (from 1) trains on; 0: documents of a data set", "0"},
      {"rank", "R", "with --step: of this rank only; -1: the whole global batch", "-1"},
      {"ranks", "N", "with --rank: of a job of so many ranks; 0: parallel.dp x parallel.tp of the run", "0"},
      {"data", "DIR", "with --step: where the run's data lies now; of a blend a DIR for each source, in its order", "",
       false, true},
      {"fetch", "COMMAND", "with --step, where the run's data is remote: its data.fetch", ""},
      {"ids", "", "their token ids too"},
      {"json", "", "one JSON object a document or row"}};
  return all;
}

std::string help() {
  return "example:\n  bessemer data show data/mine --first 10 --documents 3\n"
         "  bessemer data show runs/first --step 500 --rank 0 --ranks 4\n\n"
         "Prints documents of a data set as text, or exactly what a rank of a run sees at a step. What the loss mask leaves\n"
         "out stands between \u27e6 and \u27e7. A command that stands in a run's own files is never run: give it with --fetch.\n\n"
         "usage: bessemer data show DIR [options]\n" +
         flags_help(flags());
}

void print(const json& object) { fmt::print("{}\n", object.dump(-1, ' ', false, json::error_handler_t::replace)); }

void print_text(const std::string& text) { fmt::print("{}{}", text, text.ends_with('\n') ? "" : "\n"); }

std::string text_of(const data::Tokenizer& tokenizer, std::span<const int64_t> ids) {
  return tokenizer.decode(data::TokenIds(ids.begin(), ids.end()));
}

/// With what is not to be predicted between brackets. \param wanted  one for each id; none: all are.
std::string marked_text(const data::Tokenizer& tokenizer, std::span<const int64_t> ids,
                        std::span<const uint8_t> wanted) {
  if (wanted.empty()) return text_of(tokenizer, ids);
  std::string text;
  for (std::size_t begin = 0; begin < ids.size();) {
    std::size_t end = begin + 1;
    while (end < ids.size() && wanted[end] == wanted[begin]) ++end;
    const std::string part = text_of(tokenizer, ids.subspan(begin, end - begin));
    text += wanted[begin] != 0 ? part : "\u27e6" + part + "\u27e7";
    begin = end;
  }
  return text;
}

void show_document(const Arguments& arguments, const data::Tokenizer& tokenizer, const data::TokenShard& shard,
                   uint64_t at, int64_t number) {
  const auto [begin, end] = shard.document(at);
  std::vector<int64_t> ids(end - begin);
  shard.read(begin, ids);
  std::vector<uint8_t> mask(shard.facts().loss_mask ? ids.size() : 0);
  if (!mask.empty()) shard.loss_mask(begin, mask);
  const std::string file = std::filesystem::path(shard.path()).filename();
  if (arguments.flag("json")) {
    json all{{"document", number}, {"shard", file}, {"tokens", ids.size()}, {"text", text_of(tokenizer, ids)}};
    if (!mask.empty()) all["loss_mask"] = mask;
    if (arguments.flag("ids")) all["ids"] = ids;
    return print(all);
  }
  fmt::print("--- document {} of {}: {} tokens{}\n", number, file, ids.size(),
             mask.empty() ? "" : fmt::format(", {} to be predicted", std::count(mask.begin(), mask.end(), 1)));
  if (arguments.flag("ids")) fmt::print("{}\n", fmt::join(ids, " "));
  print_text(marked_text(tokenizer, ids, mask));
}

void show_documents(const Arguments& arguments, const std::string& directory) {
  BESSEMER_CHECK(!std::filesystem::exists(directory + "/config.ini"), directory,
                 " is a run: give --step T to see what its step T trains on");
  const auto tokenizer = data::open_tokenizer(directory);
  int64_t number = 0, left = arguments.count("documents");
  const int64_t first = arguments.count("first");
  for (const auto& shard : data::open_shards(directory, arguments.text("split"))) {
    const auto documents = static_cast<int64_t>(shard.facts().documents);
    for (int64_t at = std::clamp<int64_t>(first - number, 0, documents); at < documents && left > 0; ++at, --left)
      show_document(arguments, *tokenizer, shard, static_cast<uint64_t>(at), number + at);
    number += documents;
  }
  BESSEMER_CHECK(first < number, "--first ", first, ": the split has ", number, " documents");
}

/// Which rows of a step are shown.
struct Part {
  int dp_rank = 0, dp_size = 1;
};

Part part_of(const Arguments& arguments, const configs::RunConfig& config) {
  const std::string asked = arguments.text("rank");
  if (asked == "-1") return {};
  const int64_t rank = configs::parse_count(asked), ranks = arguments.count("ranks");
  const auto l = configs::layout(config, ranks);
  BESSEMER_CHECK(rank < l.ranks, "--rank ", rank, " is none of the ", l.ranks, " ranks of this job (--ranks)");
  configs::refuse(configs::check(config, l.ranks));
  const parallel::Topology topology(static_cast<int>(l.ranks), static_cast<int>(l.tp), static_cast<int>(l.dp));
  return {topology.coordinates(static_cast<int>(rank)).dp, topology.dp()};
}

/// What a run was when it trained a step.
struct Moment {
  configs::RunConfig config;
  data::Mixture data;
  data::Sampler stream;  ///< before the step
};

trainer::CheckpointReader open_step(const std::string& run, int64_t step) {
  return trainer::CheckpointReader::open(run + "/" + trainer::RunDirectory::step_name(step));
}

/// Its data as [data] names it, but for the command: files come from anywhere, and what they say is not run unasked.
configs::RunConfig with_command(const Arguments& arguments, const std::string& run, configs::RunConfig config) {
  const std::string theirs = std::exchange(config.data.fetch, arguments.text("fetch"));
  const auto problems = configs::check_data(config);
  BESSEMER_CHECK(theirs.empty() || !config.data.fetch.empty() || problems.empty(), problems.front(), " (", run,
                 " fetched its data with: ", theirs, "; if you trust that command, give it with --fetch)");
  return config;
}

/// With its data where --data says.
configs::RunConfig with_places(const Arguments& arguments, configs::RunConfig config) {
  const auto& places = arguments.list("data");
  auto& data = config.data;
  if (places.empty()) return config;
  const std::size_t sources = std::max<std::size_t>(1, data.blend.size());
  BESSEMER_CHECK(places.size() == sources, "--data names ", places.size(), " directories, and the run reads ", sources,
                 " (`",
                 data.blend.empty() ? "data.path = " + data.path : "data.blend = " + data::blend_text(data.blend),
                 "`); give one for each, in that order");
  if (data.blend.empty()) data.path = places.front();
  for (std::size_t i = 0; i < data.blend.size(); ++i) data.blend[i].path = places[i];
  return config;
}

/// Are they the sources that the run read then, each in its place?
void refuse_other_places(const Arguments& arguments, const trainer::CheckpointReader& checkpoint,
                         const data::Mixture& data) {
  if (arguments.list("data").empty()) return;
  std::vector<std::string> then;
  for (const auto& source : checkpoint.state().at("data").at("sources")) {
    if (source.value("read", true)) then.push_back(source.at("id"));
  }
  for (std::size_t i = 0; i < std::min(then.size(), data.train.size()); ++i)
    BESSEMER_CHECK_DATA(data.train[i].corpus->content_id() == then[i], "--data ", arguments.list("data")[i],
                        " holds dataset ", data.train[i].corpus->content_id(), ", and the run read ", then[i],
                        " as its source ", i + 1, "; give the directories in that order");
}

data::Mixture open_data(const Arguments& arguments, const std::string& run, const configs::RunConfig& config) {
  try {
    return data::Mixture::open(data_options(config), config.model.sequence, false);
  } catch (const Error& error) {
    if (!arguments.list("data").empty()) throw;
    fail(error.code(), error.what(), " (so named by ", run,
         ", from the directory where it was started: go there, put the data back, or say with --data where it is)");
  }
}

/// Options are those of the first checkpoint that is not before the step: a blend may have changed since. What they
/// give from the checkpoint before on must come to where that one stands, or they were changed in between.
Moment moment_of(const Arguments& arguments, const std::string& run, int64_t step) {
  const std::string path = run + "/config.ini";
  BESSEMER_CHECK_DATA(std::filesystem::exists(path), run, " is no run (it has no config.ini); --step is for runs");
  int64_t before = 0, after = 0;
  for (const int64_t saved : trainer::checkpoint_steps(run)) {
    if (saved < step) before = saved;
    if (saved >= step && after == 0) after = saved;
  }
  const auto parsed = configs::parse({"", after > 0 ? open_step(run, after).config() : data::read_file(path), {}, {}});
  configs::refuse(parsed.problems);
  const auto config = with_command(arguments, run, with_places(arguments, parsed.config));
  BESSEMER_CHECK(step <= std::max(after, config.train.steps), "--step ", step, ": the run has ", config.train.steps,
                 " steps (train.steps)");
  auto data = open_data(arguments, run, config);
  if (after > 0) refuse_other_places(arguments, open_step(run, after), data);
  const auto stream_of = [&](int64_t saved) {
    std::optional<trainer::CheckpointReader> reader;
    if (saved > 0) trainer::refuse_other_data(reader.emplace(open_step(run, saved)), data);
    return trainer::stream_at(config.run.seed, config.train, data, reader ? &*reader : nullptr).rows;
  };
  const auto batch = trainer::batch_of(config.train);
  auto stream = stream_of(before);
  stream.skip(batch.before(step - 1) - batch.before(before));
  if (after > 0) {
    auto there = stream;
    there.skip(batch.before(after) - batch.before(step - 1));
    const auto stands = stream_of(after);
    for (std::size_t i = 0; i < data.train.size(); ++i)
      BESSEMER_CHECK_DATA(there.sources()[i].rows == stands.sources()[i].rows, run,
                          ": the blend was changed between steps ", before, " and ", after,
                          ", and no checkpoint of that moment is left: what step ", step, " saw cannot be told");
  } else {
    fmt::print(stderr, "note: step {} is in no checkpoint yet; this is what it will see with the options as they are\n",
               step);
  }
  return {config, std::move(data), std::move(stream)};
}

/// The rows of a step as the model sees them.
struct Seen {
  data::Rows rows;
  std::vector<int64_t> truth;  ///< tokens before some were masked; empty: none were
};

/// Its documents, each with how much of it counts. Masked tokens are to be predicted where they stand, others from the
/// ones before.
void show_row(const Arguments& arguments, const data::Tokenizer& tokenizer, const json& place, const Seen& seen,
              std::size_t at) {
  const data::Rows& rows = seen.rows;
  const bool masked = !seen.truth.empty();
  const auto s = static_cast<std::size_t>(rows.sequence);
  const std::span<const int64_t> tokens = std::span(rows.tokens).subspan(at * (s + 1), s + 1);
  const auto starts = rows.starts.empty() ? std::span<const int64_t>() : std::span(rows.starts).subspan(at * s, s);
  const auto counted = rows.counted.empty() ? std::span<const uint8_t>() : std::span(rows.counted).subspan(at * s, s);
  json out = place;
  if (!rows.pair_labels.empty()) out["pair_label"] = rows.pair_labels[at];
  out["documents"] = json::array();
  for (std::size_t begin = 0; begin < s;) {
    std::size_t end = begin + 1;
    while (end < s && !starts.empty() && starts[end] == starts[begin]) ++end;
    if (starts.empty()) end = s;
    const auto wanted = counted.empty() ? static_cast<int64_t>(end - begin)
                                        : std::count(counted.begin() + static_cast<std::ptrdiff_t>(begin),
                                                     counted.begin() + static_cast<std::ptrdiff_t>(end), 1);
    // The last target lies behind the inputs; what predicts nothing at all fills the row.
    const bool target = !masked && end == s && (counted.empty() || counted[s - 1] != 0);
    const auto ids = tokens.subspan(begin, end - begin + target);
    // Of a document that is not padding, what no position of it predicts, but for its first token.
    std::vector<uint8_t> mask(ids.size(), 1);
    for (std::size_t i = 1; i < ids.size() && wanted > 0; ++i) mask[i] = counted.empty() || counted[begin + i - 1] != 0;
    for (std::size_t i = 0; i < ids.size() && masked; ++i) mask[i] = counted[begin + i] == 0;
    out["documents"].push_back({{"position", begin},
                                {"tokens", end - begin},
                                {"counted", wanted},
                                {"ids", ids},
                                {masked ? "shown" : "loss_mask", mask},
                                {"text", text_of(tokenizer, ids)}});
    auto& document = out["documents"].back();
    if (masked) document["truth"] = std::span(seen.truth).subspan(at * (s + 1) + begin, end - begin);
    if (!rows.segments.empty()) document["segments"] = std::span(rows.segments).subspan(at * s + begin, end - begin);
    begin = end;
  }
  if (arguments.flag("json")) return print(out);
  const auto cut = out["sequence"].get<int64_t>();
  fmt::print("=== row {} | row {} of {}, epoch {}{}\n", out["row"].get<int64_t>(), out["row_of_source"].get<int64_t>(),
             out["source"].get<std::string>(), out["epoch"].get<int64_t>(),
             out.contains("pair_label") ? fmt::format(" | pair label {}", out["pair_label"].get<int64_t>())
             : cut < rows.sequence      ? fmt::format(" | cut into sequences of {}", cut)
                                        : "");
  for (const auto& document : out["documents"]) {
    const auto wanted = document["counted"].get<int64_t>();
    fmt::print("--- position {}: {} tokens, {}\n", document["position"].get<int64_t>(),
               document["tokens"].get<int64_t>(),
               masked       ? fmt::format("{} to be predicted, in brackets", wanted)
               : wanted > 0 ? fmt::format("{} targets count", wanted)
                            : "no target counts");
    const auto ids = document["ids"].get<std::vector<int64_t>>();
    if (arguments.flag("ids")) fmt::print("{}\n", fmt::join(ids, " "));
    print_text(marked_text(tokenizer, ids, document[masked ? "shown" : "loss_mask"].get<std::vector<uint8_t>>()));
  }
}

void show_step(const Arguments& arguments, const std::string& run, int64_t step) {
  auto [config, data, stream] = moment_of(arguments, run, step);
  const Part part = part_of(arguments, config);
  const auto tokenizer = data::tokenizer_of(data_options(config));
  const auto batch = trainer::batch_of(config.train);
  const int64_t share = batch.at(step - 1) / part.dp_size;
  data::Loader loader(data.corpora(), stream, {part.dp_rank, part.dp_size, share, batch, 1}, step - 1);
  Seen seen{loader.next(), {}};
  data::Rows& rows = seen.rows;
  if (config.data.objective == data::ObjectiveKind::kMasked) {
    seen.truth = rows.tokens;
    data::mask_rows(data::make_masking(config.data, *tokenizer), config.run.seed, rows);
  }
  if (config.data.objective == data::ObjectiveKind::kPrefix) data::add_prefixes(config.run.seed, rows);
  stream.skip(part.dp_rank * share);
  const int64_t cut = data::Ramp(config.train.sequence_ramp, rows.sequence).at(step - 1);
  for (std::size_t at = 0; at < rows.rows.size(); ++at) {
    const auto row = stream.take(1).front();
    show_row(arguments, *tokenizer,
             {{"step", step},
              {"row", rows.rows[at]},
              {"source", data.train[row.source].name},
              {"epoch", stream.epoch(row)},
              {"row_of_source", stream.window(row)},
              {"sequence", cut}},
             seen, at);
  }
}

int show(const Words& words) {
  const Arguments arguments(words, flags(), {"DIR"});
  BESSEMER_CHECK(arguments.positional().size() == 1, "bessemer data show takes one DIR, got ",
                 arguments.positional().size(), "; see bessemer data show --help");
  const std::string directory = arguments.positional().front();
  if (const int64_t step = arguments.count("step"); step > 0)
    show_step(arguments, directory, step);
  else
    show_documents(arguments, directory);
  return 0;
}

}  // namespace

std::vector<Command> data_show_commands() {
  return {{"data show", "documents of a data set, or what a run's step sees, as text", help, show}};
}

}  // namespace bessemer::launch
