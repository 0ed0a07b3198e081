#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>

#include "configs/text.h"
#include "launch/arguments.h"
#include "launch/commands.h"
#include "parallel/error.h"
#include "trainer/run_directory.h"
#include "trainer/stored_tensors.h"

namespace bessemer::launch {
namespace {

using nlohmann::json;
using trainer::CheckpointReader;

const std::vector<Flag>& flags() {
  static const std::vector<Flag> all{
      {"rtol", "X", "tensors are equal within X times the largest entry of the first; 0: bit for bit", "0"},
      {"json", "", "print one JSON object"}};
  return all;
}

std::string help() {
  return "example:\n  bessemer ckpt diff runs/a runs/b\n\n"
         "Compares two checkpoints, saved on any layouts: options, state, and every tensor. A and B are checkpoints, or "
         "runs'\ndirectories (their newest whole ones). Exit code 0 where all tensors are equal, else 65; options and state are only shown.\n\n"
         "usage: bessemer ckpt diff A B [--rtol X] [--json]\n" +
         flags_help(flags());
}

/// How far one tensor is from another.
struct Distance {
  int64_t elements = 0;
  int64_t different = 0;  ///< not the same bits
  double most = 0;        ///< largest difference; infinite where one is a number and the other is not
  double largest = 0;     ///< magnitude of the first
  bool within(double rtol) const { return different == 0 || (rtol > 0 && most <= rtol * largest); }
};

Distance distance(const CheckpointReader& a, const CheckpointReader& b, const std::string& name) {
  Distance d;
  const auto& shape = a.shape(name);
  d.elements = trainer::elements_of(shape);
  const int64_t end = shape.empty() ? 1 : shape[0];
  std::vector<float> x(1 << 20), y(1 << 20);
  for (int64_t first = 0; first < d.elements; first += static_cast<int64_t>(x.size())) {
    const int64_t count = std::min(d.elements - first, static_cast<int64_t>(x.size()));
    a.read(name, 0, 0, end, first, count, x.data());
    b.read(name, 0, 0, end, first, count, y.data());
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      d.largest = std::max(d.largest, std::isfinite(x[i]) ? std::abs(static_cast<double>(x[i])) : 0.0);
      if (std::memcmp(&x[i], &y[i], sizeof x[i]) == 0) continue;
      ++d.different;
      const double apart = std::abs(static_cast<double>(x[i]) - static_cast<double>(y[i]));
      d.most = std::max(d.most, std::isfinite(apart) ? apart : INFINITY);
    }
  }
  return d;
}

/// Lines "section.key = value" of an INI text, in one set.
void compare_options(const CheckpointReader& a, const CheckpointReader& b, std::vector<std::string>& lines) {
  const auto x = configs::assignments(a.config()), y = configs::assignments(b.config());
  const auto missing = [&](const auto& one, const auto& other, const char* whose) {
    for (const auto& [option, line] : one) {
      const auto found = other.find(option);
      if (found == other.end() || found->second != line) lines.push_back(concat("option   ", whose, " ", line));
    }
  };
  missing(x, y, "A");
  missing(y, x, "B");
}

std::string name_of(const std::string& pointer) { return pointer.empty() ? "state" : pointer.substr(1); }

void compare_state(const CheckpointReader& a, const CheckpointReader& b, std::vector<std::string>& lines) {
  const json x = a.state().flatten(), y = b.state().flatten();
  for (const auto& [key, value] : x.items()) {
    const json other = y.contains(key) ? y[key] : json();
    if (other != value)
      lines.push_back(fmt::format("state    {}: A {}, B {}", name_of(key), value.dump(), other.dump()));
  }
  for (const auto& [key, value] : y.items()) {
    if (!x.contains(key)) lines.push_back(fmt::format("state    {}: only in B, {}", name_of(key), value.dump()));
  }
}

bool compare_tensors(const CheckpointReader& a, const CheckpointReader& b, double rtol,
                     std::vector<std::string>& lines) {
  bool equal = true;
  const auto differs = [&](const std::string& line) { equal = false, lines.push_back(line); };
  for (const auto& name : a.datasets()) {
    if (!b.has(name)) {
      differs("tensor   " + name + ": only in A");
    } else if (a.shape(name) != b.shape(name)) {
      differs("tensor   " + name + ": of other shapes");
    } else if (const Distance d = distance(a, b, name); !d.within(rtol)) {
      differs(fmt::format("tensor   {}: {} of {} elements differ, by at most {:.3g} (largest entry {:.3g})", name,
                          d.different, d.elements, d.most, d.largest));
    }
  }
  for (const auto& name : b.datasets()) {
    if (!a.has(name)) differs("tensor   " + name + ": only in B");
  }
  return equal;
}

int diff(const Words& words) {
  const Arguments arguments(words, flags(), {"A", "B"});
  BESSEMER_CHECK(arguments.positional().size() == 2, "bessemer ckpt diff takes two checkpoints, got ",
                 arguments.positional().size(), "; see bessemer ckpt diff --help");
  const double rtol = arguments.real("rtol");
  BESSEMER_CHECK(rtol >= 0, "--rtol ", rtol, " is negative");
  const auto open = [&](std::size_t i) {
    return CheckpointReader::open(trainer::find_checkpoint(arguments.positional()[i], trainer::Verify::kMetadata).path);
  };
  const auto a = open(0), b = open(1);
  std::vector<std::string> options, state, tensors;
  compare_options(a, b, options);
  compare_state(a, b, state);
  const bool equal = compare_tensors(a, b, rtol, tensors);
  if (arguments.flag("json")) {
    fmt::print("{}\n", json{{"a", a.path()},
                            {"b", b.path()},
                            {"equal", equal},
                            {"options", options},
                            {"state", state},
                            {"tensors", tensors}}
                           .dump());
  } else {
    for (const auto* part : {&options, &state, &tensors}) {
      for (const auto& line : *part) fmt::print("{}\n", line);
    }
    fmt::print("A is {}\nB is {}\n{}\n", a.path(), b.path(),
               equal ? "all tensors are equal" : fmt::format("{} tensors differ", tensors.size()));
  }
  return static_cast<int>(equal ? ExitCode::kDone : ExitCode::kBadData);
}

}  // namespace

Command ckpt_diff_command() { return {"ckpt diff", "how two checkpoints differ: options, state, tensors", help, diff}; }

}  // namespace bessemer::launch
