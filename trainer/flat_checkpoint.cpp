#include "trainer/flat_checkpoint.h"

#include <algorithm>
#include <array>
#include <functional>
#include <set>

#include "parallel/error.h"

namespace bessemer::trainer {
namespace {

constexpr std::array<std::pair<StateKind, const char*>, 3> kKinds{
    {{StateKind::kWeight, "params/"}, {StateKind::kMomentum, "momentum/"}, {StateKind::kVariance, "variance/"}}};

/// Flat elements `range` of the state, and where they lie in a piece of a parameter.
struct Part {
  const models::Piece* piece;
  Range range;    ///< in the flat buffers
  int64_t first;  ///< of range.begin in the piece, row-major
};

/// Calls `visit` for each piece of each slot that meets `window` (flat elements).
void for_each_part(const Slot& slot, const Range& window, const std::function<void(const Part&)>& visit) {
  const auto& parameter = *slot.parameter;
  const int64_t row = slot.count / std::max<int64_t>(1, parameter.local_shape.front());  // elements of one row
  for (const auto& piece : parameter.pieces) {
    const int64_t begin = slot.offset + piece.row * row;
    const Range range = Range{begin, begin + piece.rows * row} & window;
    if (!range.empty()) visit({&piece, range, range.begin - begin});
  }
}

/// \param what  of the source, as its messages call it: "params/..." of a checkpoint, a canonical name elsewhere
void check_shape(const std::string& path, const std::string& what, const std::vector<int64_t>* found,
                 const std::vector<int64_t>& wanted) {
  BESSEMER_CHECK_DATA(found != nullptr, path, " has no tensor ", what,
                      "; it is of another model (bessemer ckpt info shows what it holds)");
  const auto text = [](const std::vector<int64_t>& s) { return concat(at::IntArrayRef(s)); };
  BESSEMER_CHECK_DATA(*found == wanted, path, ": ", what, " has shape ", text(*found), ", this run's model wants ",
                      text(wanted));
}

/// Elements of a piece of the weights, on the host.
at::Tensor read_part(const WeightSource& source, const Part& part) {
  const auto& piece = *part.piece;
  check_shape(source.path(), piece.name, source.has_weight(piece.name) ? &source.weight_shape(piece.name) : nullptr,
              piece.shape);
  auto host = at::empty({part.range.size()}, at::kFloat);
  source.read_weight(piece.name, piece.dim, piece.begin, piece.end, part.first, part.range.size(),
                     host.data_ptr<float>());
  return host;
}

}  // namespace

Snapshot::Snapshot(const FlatState& state, const parallel::Grid& grid, bool own_copy) : state_(state) {
  const auto& layout = state.layout();
  std::vector<int64_t> begins;  // of our part of each bucket in a copy
  int64_t elements = 0;
  for (std::size_t b = 0; b < layout.buckets().size(); ++b)
    begins.push_back(elements), elements += state.owned(b).size();
  for (std::size_t k = 0; own_copy && k < kKinds.size(); ++k) {
    const auto options = at::TensorOptions().dtype(at::kFloat).pinned_memory(!grid.device.is_cpu());
    copies_.push_back(at::empty({elements}, options).fill_(0));  // touched now, not in the first save
  }
  for (const auto& slot : layout.slots()) {
    if (slot.parameter->replicated && grid.tp.rank() != 0) continue;
    const Range owned = state.owned(slot.bucket);
    for_each_part(slot, owned, [&](const Part& part) {
      for (std::size_t k = 0; k < kKinds.size(); ++k) {
        const auto& [kind, prefix] = kKinds[k];
        const auto& piece = *part.piece;
        const auto memory =
            own_copy ? copies_[k].narrow(0, begins[slot.bucket] + part.range.begin - owned.begin, part.range.size())
                     : state.state(kind, slot.bucket, part.range);
        chunks_.push_back({prefix + piece.name, piece.shape, piece.dim, piece.begin, piece.end, part.first,
                           part.range.size(), memory.data_ptr<float>()});
      }
    });
  }
}

void Snapshot::take() {
  const at::NoGradGuard no_grad;
  for (std::size_t k = 0; k < copies_.size(); ++k) {
    int64_t at = 0;
    for (std::size_t b = 0; b < state_.layout().buckets().size(); ++b) {
      const Range owned = state_.owned(b);
      copies_[k].narrow(0, at, owned.size()).copy_(state_.state(kKinds[k].first, b, owned), false);
      at += owned.size();
    }
  }
}

void restore_state(FlatState& state, const CheckpointReader& reader) {
  for (const auto& slot : state.layout().slots()) {
    for_each_part(slot, state.updated(slot.bucket), [&](const Part& part) {
      for (const auto& [kind, prefix] : kKinds) {
        const auto& piece = *part.piece;
        const std::string dataset = prefix + piece.name;
        check_shape(reader.path(), dataset, reader.has(dataset) ? &reader.shape(dataset) : nullptr, piece.shape);
        auto data = state.state(kind, slot.bucket, part.range);
        auto host = at::empty({part.range.size()}, at::kFloat);
        reader.read(dataset, piece.dim, piece.begin, piece.end, part.first, part.range.size(), host.data_ptr<float>());
        data.copy_(host);
      }
    });
  }
}

WeightMatch load_initial_weights(FlatState& state, const WeightSource& source) {
  WeightMatch match;
  std::set<std::string> ours;
  for (const auto& slot : state.layout().slots()) {
    for (const auto& piece : slot.parameter->pieces) {
      if (!ours.insert(piece.name).second) continue;
      (source.has_weight(piece.name) ? match.loaded : match.fresh).push_back(piece.name);
    }
    for_each_part(slot, state.updated(slot.bucket), [&](const Part& part) {
      if (!source.has_weight(part.piece->name)) return;
      state.state(StateKind::kWeight, slot.bucket, part.range).copy_(read_part(source, part));
    });
  }
  for (const auto& name : source.weights()) {
    if (!ours.contains(name)) match.left.push_back(name);
  }
  return match;
}

void restore_weights(models::Model& model, const WeightSource& source) {
  const at::NoGradGuard no_grad;
  for (auto* parameter : model.parameters()) {
    auto host = at::zeros(parameter->local_shape, at::kFloat);
    auto flat = host.flatten();
    const Slot slot{parameter, 0, host.numel()};
    for_each_part(slot, {0, host.numel()}, [&](const Part& part) {
      flat.narrow(0, part.range.begin, part.range.size()).copy_(read_part(source, part));
    });
    parameter->value.copy_(host);
  }
}

int64_t checkpoint_bytes(int64_t parameters) { return 3 * static_cast<int64_t>(sizeof(float)) * parameters; }

}  // namespace bessemer::trainer
