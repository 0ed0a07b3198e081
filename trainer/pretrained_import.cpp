#include "trainer/pretrained_import.h"

#include <ATen/Functions.h>

#include <limits>

#include "parallel/error.h"
#include "trainer/publish.h"

namespace bessemer::trainer {
namespace {

constexpr int64_t kShard = 1 << 28;  // elements of one shard, if a single tensor is not larger

int64_t elements(const models::Piece& piece) {
  int64_t n = 1;
  for (const int64_t d : piece.shape) n *= d;
  return n;
}

/// The canonical tensors, in the order of the model, cut into shards.
std::vector<std::vector<const models::Piece*>> shards_of(models::Model& model) {
  std::vector<std::vector<const models::Piece*>> shards(1);
  int64_t size = 0;
  for (const auto* parameter : model.parameters()) {
    for (const auto& piece : parameter->pieces) {
      if (size > 0 && size + elements(piece) > kShard) shards.emplace_back(), size = 0;
      shards.back().push_back(&piece);
      size += elements(piece);
    }
  }
  return shards;
}

at::Tensor values_of(const models::Piece& piece, const PretrainedReader& reader, uint64_t seed) {
  at::Tensor out = at::empty(piece.shape, at::kFloat);
  if (reader.has_weight(piece.name)) {
    reader.read_weight(piece.name, 0, 0, piece.shape[0], 0, elements(piece), out.data_ptr<float>());
  } else {
    models::Parameter alone;
    alone.local_shape = piece.shape;
    alone.pieces = {piece};
    alone.pieces[0].row = 0;
    models::initialize(alone, seed, out);
  }
  return out;
}

}  // namespace

std::string import_pretrained(const PretrainedReader& reader, models::Model& model, const RunDirectory& run,
                              const ImportedTexts& texts) {
  const auto shards = shards_of(model);
  SavePlan plan{run.path(), run.run_id(), random_hex() + "-1", 0, {}};
  for (std::size_t i = 0; i < shards.size(); ++i) plan.writers.push_back(static_cast<int>(i));
  const auto reached = [](std::string_view) {};
  try {
    for (std::size_t i = 0; i < shards.size(); ++i) {
      std::vector<at::Tensor> values;
      std::vector<Chunk> chunks;
      for (const auto* piece : shards[i]) {
        values.push_back(values_of(*piece, reader, texts.seed));
        chunks.push_back({"params/" + piece->name, piece->shape, 0, 0, piece->shape[0], 0, elements(*piece),
                          values.back().data_ptr<float>()});
      }
      write_rank(plan, static_cast<int>(i), chunks, true, reached);
    }
    Manifest manifest;
    manifest.state = {{"seed", texts.seed}, {"step", 0}, {"pretrained", to_json(texts.origin)}};
    manifest.environment = texts.environment;
    manifest.config = texts.config, manifest.tokenizer = texts.tokenizer;
    manifest.validation_loss = std::numeric_limits<double>::quiet_NaN(), manifest.read_back = true;
    return publish(plan, std::move(manifest), reached);
  } catch (...) {
    abandon(plan);
    throw;
  }
}

}  // namespace bessemer::trainer
