#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "data/matrix_writer.h"
#include "data/tokenizer.h"
#include "launch/arguments.h"
#include "launch/build.h"
#include "launch/commands.h"
#include "launch/job.h"
#include "launch/progress_line.h"
#include "parallel/error.h"
#include "trainer/stop.h"

namespace bessemer::launch {
namespace {

enum class Pool { kMean, kClass };

const std::vector<Flag>& flags() {
  static const std::vector<Flag> all{
      {"model", "PATH", "a run's directory (its newest checkpoint), one checkpoint, or a directory of Hugging Face's",
       "", true},
      {"input", "FILE", "texts, one a line", "", true},
      {"out", "FILE", "fp32 [lines, hidden]: .npy, or .h5 with a dataset \"embeddings\"", "", true},
      {"pool", "HOW", "mean of a text's tokens, or cls: the first one (bert only)", "mean"},
      {"normalize", "", "each row is divided by its length"},
      {"max-tokens", "N", "longer texts are cut to it; 0: the model's positions", "0"},
      {"batch", "N", "texts per forward", "32"},
      {"dtype", "TYPE", "of weights and activations: fp32, bf16 or fp16", "fp32"},
      {"device", "NAME", "cpu or cuda", "cpu"},
      {"threads", "N", "compute threads; 0: all usable cores", "0"},
      {"json", "", "what was done as one JSON object"}};
  return all;
}

std::string help() {
  return "example:\n  bessemer embed --model hf/all-MiniLM-L6-v2 --input texts.txt --out texts.npy --normalize\n\n"
         "A vector for each line: the model's last hidden states, behind its last norm, of all tokens of the text and those that\n"
         "its tokenizer puts around one ([CLS] ... [SEP]). Lines come out in their order, empty ones too where there are such\n"
         "tokens. A file of Hugging Face's may lack the head.\n\n" +
         flags_help(flags());
}

struct Texts {
  std::vector<data::TokenIds> ids;  ///< framed
  int64_t cut = 0;                  ///< were longer than `most`
  int64_t most = 0;
};

std::vector<std::string> read_lines(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  BESSEMER_CHECK_DATA(in.good() && !std::filesystem::is_directory(path), path,
                      ": there is no such file, or it cannot be read");
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line); lines.push_back(std::move(line))) {
    if (line.ends_with('\r')) line.pop_back();
  }
  BESSEMER_CHECK_DATA(!lines.empty(), path, ": has no texts; one a line is expected");
  return lines;
}

/// \param asked  tokens of a text at most, 0: as many as the model has positions
Texts tokenize(const std::vector<std::string>& lines, const Loaded& loaded, const data::Tokenizer& tokenizer,
               int64_t asked) {
  const auto& o = loaded.model->options();
  data::TokenIds before, after;
  // As Hugging Face frames a text; the documents of our own causal runs have no frame.
  if (o.family == models::Family::kBert || loaded.origin)
    before = tokenizer.template_before, after = tokenizer.template_after;
  BESSEMER_CHECK(asked >= 0 && asked <= o.sequence, "--max-tokens ", asked, ", but the model has ", o.sequence,
                 " positions; choose at most that");
  Texts texts;
  texts.most = asked > 0 ? asked : o.sequence;
  const int64_t room = texts.most - static_cast<int64_t>(before.size() + after.size());
  BESSEMER_CHECK(room >= 1, "--max-tokens ", texts.most, " leaves no room for a text beside the ",
                 before.size() + after.size(), " tokens around it; choose more");
  const auto encoder = tokenizer.encoder();
  for (std::size_t i = 0; i < lines.size(); ++i) {
    data::TokenIds ids, framed = before;
    encoder->encode(lines[i], ids);
    if (static_cast<int64_t>(ids.size()) > room) ids.resize(static_cast<std::size_t>(room)), ++texts.cut;
    framed.insert(framed.end(), ids.begin(), ids.end());
    framed.insert(framed.end(), after.begin(), after.end());
    BESSEMER_CHECK_DATA(!framed.empty(), "line ", i + 1, " of --input has no tokens, and this model's tokenizer puts ",
                        "none around a text; leave it out");
    const auto largest = static_cast<int64_t>(*std::max_element(framed.begin(), framed.end()));
    BESSEMER_CHECK_DATA(largest < o.vocab, "line ", i + 1, " holds token ", largest, ", the model's vocabulary has ",
                        o.vocab, "; its tokenizer is another's");
    texts.ids.push_back(std::move(framed));
  }
  return texts;
}

/// The longest first, so that what does not fit in memory is known at once.
std::vector<std::size_t> by_length(const Texts& texts) {
  std::vector<std::size_t> order(texts.ids.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return texts.ids[a].size() > texts.ids[b].size(); });
  return order;
}

class Embedder {
 public:
  Embedder(models::Model& model, int64_t pad, Pool pool, bool normalize)
      : model_(model), device_(model.parameters().front()->value.device()), pad_(std::max<int64_t>(pad, 0)),
        pool_(pool), normalize_(normalize) {}

