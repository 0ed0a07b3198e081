// Which files the words of --input mean.
#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "data/file.h"
#include "data/text_source.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

namespace fs = std::filesystem;

bool looks_binary(const std::string& path) {
  if (packing_of(path) != Packing::kNone) return false;
  FileDescriptor file(path, FileDescriptor::Mode::kRead);
  std::string front(4096, '\0');
  front.resize(file.read(front.data(), front.size()));
  return front.find('\0') != std::string::npos;
}

TextSource source_of(const fs::path& path, std::string name) {
  return {path.string(), std::move(name), unpacked_name(path.string()).ends_with(".jsonl"), fs::file_size(path)};
}

bool hidden(const fs::path& relative) {
  return std::any_of(relative.begin(), relative.end(),
                     [](const fs::path& part) { return part.string().starts_with('.'); });
}

void add_directory(const fs::path& directory, std::vector<TextSource>& sources, std::vector<std::string>& skipped) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file() && !hidden(entry.path().lexically_relative(directory))) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    if (looks_binary(file))
      skipped.push_back(file);
    else
      sources.push_back(source_of(file, file.lexically_relative(directory)));
  }
}

std::vector<std::string> lines_of(const std::string& path) {
  std::istringstream text(read_file(path));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty() && line.front() != '#') lines.push_back(line);
  }
  BESSEMER_CHECK_DATA(!lines.empty(), path, ": an empty list of inputs");
  return lines;
}

void add(const std::string& input, std::vector<TextSource>& sources, std::vector<std::string>& skipped,
         bool within_list) {
  if (input.starts_with('@') && !within_list && !fs::exists(input)) {
    for (const auto& line : lines_of(input.substr(1))) add(line, sources, skipped, true);
  } else if (fs::is_directory(input)) {
    add_directory(input, sources, skipped);
  } else if (fs::is_regular_file(input)) {
    sources.push_back(source_of(input, fs::path(input).filename()));
  } else if (!fs::exists(input) && input.find_first_of("*?[") != std::string::npos) {
    for (const auto& path : files_matching(input)) add(path, sources, skipped, true);
  } else {
    BESSEMER_CHECK_DATA(fs::exists(input), input,
                        ": not found; a file, a directory, a pattern or @LIST of text is expected");
    fail(ExitCode::kBadData, input, ": neither a file nor a directory");
  }
}

}  // namespace

std::vector<std::string> files_matching(const std::string& pattern) {
  glob_t found{};
  const int status = ::glob(pattern.c_str(), 0, nullptr, &found);
  std::vector<std::string> paths;
  if (status == 0) paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  globfree(&found);
  BESSEMER_CHECK_DATA(!paths.empty(), pattern, ": no file matches this pattern");
  std::sort(paths.begin(), paths.end());  // not by the user's locale
  return paths;
}

std::vector<TextSource> find_sources(const std::vector<std::string>& inputs, std::vector<std::string>& skipped) {
  std::vector<TextSource> sources;
  try {
    for (const auto& input : inputs) add(input, sources, skipped, false);
  } catch (const fs::filesystem_error& error) {
    fail(ExitCode::kBadData, error.path1().string(), ": cannot be read: ", error.code().message());
  }
  BESSEMER_CHECK_DATA(!sources.empty(), inputs.empty() ? "--input" : inputs.front(), ": no text found in the inputs");
  return sources;
}

}  // namespace bessemer::data
