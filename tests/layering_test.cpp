// Includes point one way (launch > configs > trainer > {models, data} > parallel), and each C library stays in its
// home.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "tests/support/paths.h"

namespace bessemer {
namespace {

namespace fs = std::filesystem;

const std::map<std::string, std::set<std::string>> kMaySee = {
    {"parallel", {}},
    {"data", {"parallel"}},
    {"models", {"parallel", "data"}},
    {"trainer", {"parallel", "data", "models"}},
    {"configs", {"parallel", "data", "models", "trainer"}},
    {"launch", {"parallel", "data", "models", "trainer", "configs"}},
};

struct Include {
  std::string file;   ///< from the project's root
  std::string named;  ///< what stands between the quotes or brackets
};

std::vector<std::string> sources() {
  std::vector<std::string> files;
  for (const auto& [folder, may_see] : kMaySee) {
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(tests::kSourceDir) / folder)) {
      const std::string suffix = entry.path().extension().string();
      if (suffix == ".h" || suffix == ".cpp" || suffix == ".cu")
        files.push_back(fs::relative(entry.path(), tests::kSourceDir).string());
    }
  }
  return files;
}

std::string text_of(const std::string& file) {
  std::ifstream in(fs::path(tests::kSourceDir) / file);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<Include> includes() {
  static const std::regex line("(^|\n)[ \t]*#[ \t]*include[ \t]*[<\"]([^>\"]+)[>\"]");
  std::vector<Include> found;
  for (const auto& file : sources()) {
    const std::string text = text_of(file);
    for (std::sregex_iterator at(text.begin(), text.end(), line), end; at != end; ++at)
      found.push_back({file, (*at)[2]});
  }
  return found;
}

std::string folder_of(const std::string& path) { return path.substr(0, path.find('/')); }

bool matches(const std::string& text, const std::string& pattern) {
  return std::regex_match(text, std::regex(pattern));
}

TEST(Layering, IncludesPointFromLaunchTowardsParallel) {
  const auto all = includes();
  ASSERT_GT(all.size(), 100u) << "the sources were not found under " << tests::kSourceDir;
  for (const auto& [file, named] : all) {
    const std::string from = folder_of(file), to = folder_of(named);
    if (from == to || !kMaySee.count(to)) continue;
    EXPECT_TRUE(kMaySee.at(from).count(to)) << file << " includes " << named;
  }
}

TEST(Layering, ModelsSeeOfDataOnlyTheBatch) {
  for (const auto& [file, named] : includes()) {
    if (folder_of(file) != "models" || folder_of(named) != "data") continue;
    EXPECT_EQ(named, "data/batch.h") << file;
  }
}

TEST(Layering, CLibrariesStayInTheirHomes) {
  const std::vector<std::pair<std::string, std::string>> homes = {
      {R"(mpi\.h)", R"(parallel/(world|mpi_backend|shm_backend)\.cpp|parallel/mpi_[a-z_]+\.h)"},
      {R"(nccl\.h)", R"(parallel/nccl_backend\.cpp)"},
      {R"(hdf5\.h|H5[A-Za-z]+\.h)", R"(data/hdf5(_layout|_handles|_memory)?\.(cpp|h))"},
      {R"(pcre2\.h)", R"(data/tokenizers/regex\.cpp)"},
      {R"(utf8proc\.h)", R"(data/tokenizers/(normal_form|precompiled)\.cpp)"},
      {R"(zlib\.h|zstd\.h|lzma\.h)", R"(data/byte_stream\.cpp)"},
      {R"(xxhash\.h)", R"(data/(encode_unit|neighbours/file_hash)\.cpp)"},
      {R"(cuda.*\.h|cublas.*\.h|c10/cuda/.*|ATen/cuda/.*)",
       R"(.*_cuda\.(h|cpp|cu)|parallel/(nccl_backend|device)\.cpp|.*\.cu)"},
      {R"(sentencepiece_.*\.h)",
       "none: its FLAGS_minloglevel overwrites LibTorch's (data/tokenizers/unigram_trainer.h)"},
  };
  for (const auto& [file, named] : includes()) {
    for (const auto& [library, home] : homes) {
      if (!matches(named, library)) continue;
      EXPECT_TRUE(matches(file, home)) << file << " includes " << named;
    }
  }
}

TEST(Layering, OnlyConfigsAndLaunchReadTheEnvironment) {
  for (const auto& file : sources()) {
    const std::string folder = folder_of(file);
    if (folder == "configs" || folder == "launch") continue;
    EXPECT_EQ(text_of(file).find("getenv("), std::string::npos) << file;
  }
}

}  // namespace
}  // namespace bessemer
