#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace bessemer::launch {

/// Ends a text that comes in pieces before the first of some strings, whatever the pieces. What may be the beginning of
/// one is held back until it is known.
class StopStrings {
 public:
  /// Errors: Error (64) for an empty string.
  explicit StopStrings(std::vector<std::string> strings);
  std::string next(std::string_view piece);  ///< what the text has grown by for certain; "" once it has ended
  std::string finish();                      ///< what was held back, where no string has come; then as new
  bool stopped() const { return stopped_; }  ///< the text has ended

 private:
  bool may_begin(std::string_view end) const;  ///< a string begins so, and goes on
  std::vector<std::string> strings_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace bessemer::launch
