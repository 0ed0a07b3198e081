#include "trainer/pretrained_reader.h"

#include <algorithm>
#include <filesystem>

#include "models/presets.h"
#include "parallel/error.h"

namespace bessemer::trainer {
namespace {

using models::pretrained::Place;

constexpr uint64_t kLargestConfig = 16 << 20;
constexpr int64_t kPiece = 1 << 20;  // elements read at once

std::string text(const std::vector<int64_t>& shape) {
  std::string out = "[";
  for (const int64_t n : shape) out += concat(out.size() > 1 ? ", " : "", n);
  return out + "]";
}

bool any_matches(const std::vector<std::string>& patterns, const std::string& name) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& p) { return models::pretrained::matches(p, name); });
}

int64_t width_of(const std::vector<int64_t>& shape) {
  int64_t width = 1;
  for (std::size_t i = 1; i < shape.size(); ++i) width *= shape[i];
  return width;
}

/// Rows [row, row_end) and columns [column, column_end) of a canonical tensor as a matrix.
void read_rectangle(const data::Safetensors& file, const Place& place, const data::Safetensors::Rectangle& part,
                    std::vector<float>& out) {
  const int64_t rows = part.row_end - part.row, columns = part.column_end - part.column;
  out.resize(static_cast<std::size_t>(rows * columns));
  const int64_t row = place.first + part.row;
  if (!place.transposed) return file.read(place.tensor, {row, row + rows, part.column, part.column_end}, out.data());
  std::vector<float> turned(out.size());
  file.read(place.tensor, {part.column, part.column_end, row, row + rows}, turned.data());
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j)
      out[static_cast<std::size_t>(i * columns + j)] = turned[static_cast<std::size_t>(j * rows + i)];
  }
}

}  // namespace

bool PretrainedReader::is_one(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path + "/config.json", error);
}

PretrainedReader PretrainedReader::open(const std::string& path) {
  BESSEMER_CHECK_DATA(is_one(path), path, ": has no config.json; a directory as Hugging Face's save_pretrained writes ",
                      "it is expected");
  PretrainedReader reader;
  reader.path_ = path;
  reader.config_ = data::read_file(path + "/config.json", kLargestConfig);
  try {
    const auto config = nlohmann::json::parse(reader.config_);
    BESSEMER_CHECK_DATA(config.is_object(), "config.json is no JSON object");
    reader.family_ = &models::pretrained::family_of(config, path + "/config.json");
    reader.options_ = models::resolve(reader.family_->options(config));
  } catch (const nlohmann::json::exception& error) {
    fail(ExitCode::kBadData, path, "/config.json: ", error.what());
  } catch (const Error& error) {
    fail(error.code(), path, ": ", error.what());
  }
  const auto problems = models::problems(reader.options_, 1, false);
  BESSEMER_CHECK_DATA(problems.empty(), path, "/config.json gives a shape that cannot be: ", problems.front());
  reader.tensors_ = data::Safetensors::open(path);
  const auto& prefix = reader.family_->prefix;
  const auto& all = reader.tensors_.tensors();
  if (std::any_of(all.begin(), all.end(), [&](const auto& t) { return t.name.starts_with(prefix); }))
    reader.prefix_ = prefix;
  for (auto& place : reader.family_->places(reader.options_, reader.prefix_)) reader.places_[place.name] = place;
  return reader;
}

std::vector<PretrainedReader::Line> PretrainedReader::settle(const std::vector<std::string>& allowed) const {
  using Fate = Line::Fate;
  std::vector<Line> lines;
  std::string problems;
  const auto places = family_->places(options_, prefix_);
  for (const auto& wanted : models::pretrained::tensors_of(places)) {
    Line line{Fate::kMissing, wanted.name, wanted.shape, "", {}, "initial values, of the seed"};
    for (const Place& place : places) {
      if (place.tensor == wanted.name) line.names.push_back(place.name);
    }
    if (const auto* found = tensors_.find(wanted.name)) {
      line.fate = Fate::kUsed, line.dtype = found->dtype, line.why.clear();
      if (found->shape != wanted.shape)
        problems += concat("\n  ", wanted.name, " has shape ", text(found->shape), ", config.json asks for ",
                           text(wanted.shape));
    } else if (!any_matches(allowed, wanted.name)) {
      problems += concat("\n  ", wanted.name, " is missing");
    }
    lines.push_back(std::move(line));
  }
  const std::size_t known = lines.size();
  for (const auto& tensor : tensors_.tensors()) {
    const auto is_it = [&](const Line& line) { return line.tensor == tensor.name; };
    if (std::any_of(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(known), is_it)) continue;
    Line line{Fate::kIgnored, tensor.name, tensor.shape, tensor.dtype, {}, "not known, allowed by --allow-missing"};
    const auto known_one = std::find_if(family_->ignored.begin(), family_->ignored.end(), [&](const auto& i) {
      return models::pretrained::matches(i.pattern, tensor.name);
    });
    if (known_one != family_->ignored.end())
      line.why = known_one->why;
    else if (!any_matches(allowed, tensor.name))
      problems += concat("\n  ", tensor.name, " is not known");
    lines.push_back(std::move(line));
  }
  BESSEMER_CHECK_DATA(problems.empty(), path_, " does not hold a ", family_->architecture,
                      " as its config.json says:", problems,
                      "\n--allow-missing PATTERN lets names be missing or unknown");
  return lines;
}

std::vector<std::string> PretrainedReader::weights() const {
  std::vector<std::string> names;
  for (const auto& [name, place] : places_) {
    if (tensors_.find(place.tensor) != nullptr) names.push_back(name);
  }
  return names;
}

bool PretrainedReader::has_weight(const std::string& name) const {
  const auto found = places_.find(name);
  return found != places_.end() && tensors_.find(found->second.tensor) != nullptr;
}

const std::vector<int64_t>& PretrainedReader::weight_shape(const std::string& name) const {
  const auto found = places_.find(name);
  BESSEMER_CHECK_DATA(found != places_.end(), path_, ": a ", family_->architecture, " has no ", name);
  return found->second.shape;
}

void PretrainedReader::read_weight(const std::string& name, int64_t dim, int64_t begin, int64_t end, int64_t first,
                                   int64_t count, float* out) const {
  const auto& shape = weight_shape(name);
  const Place& place = places_.at(name);
  // The slice as a matrix: a split along dim 1 is one of columns, and only matrices are split so.
  const int64_t row = dim == 0 ? begin : 0, column = dim == 0 ? 0 : begin;
  const int64_t columns = dim == 0 ? width_of(shape) : end - begin;
  if (count == 0) return;
  std::vector<float> piece;
  const int64_t step = std::max<int64_t>(1, kPiece / columns), last = (first + count - 1) / columns + 1;
  for (int64_t i = first / columns; i < last; i += step) {
    const int64_t stop = std::min(i + step, last);
    read_rectangle(tensors_, place, {row + i, row + stop, column, column + columns}, piece);
    const int64_t from = std::max(first, i * columns), to = std::min(first + count, stop * columns);
    std::copy(piece.begin() + (from - i * columns), piece.begin() + (to - i * columns), out + (from - first));
  }
}

}  // namespace bessemer::trainer
