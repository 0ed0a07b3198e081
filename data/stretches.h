#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "parallel/error.h"

namespace bessemer::data {

/// Rows that are made of a split stretch by stretch: only how many there are before each stretch is kept, and a
/// stretch is made into rows again when one of them is read. The last read ones are held.
template <class Row>
class Stretches {
 public:
  using Make = std::function<std::vector<Row>(int64_t stretch)>;
  /// \param held  how many stretches are kept in memory.
  Stretches(int64_t count, std::size_t held, Make make) : held_(held), make_(std::move(make)) {
    for (int64_t i = 0; i < count; ++i) before_.push_back(before_.back() + static_cast<int64_t>(make_(i).size()));
  }
  int64_t rows() const { return before_.back(); }
  /// Row `row` of [0, rows()), for as long as it is held. Any thread.
  std::shared_ptr<const Row> row(int64_t row) const {
    BESSEMER_CHECK_DATA(row >= 0 && row < rows(), "row ", row, " of ", rows(), " is wanted");
    const auto number = std::upper_bound(before_.begin(), before_.end(), row) - before_.begin() - 1;
    const auto all = stretch(number);
    return {all, &all->at(static_cast<std::size_t>(row - before_[static_cast<std::size_t>(number)]))};
  }

 private:
  using Rows = std::vector<Row>;
  std::shared_ptr<const Rows> stretch(int64_t number) const {
    {
      const std::lock_guard lock(mutex_);
      for (auto kept = recent_.begin(); kept != recent_.end(); ++kept) {
        if (kept->first != number) continue;
        recent_.splice(recent_.begin(), recent_, kept);
        return kept->second;
      }
    }
    auto rows = std::make_shared<const Rows>(make_(number));
    const std::lock_guard lock(mutex_);
    recent_.emplace_front(number, rows);
    if (recent_.size() > held_) recent_.pop_back();
    return rows;
  }

  std::size_t held_;
  Make make_;
  std::vector<int64_t> before_{0};
  mutable std::mutex mutex_;
  mutable std::list<std::pair<int64_t, std::shared_ptr<const Rows>>> recent_;  ///< the last read one first
};

}  // namespace bessemer::data
