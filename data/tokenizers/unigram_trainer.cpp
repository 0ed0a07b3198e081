#include "data/tokenizers/unigram_trainer.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "data/file.h"
#include "parallel/error.h"
#include "parallel/random.h"

namespace bessemer::data {
namespace {

using Sentences = std::vector<std::pair<uint64_t, std::string>>;  // with their place in the text

/// Each sentence is in the sample with equal probability. Source: Vitter 1985, algorithm R.
Sentences take_sample(const NextSentence& next, const UnigramTrainerOptions& options, UnigramSample& facts) {
  const uint64_t key = parallel::stream_key(options.seed, "unigram/sample");
  Sentences sample;
  std::string sentence;
  uint64_t fitting = 0;
  while (next(sentence)) {
    ++facts.seen;
    if (sentence.size() > options.longest) {
      ++facts.too_long;
      continue;
    }
    if (const uint64_t place = fitting++; sample.size() < options.sample) {
      sample.emplace_back(place, sentence);
    } else {
      const auto random = parallel::philox({static_cast<uint32_t>(place), static_cast<uint32_t>(place >> 32), 0, 0},
                                           {static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)});
      const uint64_t at = (static_cast<uint64_t>(random[0]) << 32 | random[1]) % fitting;
      if (at < sample.size()) sample[at] = {place, sentence};
    }
  }
  std::sort(sample.begin(), sample.end());
  facts.used = sample.size();
  return sample;
}

/// A folder that goes when this does, with all that is in it.
class Folder {
 public:
  explicit Folder(std::string path) : path_(std::move(path)) {
    std::error_code error;
    std::filesystem::remove_all(path_, error);  // of a run that was killed
    std::filesystem::create_directory(path_, error);
    BESSEMER_CHECK_ENV(!error, path_, ": the folder cannot be made: ", error.message());
  }
  ~Folder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void write_sample(const std::string& path, const Sentences& sample) {
  FileDescriptor file(path, FileDescriptor::Mode::kCreate);
  std::string lines;
  for (std::size_t i = 0; i < sample.size(); ++i) {
    const std::size_t begin = lines.size();
    lines += sample[i].second;
    const auto is_line_end = [](char c) { return c == '\n' || c == '\r'; };
    std::replace_if(lines.begin() + static_cast<std::ptrdiff_t>(begin), lines.end(), is_line_end, ' ');
    lines += '\n';
    if (lines.size() < 1 << 20 && i + 1 < sample.size()) continue;
    file.write(lines.data(), lines.size());
    lines.clear();
  }
}

/// Runs a program in `folder`, where its output goes to `log`. Returns its status as of waitpid.
int run(std::vector<std::string> arguments, const std::string& folder, const char* log) {
  std::vector<char*> argv;
  for (auto& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  BESSEMER_CHECK_ENV(error == 0, "cannot start ", arguments[0], ": ", std::strerror(error),
                     "; Unigram models are trained by it: install Debian's package sentencepiece");
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    BESSEMER_CHECK_ENV(errno == EINTR, "cannot wait for ", arguments[0], ": ", std::strerror(errno));
  return status;
}

/// The end of what it said, for a message.
std::string last_words(const std::string& log) {
  std::string text = std::filesystem::exists(log) ? read_file(log) : "";
  if (text.size() > 600) text = "... " + text.substr(text.size() - 600);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace

UnigramSample train_unigram(const NextSentence& next, const UnigramTrainerOptions& options, const std::string& path) {
  BESSEMER_CHECK(options.sample > 0, "a sample of 0 sentences trains nothing; choose more");
  BESSEMER_CHECK(options.vocab_size > 3 && options.vocab_size < INT32_MAX, "vocabulary of ", options.vocab_size,
                 " ids; more than 3 (<unk>, <s>, </s>) and fewer than 2^31 are expected");
  BESSEMER_CHECK(options.character_coverage >= 0.98 && options.character_coverage <= 1, "character coverage ",
                 options.character_coverage, " is outside of 0.98 to 1, which SentencePiece takes");
  UnigramSample facts;
  const Folder folder(path + ".training");
  {
    const Sentences sample = take_sample(next, options, facts);
    BESSEMER_CHECK_DATA(!sample.empty(), "no sentence to train on among ", facts.seen, " (", facts.too_long,
                        " are longer than ", options.longest, " bytes)");
    write_sample(folder.path() + "/sample.txt", sample);
  }
  // Sums depend on how the sentences are dealt out to threads: 16, SentencePiece's default, on every machine.
  const int status =
      run({options.program, "--model_type=unigram", "--input=sample.txt", "--model_prefix=trained",
           concat("--vocab_size=", options.vocab_size), concat("--character_coverage=", options.character_coverage),
           concat("--byte_fallback=", options.byte_fallback ? "true" : "false"),
           concat("--max_sentence_length=", options.longest + 1), "--num_threads=16", "--minloglevel=1"},
          folder.path(), "log.txt");
  const std::string model = folder.path() + "/trained.model";
  BESSEMER_CHECK_DATA(status == 0 && std::filesystem::exists(model), options.program, " cannot train a vocabulary of ",
                      options.vocab_size, " ids on ", facts.used,
                      " sentences: ", last_words(folder.path() + "/log.txt"));
  write_file(path, read_file(model));
  return facts;
}

}  // namespace bessemer::data
