#pragma once
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "data/batch.h"
#include "models/model.h"

namespace bessemer::test {

/// Recorded losses: tests/oracles/nanogpt_losses.py wrote them.
struct GoldenLosses {
  std::vector<double> loss;                                 ///< of iteration i
  std::map<int64_t, std::pair<double, double>> evaluation;  ///< train and validation loss before iteration i

  explicit GoldenLosses(const std::string& path) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
      if (line.empty() || line[0] == '#') continue;
      std::istringstream fields(line);
      int64_t iteration = 0;
      double value = 0, train = 0, validation = 0;
      fields >> iteration >> value;
      loss.push_back(value);
      if (fields >> train >> validation) evaluation[iteration] = {train, validation};
    }
  }
};

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Every file under `folder`, sorted by path, concatenated.
inline std::string concatenate(const std::string& folder) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  std::string text;
  for (const auto& path : paths) text += read_file(path);
  return text;
}

/// nanoGPT's CPU setting (karpathy/nanoGPT 3adf61e): text, weights and batches from the default CPU generator, in the
/// order in which its train.py draws them. Make one, take the weights, then call batch() as train.py does.
class NanoGpt {
 public:
  static constexpr int64_t kLayers = 4, kHidden = 128, kSequence = 64, kBatch = 12, kEvalBatches = 20;

  explicit NanoGpt(const std::string& utf8) {
    const at::Tensor tokens = characters(utf8);
    const auto train_size = static_cast<int64_t>(static_cast<double>(tokens.numel()) * 0.9);
    train_ = tokens.slice(0, 0, train_size);
    validation_ = tokens.slice(0, train_size);
    at::manual_seed(1337);
    draw_weights();
  }

  int64_t vocab() const { return vocab_; }

  models::ModelOptions options() const {
    models::ModelOptions options;
    options.layers = kLayers;
    options.hidden = kHidden;
    options.heads = 4;
    options.sequence = kSequence;
    options.vocab = vocab_;
    return options;
  }

  /// The next 12 rows of a split: one draw.
  data::Batch batch(bool validation = false) {
    const at::Tensor& tokens = validation ? validation_ : train_;
    const at::Tensor starts = at::randint(tokens.numel() - kSequence, {kBatch}, at::kLong);
    const at::Tensor places = starts.unsqueeze(1) + at::arange(kSequence, at::kLong);  // [b, s]
    data::Batch batch;
    batch.tensors["tokens"] = tokens.index_select(0, places.flatten()).view_as(places);
    batch.tensors["targets"] = tokens.index_select(0, (places + 1).flatten()).view_as(places);
    return batch;
  }

  /// Copies the drawn weights into the model's memory, by canonical names.
  void give_weights(models::Model& model) const {
    const at::NoGradGuard no_gradients;
    for (models::Parameter* parameter : model.parameters()) {
      for (const models::Piece& piece : parameter->pieces) {
        const auto found = weights_.find(piece.name);
        ASSERT_NE(found, weights_.end()) << "nanoGPT has no " << piece.name;
        parameter->value.slice(0, piece.row, piece.row + piece.rows)
            .copy_(found->second.slice(piece.dim, piece.begin, piece.end));
      }
    }
  }

 private:
  at::Tensor characters(const std::string& utf8) {
    std::vector<int64_t> points;
    for (std::size_t i = 0; i < utf8.size();) {
      const auto lead = static_cast<unsigned char>(utf8[i]);
      const int length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
      int64_t point = length == 1 ? lead : lead & (0x7F >> length);
      for (int k = 1; k < length; ++k) point = point << 6 | (utf8[i + static_cast<std::size_t>(k)] & 0x3F);
      points.push_back(point);
      i += static_cast<std::size_t>(length);
    }
    std::map<int64_t, int64_t> ids;
    for (const int64_t point : std::set<int64_t>(points.begin(), points.end()))
      ids.emplace(point, static_cast<int64_t>(ids.size()));
    for (int64_t& point : points) point = ids[point];
    vocab_ = static_cast<int64_t>(ids.size());
    return at::tensor(points, at::kLong);
  }

  static at::Tensor normal(int64_t rows, int64_t columns, double std) {
    return at::empty({rows, columns}).normal_(0.0, std);
  }
  /// What nn.Linear draws when it is constructed; only the generator's advance matters.
  static void linear_default(int64_t in, int64_t out) {
    at::empty({out, in}).uniform_(-1.0 / std::sqrt(in), 1.0 / std::sqrt(in));
  }

  void draw_weights() {
    const int64_t h = kHidden, f = 4 * kHidden;
    normal(vocab_, h, 1.0);
    normal(kSequence, h, 1.0);
    for (int64_t i = 0; i < kLayers; ++i) {
      linear_default(h, 3 * h);
      linear_default(h, h);
      linear_default(h, f);
      linear_default(f, h);
    }
    linear_default(h, vocab_);
    normal(vocab_, h, 0.02);  // wte, drawn again below as lm_head: one tensor
    weights_["embed.position.weight"] = normal(kSequence, h, 0.02);
    for (int64_t i = 0; i < kLayers; ++i) draw_block("h." + std::to_string(i) + ".");
    weights_["embed.token.weight"] = normal(vocab_, h, 0.02);
    for (int64_t i = 0; i < kLayers; ++i) {
      const std::string block = "h." + std::to_string(i) + ".";
      const double std = 0.02 / std::sqrt(2.0 * kLayers);
      weights_[block + "attention.out.weight"] = normal(h, h, std);
      weights_[block + "mlp.down.weight"] = normal(h, f, std);
    }
    weights_["norm.weight"] = at::ones({h});
  }

  void draw_block(const std::string& block) {
    const int64_t h = kHidden, f = 4 * kHidden;
    const auto qkv = normal(3 * h, h, 0.02).chunk(3, 0);
    weights_[block + "attention.q.weight"] = qkv[0];
    weights_[block + "attention.k.weight"] = qkv[1];
    weights_[block + "attention.v.weight"] = qkv[2];
    normal(h, h, 0.02);
    weights_[block + "mlp.up.weight"] = normal(f, h, 0.02);
    normal(h, f, 0.02);
    weights_[block + "norm1.weight"] = at::ones({h});
    weights_[block + "norm2.weight"] = at::ones({h});
  }

  int64_t vocab_ = 0;
  at::Tensor train_, validation_;
  std::map<std::string, at::Tensor> weights_;  ///< canonical name -> global tensor
};

}  // namespace bessemer::test
