#pragma once
#include <cstdint>
#include <functional>
#include <string>

namespace bessemer::faults {

/// The calls by which a program changes or reads files. A program that links system_calls.cpp makes them through it.
enum class Call {
  kOpen,
  kCreate,  ///< open that made the file
  kPread,
  kPwrite,
  kWrite,
  kFsync,
  kReserve,  ///< posix_fallocate, ftruncate
  kRename,
  kExchange,
  kMkdir,
  kUnlink,
  kRmdir
};
const char* name_of(Call call);

struct Event {
  Call call;
  std::string path;
  std::string to = {};    ///< rename, exchange
  int64_t offset = 0;     ///< pwrite
  std::string data = {};  ///< pwrite, write
  int64_t size = 0;       ///< reserve; open: 1 where it empties the file
};

/// While one lives, calls on paths that begin with `root` are told to it.
class Watch {
 public:
  /// What becomes of a call: 0 it is made, > 0 it fails with that errno, kShort a write of half of it, kSlow it is made
  /// 100 ms later, others meanwhile (not for writes).
  static constexpr int kShort = -1, kSlow = -2;
  using Before = std::function<int(const Event&)>;
  using After = std::function<void(const Event&)>;  ///< after it has succeeded
  Watch(std::string root, Before before, After after);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
};

}  // namespace bessemer::faults
