#include "data/text_source.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "data/file.h"
#include "data/sha256.h"
#include "data/utf8.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kPiece = 1 << 20;
constexpr std::size_t kLongestLine = 1 << 30;

bool looks_binary(const std::string& path) {
  FileDescriptor file(path, FileDescriptor::Mode::kRead);
  std::string front(4096, '\0');
  front.resize(file.read(front.data(), front.size()));
  return front.find('\0') != std::string::npos;
}

TextSource source_of(const fs::path& path, std::string name) {
  return {path.string(), std::move(name), path.extension() == ".jsonl", fs::file_size(path), ""};
}

bool hidden(const fs::path& relative) {
  return std::any_of(relative.begin(), relative.end(),
                     [](const fs::path& part) { return part.string().rfind('.', 0) == 0; });
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

/// Length of the longest front of `text` that ends with a whole character; checks it on the way.
std::size_t whole_characters(std::string_view text, uint64_t offset, const std::string& path) {
  std::size_t at = 0;
  while (at < text.size()) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    uint32_t code = 0;
    const int length = decode_utf8(text.substr(at), code);
    if (length < 0) break;
    BESSEMER_CHECK_DATA(
        length > 0, path, ": byte ", offset + at, " (value ",
        static_cast<unsigned>(static_cast<unsigned char>(text[at])),
        ") is not UTF-8, which the tokenizer chars expects; convert the file, or use --tokenizer bytes");
    at += static_cast<std::size_t>(length);
  }
  return at;
}

std::string read_text(const TextSource& source, const ReadOptions& options, const TakePiece& take) {
  FileDescriptor file(source.path, FileDescriptor::Mode::kRead);
  Sha256 hash;
  std::string piece(kPiece, '\0');
  std::size_t held = 0;  // bytes of a character that the last piece cut
  for (uint64_t offset = 0;;) {
    const std::size_t n = file.read(piece.data() + held, kPiece - held);
    hash.update(piece.data() + held, n);
    const std::string_view text(piece.data(), held + n);
    const bool end = held + n < kPiece;
    const std::size_t whole = options.utf8 ? whole_characters(text, offset, source.path) : text.size();
    BESSEMER_CHECK_DATA(!end || whole == text.size(), source.path, ": byte ", offset + whole,
                        ": the file ends within a UTF-8 character");
    take(text.substr(0, whole), n, end);
    if (end) return hash.hex();
    offset += whole;
    held = text.size() - whole;
    std::copy(piece.end() - static_cast<std::ptrdiff_t>(held), piece.end(), piece.begin());
  }
}

std::string document_of(std::string_view line, const std::string& place, const std::string& field) {
  try {
    const auto all = nlohmann::json::parse(line);
    BESSEMER_CHECK_DATA(all.is_object() && all.contains(field) && all[field].is_string(), place,
                        ": a JSON object with a text '", field, "' is expected, found ", all.dump().substr(0, 80));
    return all[field];
  } catch (const nlohmann::json::exception& error) {
    fail(ExitCode::kBadData, place, ": not JSON: ", error.what());
  }
}

std::string read_jsonl(const TextSource& source, const ReadOptions& options, const TakePiece& take) {
  FileDescriptor file(source.path, FileDescriptor::Mode::kRead);
  Sha256 hash;
  std::string buffer, piece(kPiece, '\0');
  uint64_t number = 0;
  const auto line = [&](std::string_view text, std::size_t raw) {
    ++number;
    if (text.find_first_not_of(" \t\r") == std::string_view::npos) return;  // empty lines are no documents
    take(document_of(text, concat(source.path, ":", number), options.text_field), raw, true);
  };
  while (const std::size_t n = file.read(piece.data(), piece.size())) {
    hash.update(piece.data(), n);
    buffer.append(piece.data(), n);
    std::size_t begin = 0;
    for (auto end = buffer.find('\n'); end != std::string::npos; end = buffer.find('\n', begin)) {
      line(std::string_view(buffer).substr(begin, end - begin), end - begin + 1);
      begin = end + 1;
    }
    buffer.erase(0, begin);
    BESSEMER_CHECK_DATA(buffer.size() <= kLongestLine, source.path, ":", number + 1, ": a line of more than ",
                        kLongestLine, " bytes");
  }
  if (!buffer.empty()) line(buffer, buffer.size());
  return hash.hex();
}

}  // namespace

std::vector<TextSource> find_sources(const std::vector<std::string>& inputs, std::vector<std::string>& skipped) {
  std::vector<TextSource> sources;
  try {
    for (const auto& input : inputs) {
      BESSEMER_CHECK_DATA(fs::exists(input), input, ": not found; a file or a directory of text is expected");
      if (fs::is_directory(input))
        add_directory(input, sources, skipped);
      else if (fs::is_regular_file(input))
        sources.push_back(source_of(input, fs::path(input).filename()));
      else
        fail(ExitCode::kBadData, input, ": neither a file nor a directory");
    }
  } catch (const fs::filesystem_error& error) {
    fail(ExitCode::kBadData, error.path1().string(), ": cannot be read: ", error.code().message());
  }
  BESSEMER_CHECK_DATA(!sources.empty(), inputs.empty() ? "--input" : inputs.front(), ": no text found in the inputs");
  return sources;
}

std::string read_source(const TextSource& source, const ReadOptions& options, const TakePiece& piece) {
  return source.jsonl ? read_jsonl(source, options, piece) : read_text(source, options, piece);
}

}  // namespace bessemer::data
