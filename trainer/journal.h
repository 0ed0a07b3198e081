#pragma once
#include <optional>
#include <string>

#include "trainer/event_file.h"
#include "trainer/metrics.h"
#include "trainer/peak_flops.h"
#include "trainer/progress.h"
#include "trainer/run.h"

namespace bessemer::trainer {

/// Rank 0's pens: progress line, metrics.jsonl, TensorBoard. On other ranks everything is a no-op.
///
/// A full or failing disk never ends a run here: metrics wait in memory, TensorBoard's events end, and both are said.
class Journal {
 public:
  Journal(const Trainer& trainer, const RunParts& parts);
  ~Journal();  ///< tries once more to write what waits

  void step(const StepResult& result);
  /// \param set  the name of the validation set; "" where there is one without.
  void evaluation(int64_t step, const std::string& set, const Evaluation& result);
  bool evaluated() const { return metrics_ && metrics_->evaluated(); }  ///< the step that the run goes on from
  void note(const std::string& text);
  void memory();  ///< after the first step, which has touched all memory a step needs
  void flush();   ///< hands what waits, and TensorBoard's events, to the system
  /// metrics.jsonl to disk, if it can be: lines that do not get there are no reason to lose a checkpoint. Any thread.
  void sync() const noexcept;

 private:
  void say(const std::string& problem);
  void events(const StepResult& result, double rate, double mfu);
  void without_events(const Error& error);

  const Trainer& trainer_;
  const RunParts& parts_;
  std::optional<Progress> progress_;
  std::optional<MetricsLog> metrics_;
  std::optional<EventFile> events_;
  PeakFlops peak_;
  double flops_per_token_ = 0;
  int64_t last_tokens_ = 0;
  double mean_seconds_ = 0;
};

}  // namespace bessemer::trainer
