#include "trainer/metrics.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "parallel/error.h"

namespace bessemer::trainer {
namespace {

template <class Float>
void append_float(std::string& out, const std::string& name, Float value) {
  if (std::isfinite(value)) {
    const std::string digits = fmt::format("{}", value);
    const bool whole = digits.find_first_of(".e") == std::string::npos;  // "-0" would come back as the integer 0
    out += fmt::format("\"{}\":{}{}", name, digits, whole ? ".0" : "");
  } else {
    const char* what = std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
    out += fmt::format("\"{}\":null,\"{}_nonfinite\":\"{}\"", name, name, what);
  }
}

// The "step" of a line, or -1 where the line is torn or none of ours.
int64_t step_of(std::string_view line) {
  const auto object = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return -1;
  const auto step = object.find("step");
  return step != object.end() && step->is_number_integer() ? step->get<int64_t>() : -1;
}

std::string cut_back(const std::string& text, int64_t last_step) {
  std::string kept;
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = text.find('\n', begin);
    if (end == std::string::npos) break;  // torn: its writer was killed
    const std::string_view line(text.data() + begin, end + 1 - begin);
    const int64_t step = step_of(line);
    if (step >= 0 && step <= last_step) kept += line;
    begin = end + 1;
  }
  return kept;
}

/// Of that step, which is the last. \param text  lines of ours
bool holds_evaluation(const std::string& text, int64_t step) {
  for (std::size_t end = text.size(); end > 0;) {
    const auto before = end > 1 ? text.rfind('\n', end - 2) : std::string::npos;
    const std::size_t begin = before == std::string::npos ? 0 : before + 1;
    const std::string_view line(text.data() + begin, end - begin);
    if (step_of(line) != step) return false;
    if (line.find("\"eval_loss\"") != std::string_view::npos) return true;
    end = begin;
  }
  return false;
}

}  // namespace

std::string to_json(std::span<const Metric> metrics) {
  std::string out = "{";
  for (const Metric& metric : metrics) {
    if (out.size() > 1) out += ',';
    if (const auto* integer = std::get_if<int64_t>(&metric.value)) {
      out += fmt::format("\"{}\":{}", metric.name, *integer);
    } else if (const auto* single = std::get_if<float>(&metric.value)) {
      append_float(out, metric.name, *single);
    } else if (const auto* text = std::get_if<std::string>(&metric.value)) {
      out += fmt::format("\"{}\":{}", metric.name,
                         nlohmann::json(*text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    } else {
      append_float(out, metric.name, std::get<double>(metric.value));
    }
  }
  return out + "}";
}

MetricsLog::MetricsLog(const std::string& path, int64_t last_step) : path_(path) {
  if (exists(path)) {
    const std::string text = read_text(path, int64_t{1} << 40);
    const std::string kept = cut_back(text, last_step);
    if (kept != text) write_text_atomically(path, kept);
    evaluated_ = holds_evaluation(kept, last_step);
  }
  file_ = open_file(path, O_WRONLY | O_CREAT | O_APPEND);
}

std::string MetricsLog::write(std::span<const Metric> metrics) {
  waiting_ += to_json(metrics) + "\n";
  return flush();
}

std::string MetricsLog::flush() {
  const int64_t size = file_size(path_);
  try {
    append_all(file_, path_, waiting_);
    waiting_.clear();
    waits_ = false;
    return "";
  } catch (const Error& error) {
    if (size >= 0 && ftruncate(file_.get(), size) != 0)
      waiting_.clear();  // half a line may be there: better once than twice
    return std::exchange(waits_, true) ? "" : error.what();
  }
}

void MetricsLog::sync() const { sync_file(file_, path_); }

}  // namespace bessemer::trainer
