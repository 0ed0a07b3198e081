#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "models/options.h"
#include "parallel/error.h"

namespace bessemer::models::pretrained {

/// The fields of a config.json. A field that is absent or null is its default, where it has one.
/// Errors: Error (65) naming the field, what it is and what it should be.
class Fields {
 public:
  explicit Fields(const nlohmann::json& config) : config_(config) {}

  bool has(const char* name) const { return config_.contains(name) && !config_.at(name).is_null(); }
  template <class T>
  T get(const char* name) const {
    BESSEMER_CHECK_DATA(has(name), "config.json: ", name, " is missing");
    try {
      return config_.at(name).get<T>();
    } catch (const nlohmann::json::exception&) {
      fail(ExitCode::kBadData, "config.json: ", name, " is ", config_.at(name).dump(), ", which is of the wrong kind");
    }
  }
  template <class T>
  T get(const char* name, const T& absent) const {
    return has(name) ? get<T>(name) : absent;
  }
  int64_t count(const char* name) const { return checked(name, get<int64_t>(name)); }
  int64_t count(const char* name, int64_t absent) const { return has(name) ? count(name) : absent; }
  /// Refuses a field that has another value than the only one that is known here.
  template <class T>
  void only(const char* name, const T& value, const char* meaning) const {
    BESSEMER_CHECK_DATA(get(name, value) == value, "config.json: ", name, " is ", config_.at(name).dump(), ": ",
                        meaning, " is not known here");
  }
  /// The value that a word stands for.
  template <class T>
  T choice(const char* name, const std::string& absent, const std::vector<std::pair<const char*, T>>& words) const {
    const std::string given = get<std::string>(name, absent);
    std::string known;
    for (const auto& [word, value] : words) {
      if (given == word) return value;
      known += (known.empty() ? "" : ", ") + std::string(word);
    }
    fail(ExitCode::kBadData, "config.json: ", name, " is '", given, "'; known are ", known);
  }

 private:
  static int64_t checked(const char* name, int64_t value) {
    BESSEMER_CHECK_DATA(value >= 1, "config.json: ", name, " is ", value, "; at least 1 is expected");
    return value;
  }
  const nlohmann::json& config_;
};

/// A sentence where a shape has not what a class of Hugging Face's has.
inline std::string unless(bool good, const char* option, const char* value) {
  return good ? "" : concat("model.", option, " is not ", value);
}

}  // namespace bessemer::models::pretrained
