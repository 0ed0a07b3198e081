#include "models/blocks/parameters.h"

#include <algorithm>
#include <cmath>

namespace bessemer::models {

double residual_std(const ModelOptions& o) {
  return o.norm_place == NormPlace::kPost ? o.init_std : o.init_std / std::sqrt(2.0 * static_cast<double>(o.layers));
}

Parameter split_rows(std::string name, const std::vector<Part>& parts, int64_t columns, Filling filling,
                     const parallel::Group& tp) {
  Parameter p;
  p.name = std::move(name);
  p.decay = columns > 0;
  int64_t row = 0;
  for (const Part& part : parts) {
    const int64_t rows = part.rows / tp.size();
    Piece piece;
    piece.name = part.name;
    piece.shape = columns > 0 ? std::vector<int64_t>{part.rows, columns} : std::vector<int64_t>{part.rows};
    piece.begin = rows * tp.rank(), piece.end = piece.begin + rows;
    piece.row = row, piece.rows = rows;
    piece.init = filling.init, piece.init_std = static_cast<float>(filling.std);
    p.pieces.push_back(std::move(piece));
    row += rows;
  }
  p.local_shape = columns > 0 ? std::vector<int64_t>{row, columns} : std::vector<int64_t>{row};
  return p;
}

Parameter split_columns(std::string name, int64_t rows, int64_t columns, Filling filling, const parallel::Group& tp) {
  Parameter p;
  const int64_t width = columns / tp.size();
  Piece piece;
  piece.name = name;
  piece.shape = {rows, columns};
  piece.dim = 1, piece.begin = width * tp.rank(), piece.end = piece.begin + width;
  piece.rows = rows;
  piece.init = filling.init, piece.init_std = static_cast<float>(filling.std);
  p.name = std::move(name);
  p.pieces = {std::move(piece)};
  p.local_shape = {rows, width};
  return p;
}

Parameter whole(std::string name, std::vector<int64_t> shape, Filling filling, bool partial) {
  Parameter p;
  Piece piece;
  piece.name = name;
  piece.shape = shape;
  piece.end = piece.rows = shape[0];
  piece.init = filling.init, piece.init_std = static_cast<float>(filling.std);
  p.name = std::move(name);
  p.pieces = {std::move(piece)};
  p.decay = shape.size() > 1;
  p.local_shape = std::move(shape);
  p.replicated = true;
  p.sum_over_tp = partial;
  return p;
}

VocabularySlice vocabulary_slice(int64_t vocab, const parallel::Group& tp) {
  VocabularySlice slice;
  slice.rows = (vocab + tp.size() - 1) / tp.size();
  // Tensor cores want aligned rows of logits (nanoGPT pads 50,257 to 50,304 for it); a small vocabulary would only
  // grow.
  if (slice.rows >= 1024) slice.rows = (slice.rows + 63) / 64 * 64;
  slice.begin = slice.rows * tp.rank();
  slice.valid = std::clamp<int64_t>(vocab - slice.begin, 0, slice.rows);
  return slice;
}

Parameter split_vocabulary(std::string name, int64_t vocab, int64_t columns, Filling filling,
                           const parallel::Group& tp) {
  const VocabularySlice slice = vocabulary_slice(vocab, tp);
  Parameter p;
  Piece piece;
  piece.name = name;
  piece.shape = columns > 0 ? std::vector<int64_t>{vocab, columns} : std::vector<int64_t>{vocab};
  piece.begin = std::min(slice.begin, vocab), piece.end = piece.begin + slice.valid;
  piece.rows = slice.valid;
  piece.init = filling.init, piece.init_std = static_cast<float>(filling.std);
  p.name = std::move(name);
  p.pieces = {std::move(piece)};
  p.decay = columns > 0;
  p.local_shape = columns > 0 ? std::vector<int64_t>{slice.rows, columns} : std::vector<int64_t>{slice.rows};
  return p;
}

}  // namespace bessemer::models