  /// \param texts  token ids, the longest first. \return  fp32 [b, h] on the host.
  at::Tensor operator()(const std::vector<const data::TokenIds*>& texts) const {
    const auto b = static_cast<int64_t>(texts.size()), s = static_cast<int64_t>(texts.front()->size());
    const at::Tensor tokens = at::full({b, s}, pad_, at::kLong), lengths = at::empty({b, 1}, at::kLong);
    for (int64_t row = 0; row < b; ++row) {
      const auto& ids = *texts[static_cast<std::size_t>(row)];
      std::copy(ids.begin(), ids.end(), tokens.mutable_data_ptr<int64_t>() + row * s);
      lengths[row][0] = static_cast<int64_t>(ids.size());
    }
    const at::Tensor at = at::arange(s, at::kLong).expand({b, s}), kept = at.lt(lengths);
    data::Batch batch;
    batch.tensors["tokens"] = tokens.to(device_);
    // To an encoder each padding is a document apart; a causal model does not look ahead.
    if (model_.options().family == models::Family::kBert && !kept.all().item<bool>())
      batch.tensors["starts"] = at::where(kept, 0, at).to(device_);
    const at::Tensor x = model_.hidden(batch);  // [b, s, h]
    at::Tensor y = x.select(1, 0);
    if (pool_ == Pool::kMean)
      y = at::where(kept.to(device_).unsqueeze(2), x, 0.0).sum(1) / lengths.to(device_).to(at::kFloat);
    if (normalize_) y = y / y.norm(2, {1}, true).clamp_min(1e-12);  // as torch.nn.functional.normalize
    y = y.to(at::kCPU).contiguous();
    BESSEMER_CHECK_DATA(y.isfinite().all().item<bool>(), "the model's hidden states are not finite: its weights are ",
                        "damaged, or --dtype is too narrow for them");
    return y;
  }

 private:
  models::Model& model_;
  at::Device device_;
  int64_t pad_;
  Pool pool_;
  bool normalize_;
};

void write_all(const Texts& texts, const Embedder& embed, int64_t batch, trainer::StopRequests& stops,
               data::MatrixWriter& out) {
  const auto order = by_length(texts);
  CountLine progress("embed", "texts", order.size());
  for (std::size_t first = 0; first < order.size(); first += static_cast<std::size_t>(batch)) {
    const std::size_t end = std::min(order.size(), first + static_cast<std::size_t>(batch));
    std::vector<const data::TokenIds*> rows;
    for (std::size_t i = first; i < end; ++i) rows.push_back(&texts.ids[order[i]]);
    const at::Tensor y = embed(rows);
    for (std::size_t i = first; i < end; ++i)
      out.write(static_cast<int64_t>(order[i]), y[static_cast<int64_t>(i - first)].const_data_ptr<float>());
    progress.show(end);
    if (end < order.size() && !stops.poll().empty()) fail(ExitCode::kStopped, "stopped; nothing was kept");
  }
}

int embed(const Words& words) {
  const Arguments a(words, flags());
  refuse_many_processes("embed");
  const auto pool = a.choice<Pool>("pool", {{"mean", Pool::kMean}, {"cls", Pool::kClass}});
  const auto dtype =
      a.choice<at::ScalarType>("dtype", {{"fp32", at::kFloat}, {"bf16", at::kBFloat16}, {"fp16", at::kHalf}});
  const int64_t batch = a.count("batch");
  BESSEMER_CHECK(batch >= 1, "--batch is ", batch, "; choose at least 1");
  data::MatrixWriter::check_name(a.text("out"));
  refuse_own_input(a);
  const auto lines = read_lines(a.text("input"));
  const Loaded loaded =
      load_model(a.text("model"), device_named(a.text("device")), a.count("threads"), {dtype, Head::kMayBeMissing});
  const auto& o = loaded.model->options();
  BESSEMER_CHECK(pool == Pool::kMean || o.family == models::Family::kBert, "--pool cls is for a bert, and ",
                 loaded.checkpoint, " is a gpt, whose first token sees no other; choose mean");
  BESSEMER_CHECK_DATA(!loaded.tokenizer.empty(), loaded.checkpoint, " holds no tokenizer; it cannot read a text");
  const auto tokenizer = data::load_tokenizer(loaded.tokenizer);
  const Texts texts = tokenize(lines, loaded, *tokenizer, a.count("max-tokens"));

  trainer::StopRequests stops(true);
  data::MatrixWriter out(a.text("out"), "embeddings", static_cast<int64_t>(lines.size()), o.hidden);
  write_all(texts, Embedder(*loaded.model, tokenizer->pad_id, pool, a.flag("normalize")), batch, stops, out);
  out.finish();
  if (a.flag("json")) {
    fmt::print("{}\n", nlohmann::ordered_json{{"model", loaded.checkpoint},
                                              {"out", a.text("out")},
                                              {"texts", lines.size()},
                                              {"hidden", o.hidden},
                                              {"max_tokens", texts.most},
                                              {"cut", texts.cut}}
                           .dump(2));
    return 0;
  }
  fmt::print("{}: {} texts x {}, {}{}; {} longer than {} tokens, and cut\n", a.text("out"), lines.size(), o.hidden,
             a.text("pool"), a.flag("normalize") ? ", normalized" : "", texts.cut, texts.most);
  return 0;
}

}  // namespace

std::vector<Command> embed_commands() { return {{"embed", "a vector for each line of a text file", help, embed}}; }

}  // namespace bessemer::launch
