#include "trainer/pretrained_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "data/file.h"
#include "data/safetensors_writer.h"
#include "data/tokenizer.h"
#include "models/presets.h"
#include "parallel/error.h"

namespace bessemer::trainer {
namespace {

using models::pretrained::FileTensor;
using models::pretrained::Place;
using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char *kState = "pretrained", *kBeside = "beside";
constexpr int64_t kPiece = 1 << 22;  // elements held at once of a tensor that lies in the file as in a checkpoint

int64_t elements(const std::vector<int64_t>& shape) {
  int64_t n = 1;
  for (const int64_t d : shape) n *= d;
  return n;
}

/// One file of the model: names of its tensors, and what it is called.
struct Shard {
  std::string name;
  std::vector<data::SafeTensor> tensors;
  uint64_t bytes = 0;
};

std::vector<Shard> plan_shards(const std::vector<FileTensor>& tensors, const std::map<std::string, std::string>& dtypes,
                               const ExportOptions& how) {
  std::vector<Shard> shards(1);
  for (const FileTensor& tensor : tensors) {
    const auto known = dtypes.find(tensor.name);
    const std::string dtype = !how.dtype.empty() ? how.dtype : known != dtypes.end() ? known->second : "F32";
    const uint64_t bytes =
        static_cast<uint64_t>(elements(tensor.shape) * data::safetensors_bits(dtype, tensor.name)) / 8;
    if (shards.back().bytes > 0 && shards.back().bytes + bytes > how.shard_bytes) shards.emplace_back();
    shards.back().tensors.push_back({tensor.name, dtype, tensor.shape});
    shards.back().bytes += bytes;
  }
  for (std::size_t i = 0; i < shards.size(); ++i)
    shards[i].name = shards.size() == 1 ? "model.safetensors"
                                        : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
  return shards;
}

/// What of ours lies in the file's tensor, put together.
std::vector<float> assemble(const WeightSource& weights, const std::vector<Place>& places, const FileTensor& tensor) {
  std::vector<float> out(static_cast<std::size_t>(elements(tensor.shape))), ours;
  for (const Place& place : places) {
    if (place.tensor != tensor.name || place.name.empty()) continue;
    const int64_t n = elements(place.shape), rows = place.shape[0], columns = rows > 0 ? n / rows : 0;
    ours.resize(static_cast<std::size_t>(n));
    weights.read_weight(place.name, 0, 0, rows, 0, n, ours.data());
    if (!place.transposed) {
      std::copy(ours.begin(), ours.end(), out.begin() + place.first * columns);
      continue;
    }
    const int64_t width = tensor.shape[1];
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < columns; ++j)
        out[static_cast<std::size_t>(j * width + place.first + i)] = ours[static_cast<std::size_t>(i * columns + j)];
    }
  }
  return out;
}

void write_tensor(const WeightSource& weights, const std::vector<Place>& places, const data::SafeTensor& tensor,
                  data::SafetensorsWriter& file) {
  const auto holds = [&](const Place& place) { return place.tensor == tensor.name; };
  const auto first = std::find_if(places.begin(), places.end(), holds);
  const int64_t n = elements(tensor.shape);
  if (first->transposed || first->name.empty() || std::count_if(places.begin(), places.end(), holds) > 1) {
    const auto whole = assemble(weights, places, {tensor.name, tensor.shape});
    return file.append_as(tensor.dtype, whole.data(), n);
  }
  std::vector<float> piece(static_cast<std::size_t>(std::min(n, kPiece)));
  for (int64_t done = 0; done < n;) {
    const int64_t count = std::min(n - done, kPiece);
    weights.read_weight(first->name, 0, 0, first->shape[0], done, count, piece.data());
    file.append_as(tensor.dtype, piece.data(), count);
    done += count;
  }
}

std::string index_text(const std::vector<Shard>& shards) {
  std::map<std::string, std::string> map;
  uint64_t total = 0;
  for (const Shard& shard : shards) {
    total += shard.bytes;
    for (const auto& tensor : shard.tensors) map[tensor.name] = shard.name;
  }
  return ordered_json{{"metadata", {{"total_size", total}}}, {"weight_map", map}}.dump(2) + "\n";
}

/// The class that a shape is written for: its family's, or another that the family's config.json names.
std::string class_of(const TheirNames& names, const models::ModelOptions& options) {
  const auto config = names.family->config(models::resolve(options));
  return config.contains("architectures") ? config["architectures"][0].get<std::string>() : names.family->architecture;
}

/// config.json: as it was imported, or of the shape; the class with its output matrix, the dtype that is written.
std::string config_text(const TheirNames& names, const models::ModelOptions& options,
                        const std::optional<PretrainedOrigin>& origin, const ExportOptions& how,
                        const std::vector<Shard>& shards) {
  ordered_json config = origin ? ordered_json::parse(origin->config) : names.family->config(options);
  const auto architectures = ordered_json::array({class_of(names, options)});
  if (origin && how.dtype.empty() && config.value("architectures", ordered_json()) == architectures)
    return origin->config;
  const std::string& dtype = shards.front().tensors.front().dtype;
  const char* word = dtype == "F16" ? "float16" : dtype == "BF16" ? "bfloat16" : "float32";
  config["architectures"] = architectures;
  config[config.contains("dtype") ? "dtype" : "torch_dtype"] = word;  // every version reads the older name
  return config.dump(2) + "\n";
}

