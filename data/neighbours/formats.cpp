// Which formats there are, how each is recognized, and which files the words of --input mean.
#include <algorithm>
#include <cstring>
#include <filesystem>

#include "data/neighbours/cerebras.h"
#include "data/neighbours/llmc.h"
#include "data/neighbours/mds.h"
#include "data/neighbours/megatron.h"
#include "data/neighbours/nanogpt.h"
#include "data/neighbours/neighbour.h"
#include "data/neighbours/npy.h"
#include "data/neighbours/nvidia_bert.h"
#include "data/text_source.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

namespace fs = std::filesystem;

bool never(const std::string&) { return false; }

/// index.json stands for the directory it describes, and what has a .bin beside it is part of that source.
void add_file(const fs::path& path, bool named, std::vector<std::string>& sources) {
  if (path.filename() == "index.json") return sources.push_back(path.parent_path().string());
  if (!named && path.extension() == ".idx" && fs::exists(fs::path(path).replace_extension(".bin"))) return;
  sources.push_back(path);
}

void add_directory(const std::string& directory, std::vector<std::string>& sources) {
  if (fs::exists(fs::path(directory) / "index.json")) return sources.push_back(directory);
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.is_regular_file() && !entry.path().filename().string().starts_with('.')) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  BESSEMER_CHECK_DATA(!files.empty(), directory, ": an empty directory; token files are expected in it");
  for (const auto& file : files) add_file(file, false, sources);
}

void add(const std::string& input, std::vector<std::string>& sources) {
  if (fs::is_directory(input)) return add_directory(input, sources);
  if (fs::is_regular_file(input) || is_megatron(input)) return add_file(input, true, sources);
  BESSEMER_CHECK_DATA(!fs::exists(input), input, ": neither a file nor a directory");
  BESSEMER_CHECK_DATA(input.find_first_of("*?[") != std::string::npos, input,
                      ": not found; a file, a directory, a pattern, or what stands before .bin and .idx is expected");
  for (const auto& path : files_matching(input)) {
    if (fs::is_directory(path))
      add_directory(path, sources);
    else
      add_file(path, false, sources);
  }
}

}  // namespace

const std::vector<NeighbourFormat>& neighbour_formats() {
  static const std::vector<NeighbourFormat> all{
      {"megatron", "Megatron-LM's .bin and .idx", false, false, is_megatron, open_megatron},
      {"nanogpt", "ids without a header", true, true, never, open_nanogpt},
      {"llmc", "llm.c's .bin with a header", true, false, is_llmc, open_llmc},
      {"modded-nanogpt", "the same as llmc", true, false, never, open_llmc},
      {"mds", "MosaicML Streaming's directory with index.json", false, true, is_mds, open_mds},
      {"npy", "a NumPy array", true, false, is_npy, open_npy},
      {"nvidia-bert", "NVIDIA's BERT examples in HDF5", false, false, is_nvidia_bert, open_nvidia_bert},
      {"cerebras", "the Cerebras Model Zoo's HDF5", true, false, is_cerebras, open_cerebras},
  };
  return all;
}

std::string neighbour_choices() {
  std::string all;
  for (const auto& format : neighbour_formats())
    all += concat(all.empty() ? "" : ", ", format.name, " (", format.what, ")");
  return all;
}

const NeighbourFormat& neighbour_format(const std::string& name) {
  std::vector<std::string> names;
  for (const auto& format : neighbour_formats()) {
    if (name == format.name) return format;
    names.emplace_back(format.name);
  }
  const std::string near = nearest(name, names);
  fail(ExitCode::kUsage, "--from '", name, "' is unknown", near.empty() ? "" : concat("; did you mean ", near, "?"),
       "; choose one of: ", neighbour_choices());
}

const NeighbourFormat& detect_neighbour(const std::string& source) {
  for (const auto& format : neighbour_formats()) {
    if (format.recognizes(source)) return format;
  }
  fail(ExitCode::kUsage, source, ": nothing in it tells its format; say it by --from, one of: ", neighbour_choices());
}

std::vector<std::string> find_neighbour_sources(const std::vector<std::string>& inputs) {
  std::vector<std::string> sources;
  try {
    for (const auto& input : inputs) add(input, sources);
  } catch (const fs::filesystem_error& error) {
    fail(ExitCode::kBadData, error.path1().string(), ": cannot be read: ", error.code().message());
  }
  return sources;
}

}  // namespace bessemer::data
