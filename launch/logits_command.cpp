#include <ATen/ATen.h>
#include <fmt/format.h>

#include <charconv>
#include <iostream>
#include <sstream>

#include "data/safetensors.h"
#include "data/safetensors_writer.h"
#include "launch/arguments.h"
#include "launch/build.h"
#include "launch/commands.h"
#include "launch/job.h"
#include "models/presets.h"
#include "parallel/error.h"

namespace bessemer::launch {
namespace {

constexpr int64_t kIgnore = -100;  // Hugging Face's label that does not count

const std::vector<Flag>& flags() {
  static const std::vector<Flag> all{
      {"model", "PATH", "a run's directory (its newest checkpoint), one checkpoint, or a directory of Hugging Face's",
       "", true},
      {"ids", "1,2,3", "token ids of one row", ""},
      {"batch", "FILE", "safetensors with input_ids, and perhaps labels and attention_mask, [rows, positions]", ""},
      {"grads", "", "also the gradient of the loss by every tensor; needs labels"},
      {"out", "FILE", "safetensors to write", "", true},
      {"parallel.tp", "N", "tensor-parallel size, under mpirun; its other ranks share the batch's rows", "1"},
      {"dtype", "TYPE", "of weights and activations: fp32, bf16 or fp16", "fp32"},
      {"device", "NAME", "cpu or cuda", "cpu"},
      {"threads", "N", "compute threads of a rank; 0: its share of the cores", "0"}};
  return all;
}

std::string help() {
  return "example:\n  bessemer logits --model runs/gpt2 --ids 464,2068,7586 --out logits.safetensors\n"
         "  mpirun -n 4 bessemer logits --model hf/gpt2 --batch inputs.safetensors --grads --parallel.tp=2 --out out.safetensors\n\n"
         "For whoever checks a model against another program. Inputs have Hugging Face's names and meaning: labels are those of\n"
         "the same positions (the logits of one position meet the label of the next), -100 does not count. Written are logits,\n"
         "fp32 [rows, positions, vocabulary], loss, and grad.NAME by the names that the tensors have in Hugging Face's files.\n"
         "attention_mask may leave out the end of a row; its logits are then 0. For a bert, labels are of the same position, and\n"
         "there may be token_type_ids and next_sentence_label; with a head for pairs the logits are called prediction_logits and\n"
         "seq_relationship_logits.\n\n" +
         flags_help(flags());
}

/// int64 [b, s] each, `pairs` [b]; all but the ids undefined where they are not given.
struct Inputs {
  at::Tensor ids, labels, mask, segments, pairs;
};

Inputs parse_ids(const std::string& text) {
  std::vector<int64_t> ids;
  std::istringstream in(text);
  for (std::string word; std::getline(in, word, ',');) {
    int64_t id = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    BESSEMER_CHECK(error == std::errc() && end == word.data() + word.size(), "--ids: '", word, "' is no token id");
    ids.push_back(id);
  }
  BESSEMER_CHECK(!ids.empty(), "--ids is empty; give token ids, for example 1,2,3");
  return {at::tensor(ids, at::kLong).unsqueeze(0), {}, {}, {}, {}};
}

Inputs read_inputs(const std::string& path) {
  const auto file = data::Safetensors::open(path);
  Inputs inputs;
  for (const auto& tensor : file.tensors()) {
    at::Tensor* into = tensor.name == "input_ids"             ? &inputs.ids
                       : tensor.name == "labels"              ? &inputs.labels
                       : tensor.name == "attention_mask"      ? &inputs.mask
                       : tensor.name == "token_type_ids"      ? &inputs.segments
                       : tensor.name == "next_sentence_label" ? &inputs.pairs
                                                              : nullptr;
    BESSEMER_CHECK_DATA(
        into != nullptr, path, ": tensor '", tensor.name,
        "' is nothing that a model takes here; known are input_ids, labels, attention_mask, and for bert "
        "token_type_ids and next_sentence_label");
    BESSEMER_CHECK_DATA(tensor.shape.size() == 2 || into == &inputs.pairs, path, ": ", tensor.name, " has ",
                        tensor.shape.size(), " dimensions, [rows, positions] is expected");
    *into = at::tensor(file.integers(tensor.name), at::kLong).view(tensor.shape);
  }
  BESSEMER_CHECK_DATA(inputs.ids.defined() && inputs.ids.numel() > 0, path, ": has no input_ids");
  for (const auto& other : {inputs.labels, inputs.mask, inputs.segments})
    BESSEMER_CHECK_DATA(!other.defined() || other.sizes() == inputs.ids.sizes(), path,
                        ": labels, attention_mask and token_type_ids must have the shape of input_ids");
  BESSEMER_CHECK_DATA(!inputs.pairs.defined() || inputs.pairs.numel() == inputs.ids.size(0), path,
                      ": next_sentence_label has ", inputs.pairs.defined() ? inputs.pairs.numel() : 0,
                      " entries, one for each row is expected");
  return inputs;
}

void check_range(const at::Tensor& ids, int64_t vocab, const char* what) {
  const int64_t least = ids.min().item<int64_t>(), most = ids.max().item<int64_t>();
  BESSEMER_CHECK_DATA(least >= 0 && most < vocab, what, " reach from ", least, " to ", most, "; from 0 to ", vocab - 1,
                      " is expected");
}

/// "targets" and "loss_mask" of a batch from labels at their positions. \return  which count.
at::Tensor add_targets(const at::Tensor& labels, int64_t vocab, at::Device device, data::Batch& batch) {
  const at::Tensor counted = labels != kIgnore;
  BESSEMER_CHECK_DATA(counted.any().item<bool>(), "labels: none counts, all are ", kIgnore);
  const auto targets = labels.masked_fill(counted.logical_not(), 0);
  check_range(targets, vocab, "labels");
  batch.tensors["targets"] = targets.to(device);
  batch.tensors["loss_mask"] = counted.to(at::kFloat).to(device);
  return counted;
}

/// Where the text of each position begins, int64 [b, s]: what attention_mask leaves out is a document apart. RoBERTa
/// counts positions from the first token that is no padding; of its numbering (create_position_ids_from_input_ids) it
/// is refused what ours, from the first that attention_mask keeps, is not.
at::Tensor starts_of(const Inputs& inputs, int64_t offset) {
  const auto at = at::arange(inputs.ids.size(1), at::kLong).expand_as(inputs.ids);
  const at::Tensor kept = inputs.mask.defined() ? inputs.mask.ne(0) : at::ones_like(inputs.ids, at::kBool);
  if (offset == 0) {
    BESSEMER_CHECK_DATA(kept.select(1, 0).all().item<bool>(), "attention_mask: a row begins with 0");
    return at::where(kept, 0, at);
  }
  const int64_t pad = offset - 1;
  const at::Tensor first = kept.to(at::kLong).argmax(1, true), starts = at::where(kept, first, at);
  const at::Tensor real = inputs.ids.ne(pad), theirs = real.cumsum(1) - 1;
  BESSEMER_CHECK_DATA(
      (kept.logical_not() | (real & theirs.eq(at - starts))).all().item<bool>(), "input_ids: the padding ", pad,
      " is not just where attention_mask has 0 beside a row's text; give 0 there, and no padding in between");
  return starts;
}

/// The batch as an encoder takes it: labels are of the same position.
data::Batch make_masked_batch(const Inputs& inputs, const models::ModelOptions& o, at::Device device) {
  check_range(inputs.ids, o.vocab, "input_ids");
  data::Batch batch;
  const auto add = [&](const char* name, const at::Tensor& x) { batch.tensors[name] = x.contiguous().to(device); };
  add("tokens", inputs.ids);
  if (inputs.mask.defined() || o.position_offset > 0) add("starts", starts_of(inputs, o.position_offset));
  if (inputs.segments.defined())
    check_range(inputs.segments, o.segments, "token_type_ids"), add("segments", inputs.segments);
  if (inputs.pairs.defined())
    check_range(inputs.pairs, 2, "next_sentence_label"), add("pair_labels", inputs.pairs.view({-1}));
  if (!inputs.labels.defined()) return batch;
  const at::Tensor counted = add_targets(inputs.labels, o.vocab, device, batch);
  add("predicted", at::nonzero(counted.t().reshape({-1})).view({-1}));
  return batch;
}

/// The batch as a causal model takes it: targets are the labels of the next positions.
data::Batch make_causal_batch(const Inputs& inputs, int64_t vocab, at::Device device) {
  check_range(inputs.ids, vocab, "input_ids");
  BESSEMER_CHECK_DATA(!inputs.segments.defined() && !inputs.pairs.defined(),
                      "token_type_ids and next_sentence_label are for a bert, and this is a gpt; leave them out");
  data::Batch batch;
  batch.tensors["tokens"] = inputs.ids.to(device);
  const int64_t s = inputs.ids.size(1);
  if (inputs.mask.defined() && s > 1) {
    const at::Tensor rises = inputs.mask.narrow(1, 1, s - 1) > inputs.mask.narrow(1, 0, s - 1);
    BESSEMER_CHECK_DATA(!rises.any().item<bool>() && inputs.mask.min().item<int64_t>() >= 0,
                        "attention_mask: a causal model takes rows whose end is left out (1 1 1 0), no others");
  }
  if (!inputs.labels.defined()) return batch;
  const at::Tensor targets = at::full_like(inputs.labels, kIgnore);
  targets.narrow(1, 0, s - 1).copy_(inputs.labels.narrow(1, 1, s - 1));
  const at::Tensor counted = add_targets(targets, vocab, device, batch);
  BESSEMER_CHECK_DATA(!inputs.mask.defined() || !(counted & (inputs.mask == 0)).any().item<bool>(),
                      "labels count behind positions that attention_mask leaves out; make them ", kIgnore);
  return batch;
}

using Tensors = std::map<std::string, at::Tensor>;

/// A batch dealt over dp: as equal runs of rows as there are.
struct Share {
  int64_t rows, first, count;
  Share(int64_t all, const parallel::Group& dp)
      : rows(all), first(all * dp.rank() / dp.size()), count(all * (dp.rank() + 1) / dp.size() - first) {
    BESSEMER_CHECK(all >= dp.size(), "the batch has ", all, " rows, fewer than the ", dp.size(),
                   " groups of ranks that share them; start fewer ranks, or choose a larger parallel.tp");
  }
  /// Our rows of what make_masked_batch or make_causal_batch made of all of them.
  data::Batch of(const data::Batch& whole) const {
    data::Batch ours;
    ours.first_row = first;
    for (const auto& [name, x] : whole.tensors) {
      if (name != "predicted") ours.tensors[name] = x.narrow(0, first, count);
    }
    if (whole.has("predicted")) ours.tensors["predicted"] = at::nonzero(ours["loss_mask"].t().reshape({-1})).view({-1});
    return ours;
  }
  /// [rows, ...] of every rank's [count, ...]. Collective over dp.
  at::Tensor gather(const at::Tensor& ours, const parallel::Group& dp) const {
    if (dp.size() == 1) return ours;
    auto shape = ours.sizes().vec();
    shape[0] = rows;
    auto whole = at::zeros(shape, ours.options());
    whole.narrow(0, first, count).copy_(ours);
    dp.all_reduce(whole);
    return whole;
  }
};

/// Gradients of whole canonical tensors, fp32 on the host, the same on every rank: summed over dp. Collective.
Tensors canonical_gradients(models::Model& model, const parallel::Grid& grid) {
  const auto& tp = grid.tp;
  Tensors all;
  for (const auto* parameter : model.parameters()) {
    const at::Tensor& value = parameter->value;
    const at::Tensor mine = value.grad().defined() ? value.grad().to(at::kFloat) : at::zeros_like(value, at::kFloat);
    for (const auto& piece : parameter->pieces) {
      at::Tensor whole = at::zeros(piece.shape, mine.options());
      if (!parameter->replicated || parameter->sum_over_tp || tp.rank() == 0)
        whole.narrow(piece.dim, piece.begin, piece.end - piece.begin).copy_(mine.narrow(0, piece.row, piece.rows));
      tp.all_reduce(whole);
      grid.dp.all_reduce(whole);
      all[piece.name] = whole.cpu();
    }
  }
  return all;
}

/// The same under the names that the tensors have in Hugging Face's files.
void add_gradients(const Loaded& loaded, const Tensors& ours, Tensors& out) {
  const auto names = trainer::their_names(loaded.model->options(), loaded.origin);
  for (const auto& tensor : models::pretrained::tensors_of(names.places))
    out["grad." + tensor.name] = at::zeros(tensor.shape);
  for (const auto& place : names.places) {
    if (place.name.empty()) continue;
    const at::Tensor& gradient = ours.at(place.name);
    at::Tensor into = out.at("grad." + place.tensor).narrow(place.transposed ? 1 : 0, place.first, place.shape[0]);
    into.copy_(place.transposed ? gradient.t() : gradient);
  }
}

void write(const std::string& path, const Tensors& tensors) {
  std::vector<data::SafeTensor> plan;
  for (const auto& [name, tensor] : tensors) plan.push_back({name, "F32", tensor.sizes().vec()});
  data::SafetensorsWriter file(path, plan);
  for (const auto& planned : file.tensors()) {
    const at::Tensor host = tensors.at(planned.name).to(at::kCPU, at::kFloat).contiguous();
    file.append(host.data_ptr<float>(), static_cast<uint64_t>(host.numel()) * sizeof(float));
  }
  file.finish();
}

/// Collective. \return what is written, on every rank.
Tensors compute(Loaded& loaded, const Inputs& inputs, const parallel::Grid& grid, bool gradients) {
  const auto& o = loaded.model->options();
  const auto whole = o.family == models::Family::kBert ? make_masked_batch(inputs, o, grid.device)
                                                       : make_causal_batch(inputs, o.vocab, grid.device);
  const Share share(inputs.ids.size(0), grid.dp);
  const auto batch = share.of(whole);
  Tensors out = loaded.model->outputs(batch);
  for (auto& [name, logits] : out) {
    logits = share.gather(logits, grid.dp);
    if (inputs.mask.defined() && logits.dim() == 3) logits *= inputs.mask.to(grid.device).ne(0).unsqueeze(-1);
  }
  if (!batch.has("targets")) return out;
  for (auto* parameter : loaded.model->parameters()) parameter->value.requires_grad_(gradients);
  const double counted = whole["loss_mask"].sum(at::kDouble).item<double>();
  models::Context context;
  context.targets_per_label = counted / static_cast<double>(share.rows);
  const at::Tensor mean = loaded.model->loss(batch, context).sum / counted;
  out["loss"] = mean.detach().clone();
  grid.dp.all_reduce(out["loss"]);
  if (!gradients) return out;
  mean.backward();
  add_gradients(loaded, canonical_gradients(*loaded.model, grid), out);
  return out;
}

int logits(const Words& words, parallel::World& world) {
  const Arguments a(words, flags());
  BESSEMER_CHECK(a.has("ids") != a.has("batch"), "give either --ids or --batch");
  const auto dtype =
      a.choice<at::ScalarType>("dtype", {{"fp32", at::kFloat}, {"bf16", at::kBFloat16}, {"fp16", at::kHalf}});
  const Inputs inputs = a.has("ids") ? parse_ids(a.text("ids")) : read_inputs(a.text("batch"));
  BESSEMER_CHECK(!a.flag("grads") || inputs.labels.defined(), "--grads needs a --batch with labels");
  parallel::ParallelOptions options;
  options.tp = a.count("parallel.tp"), options.device = device_named(a.text("device"));
  set_threads(a.count("threads"), world.local_size());
  const parallel::Grid grid = world.make_grid(options);
  Loaded loaded = load_model(a.text("model"), grid, {dtype});
  const Tensors out = compute(loaded, inputs, grid, a.flag("grads"));
  if (world.rank() != 0) return 0;
  write(a.text("out"), out);
  std::cerr << fmt::format(
      "{}: logits of {} x {} positions{}; {} tensors\n", a.text("out"), inputs.ids.size(0), inputs.ids.size(1),
      out.count("loss") != 0 ? fmt::format(", loss {:.6f}", out.at("loss").item<double>()) : "", out.size());
  return 0;
}

}  // namespace

std::vector<Command> logits_commands() {
  return {{"logits", "logits, loss and gradients of a model, for checking it", help,
           [](const Words& words) { return run_job("logits", words, logits); }}};
}

}  // namespace bessemer::launch
