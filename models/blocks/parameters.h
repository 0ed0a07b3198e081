#pragma once
#include <string>
#include <vector>

#include "models/model.h"
#include "parallel/group.h"

namespace bessemer::models {

/// A canonical tensor that a fused parameter holds a slice of.
struct Part {
  std::string name;  ///< canonical, for example "h.3.attention.q.weight"
  int64_t rows = 0;  ///< of the global tensor
};

/// How initial values are drawn: normal with this standard deviation, or a constant.
struct Filling {
  Init init = Init::kNormal;
  double std = 0.0;
};

/// Residual projections of pre-norm models are drawn smaller, so that the stream does not grow with depth (Radford et
/// al. 2019); a norm behind the sum needs no such care (Devlin et al. 2019 draw all alike).
double residual_std(const ModelOptions& options);

/// Parts fused one under the other, the rows of each split over tp. `columns` 0 makes a vector (a bias).
Parameter split_rows(std::string name, const std::vector<Part>& parts, int64_t columns, Filling filling,
                     const parallel::Group& tp);
/// A matrix [rows, columns] whose columns are split over tp.
Parameter split_columns(std::string name, int64_t rows, int64_t columns, Filling filling, const parallel::Group& tp);
/// A tensor that every rank of tp holds whole. `partial`: its gradient is a partial sum on each of them, because each
/// sees its part of the sequence.
Parameter whole(std::string name, std::vector<int64_t> shape, Filling filling, bool partial);

/// Rows of a vocabulary that one rank holds: `rows` on each (padded so that all are equal), `valid` of them real.
struct VocabularySlice {
  int64_t rows = 0;
  int64_t begin = 0;  ///< global id of the first
  int64_t valid = 0;  ///< 0 on a rank that holds only padding
};
VocabularySlice vocabulary_slice(int64_t vocab, const parallel::Group& tp);
/// A matrix [vocab, columns] cut so; `columns` 0 makes a vector.
Parameter split_vocabulary(std::string name, int64_t vocab, int64_t columns, Filling filling,
                           const parallel::Group& tp);

}  // namespace bessemer::models