/// What Hugging Face's tokenizer and generation are to know of a tokenizer of a run of ours.
void tell_special_tokens(const std::string& tokenizer, Texts& files) {
  const auto own = data::load_tokenizer(tokenizer);
  const auto token = [&](int64_t id) { return own->token(static_cast<uint32_t>(id)); };
  ordered_json config{{"tokenizer_class", "PreTrainedTokenizerFast"}}, generation;
  if (own->bos_id >= 0) config["bos_token"] = token(own->bos_id);
  if (own->eod_id >= 0) config["eos_token"] = token(own->eod_id), generation["eos_token_id"] = own->eod_id;
  if (own->pad_id >= 0) config["pad_token"] = token(own->pad_id), generation["pad_token_id"] = own->pad_id;
  files.try_emplace("tokenizer_config.json", config.dump(2) + "\n");
  if (!generation.empty()) files.try_emplace("generation_config.json", generation.dump(2) + "\n");
}

/// With the tokenizer among them. \param untold  of a run of ours, and of a class without special tokens by name
Texts with_tokenizer(Texts files, const std::string& tokenizer, bool untold) {
  const json parsed = json::parse(tokenizer, nullptr, false);
  const bool theirs = parsed.is_object() && parsed.contains("model") && !parsed.contains("format");
  if (theirs && files.count("vocab.json") == 0 && files.count("vocab.txt") == 0) files["tokenizer.json"] = tokenizer;
  if (theirs && untold) tell_special_tokens(tokenizer, files);
  return files;
}

void claim_directory(const std::string& out) {
  namespace fs = std::filesystem;
  std::error_code error;
  BESSEMER_CHECK(!fs::exists(out, error) || (fs::is_directory(out, error) && fs::is_empty(out, error)), out,
                 " is there and not empty; choose another directory");
  fs::create_directories(out, error);
  BESSEMER_CHECK_ENV(!error, out, " cannot be made: ", error.message());
}

}  // namespace

json to_json(const PretrainedOrigin& o) {
  return {{"config", o.config}, {"prefix", o.prefix}, {"dtypes", o.dtypes}, {"files", o.files}};
}

std::optional<PretrainedOrigin> origin_in(const json& state) {
  if (!state.contains(kState)) return {};
  try {
    const json& o = state.at(kState);
    return PretrainedOrigin{o.at("config"), o.at("prefix"), o.at("dtypes"), o.at("files")};
  } catch (const json::exception& error) {
    fail(ExitCode::kBadData, "what the checkpoint says of its import is damaged: ", error.what());
  }
}

Texts texts_beside(const json& state) {
  Texts texts;
  if (const auto origin = origin_in(state)) {
    texts = origin->files;
  } else if (state.contains(kBeside)) {
    try {
      texts = state.at(kBeside).get<Texts>();
    } catch (const json::exception& error) {
      fail(ExitCode::kBadData, "the files that the checkpoint keeps for an export are damaged: ", error.what());
    }
  }
  for (const auto& [name, text] : texts)
    BESSEMER_CHECK_DATA(std::find(kBesides.begin(), kBesides.end(), name) != kBesides.end(),
                        "the checkpoint keeps a file '", name, "' for an export, and none of that name is known");
  return texts;
}

TheirNames their_names(const models::ModelOptions& resolved, const std::optional<PretrainedOrigin>& origin) {
  const auto* family = origin ? &models::pretrained::family_of(json::parse(origin->config), "the imported config.json")
                              : &models::pretrained::family_for(resolved);
  return {family, family->places(resolved, origin ? origin->prefix : family->prefix)};
}

Exported export_pretrained(const WeightSource& weights, const models::ModelOptions& options,
                           const std::optional<PretrainedOrigin>& origin, const Texts& beside,
                           const std::string& tokenizer, const ExportOptions& how) {
  const TheirNames names = their_names(options, origin);
  const auto shards = plan_shards(models::pretrained::tensors_of(names.places),
                                  origin ? origin->dtypes : std::map<std::string, std::string>{}, how);
  claim_directory(how.out);
  Exported done;
  done.architecture = class_of(names, options);
  for (const Shard& shard : shards) {
    data::SafetensorsWriter file(how.out + "/" + shard.name, shard.tensors);
    for (const auto& tensor : file.tensors()) write_tensor(weights, names.places, tensor, file);
    file.finish();
    done.files.push_back(shard.name), done.tensors += shard.tensors.size(), done.bytes += shard.bytes;
  }
  std::vector<std::pair<std::string, std::string>> texts;
  if (shards.size() > 1) texts.emplace_back("model.safetensors.index.json", index_text(shards));
  for (const auto& [name, text] : with_tokenizer(beside, tokenizer, !origin && options.family != models::Family::kBert))
    texts.emplace_back(name, text);
  texts.emplace_back("config.json", config_text(names, options, origin, how, shards));
  for (const auto& [name, text] : texts) {
    data::write_file(how.out + "/" + name, text);
    done.files.push_back(name);
  }
  return done;
}

}  // namespace bessemer::trainer
