#pragma once
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "trainer/weight_source.h"

namespace bessemer::trainer {

enum class Verify {
  kMetadata,  ///< manifest, rank files, sizes, coverage; data blocks are verified as they are read
  kAll        ///< and every byte of every file
};

/// One published checkpoint, read without MPI and without LibTorch.
///
/// Any layout loads from any layout: a request is cut along what was stored. Every byte that is used has first been
/// checked against its CRC32C; HDF5 is not needed. Errors: Error (65) naming file, tensor and block.
class CheckpointReader final : public WeightSource {
 public:
  /// \param path  a `step-...` directory.
  static CheckpointReader open(const std::string& path, Verify verify = Verify::kMetadata);
  CheckpointReader(CheckpointReader&&) noexcept;
  CheckpointReader& operator=(CheckpointReader&&) noexcept;
  ~CheckpointReader() override;

  const std::string& path() const override;
  int64_t step() const;
  const nlohmann::json& state() const;        ///< as handed to save_checkpoint
  const std::string& config() const;          ///< complete INI text
  const std::string& tokenizer() const;       ///< JSON text; "" if there was none
  double validation_loss() const;             ///< nan if none was known
  const std::string& run_id() const;          ///< of the run that saved it; "" in format version 1
  const nlohmann::json& environment() const;  ///< what it was saved by and on; null in format version 1
  bool read_back() const;                     ///< its writers have read it back from disk and found it as written
  uint32_t fingerprint() const;               ///< CRC32C of the manifest: two readers of one checkpoint agree on it
  int64_t bytes() const;                      ///< of all files

  std::vector<std::string> datasets() const;  ///< "params/...", "momentum/...", "variance/...", sorted
  bool has(const std::string& dataset) const;
  const std::vector<int64_t>& shape(const std::string& dataset) const;  ///< the global tensor's

  /// Elements [first, first + count) of the slice [begin, end) along `dim` of a global tensor, the slice row-major.
  /// \param out  fp32, host, `count` elements.
  void read(const std::string& dataset, int64_t dim, int64_t begin, int64_t end, int64_t first, int64_t count,
            float* out) const;
  void read(const std::string& dataset, float* out) const;  ///< all of it

  // The weights alone: datasets without their "params/".
  std::vector<std::string> weights() const override;
  bool has_weight(const std::string& name) const override;
  const std::vector<int64_t>& weight_shape(const std::string& name) const override;
  void read_weight(const std::string& name, int64_t dim, int64_t begin, int64_t end, int64_t first, int64_t count,
                   float* out) const override;

 private:
  struct State;
  explicit CheckpointReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// What reading every byte of a checkpoint has shown, one line each (file, tensor, block).
struct Verdict {
  std::vector<std::string> problems;  ///< missing, changed or foreign; empty: every byte is as it was written
  std::vector<std::string> warnings;  ///< files that belong to no part of it
};
/// Reads every byte, or of `shares` equal parts the one numbered `share`: ranks verify a large checkpoint together.
/// The manifest, the rank files and all sizes are in every share.
Verdict verify_checkpoint(const std::string& path, int share = 0, int shares = 1);

}  // namespace bessemer::trainer
