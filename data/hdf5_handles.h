#pragma once
#include <hdf5.h>

#include <array>
#include <mutex>
#include <string>
#include <utility>

#include "data/dtype.h"
#include "parallel/error.h"

// What data/hdf5.cpp and data/hdf5_layout.cpp share: HDF5's lock, identifiers and words. Nobody else includes it.
namespace bessemer::data::hdf5 {

/// Held around every call into the library. HDF5 is one set of tables per process, and not every build of it is
/// thread-safe, so the lock is the process's too: the one mutable static that the library forces on us.
class Lock {
 public:
  Lock() : guard_(mutex()) { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); }  // printing is a setting of each thread

 private:
  static std::recursive_mutex& mutex() {  // recursive: handles close inside of functions that hold it
    static std::recursive_mutex the_mutex;
    return the_mutex;
  }
  std::lock_guard<std::recursive_mutex> guard_;
};

/// One owner per HDF5 identifier, closed once and under the lock.
template <herr_t (*Close)(hid_t)>
class Handle {
 public:
  explicit Handle(hid_t id = H5I_INVALID_HID) : id_(id) {}
  ~Handle() { reset(); }
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) reset(), id_ = std::exchange(other.id_, H5I_INVALID_HID);
    return *this;
  }
  hid_t get() const { return id_; }
  hid_t release() { return std::exchange(id_, H5I_INVALID_HID); }

 private:
  void reset() {
    if (id_ < 0) return;
    const Lock lock;
    Close(release());  // nothing to be done about a failure here; writers close by themselves and check
  }
  hid_t id_;
};
using File = Handle<H5Fclose>;
using Group = Handle<H5Gclose>;
using Dataset = Handle<H5Dclose>;
using Space = Handle<H5Sclose>;
using Type = Handle<H5Tclose>;
using AttributeHandle = Handle<H5Aclose>;
using Properties = Handle<H5Pclose>;

/// HDF5's own words on the last failure of this thread: outermost to innermost, without repetition.
inline std::string words() {
  std::string text;
  const auto add = [](unsigned, const H5E_error2_t* error, void* out) -> herr_t {
    auto& all = *static_cast<std::string*>(out);
    const std::string now = error->desc ? error->desc : "";
    if (!now.empty() && all.find(now) == std::string::npos) all += (all.empty() ? "" : "; ") + now;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, add, &text);
  return text.empty() ? "no further words" : text;
}

template <class Result>
Result check(Result result, const char* call, const std::string& path, ExitCode code) {
  if (result < 0) fail(code, path, ": HDF5 failed in ", call, ": ", words());
  return result;
}
#define READING(call) check((call), #call, path, ExitCode::kBadData)
#define WRITING(call) check((call), #call, path, ExitCode::kEnvironment)

inline constexpr std::array kDtypes{Dtype::kU8,  Dtype::kU16, Dtype::kU32, Dtype::kU64,
                                    Dtype::kI32, Dtype::kI64, Dtype::kF32};

inline hid_t type_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::kU8: return H5T_STD_U8LE;
    case Dtype::kU16: return H5T_STD_U16LE;
    case Dtype::kU32: return H5T_STD_U32LE;
    case Dtype::kU64: return H5T_STD_U64LE;
    case Dtype::kI32: return H5T_STD_I32LE;
    case Dtype::kI64: return H5T_STD_I64LE;
    case Dtype::kF32: return H5T_IEEE_F32LE;
    case Dtype::kOther: break;
  }
  return H5I_INVALID_HID;
}

}  // namespace bessemer::data::hdf5
