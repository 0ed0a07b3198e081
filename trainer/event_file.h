#pragma once
#include <cstdint>
#include <string>

#include "trainer/files.h"

namespace bessemer::trainer {

/// TensorBoard event file, without protobuf. Scalars; wall time is the moment of the call.
///
/// A resumed run opens another file in the same directory; its first event tells readers to forget older events from
/// `first_step` on. Source: tensorflow, core/lib/io/record_writer.cc, core/util/event.proto.
class EventFile {
 public:
  EventFile(const std::string& directory, int64_t first_step);
  void scalar(const std::string& tag, int64_t step, double value);
  void flush();  ///< hands what is buffered to the system; also when destroyed
  ~EventFile();
  const std::string& path() const { return path_; }

 private:
  void record(const std::string& event);
  std::string path_;
  Descriptor file_;
  std::string buffer_;
};

}  // namespace bessemer::trainer
