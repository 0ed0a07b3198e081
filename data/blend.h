#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace bessemer::data {

/// One source as [data] blend names it.
struct Share {
  std::string path;
  uint64_t share = 0;  ///< of the sum of all; 0: none was given, by its size
  bool operator==(const Share&) const = default;
};

/// "0.7 web, 0.3 code" (shares), "70% web, 30% code", "3B web, 500M code" (tokens), or "web, code" (by their sizes).
/// The numbers become whole ones of exactly the same proportions, without a common divisor.
/// Errors: Error (64), a sentence: no numbers, some with and some without, zero, a source twice.
std::vector<Share> parse_blend(const std::string& text);

std::string blend_text(const std::vector<Share>& blend);

/// Shares by size: tokens to the power 1 / temperature (1: as large as they are; above: flatter). Source: multilingual
/// BERT's and XLM's sampling, where alpha = 1 / temperature.
std::vector<uint64_t> shares_by_size(std::span<const int64_t> tokens, double temperature);

}  // namespace bessemer::data
