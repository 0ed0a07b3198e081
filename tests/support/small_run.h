#pragma once
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/paths.h"
#include "tests/support/process.h"
#include "tests/support/run_files.h"

namespace bessemer::tests {

/// A run of a tiny model, dropout on, for the real binary: data and run.ini in a temporary directory.
class SmallRun {
 public:
  SmallRun() : data_(make_data(files_)) {
    std::ofstream(ini())
        << "[data]\npath = " << data_
        << "\n[model]\nlayers = 2\nhidden = 32\nheads = 4\nkv_heads = 2\nsequence = 16\nbias = yes\ndropout = 0.1\n"
        << "[parallel]\ndevice = cpu\nthreads = 1\n[train]\nsteps = 100000\nglobal_batch = 4\neval_every = 25\neval_batches = 2\n"
        << "[optimizer]\nwarmup = 5\ndecay_steps = 1000\n[checkpoint]\nevery = 50\n[log]\nevery = 1\n";
  }
  std::string ini() const { return files_.file("run.ini"); }
  std::string dir(const std::string& name) const { return files_.file(name); }
  std::string log() const { return files_.file("log"); }
  const std::string& data() const { return data_; }
  const TemporaryDirectory& files() const { return files_; }

  /// The words of `bessemer train run.ini --run.dir=DIR options...`.
  std::vector<std::string> train(const std::string& name, const std::vector<std::string>& options = {}) const {
    std::vector<std::string> words{kBinary, "train", ini(), "--run.dir=" + dir(name)};
    words.insert(words.end(), options.begin(), options.end());
    return words;
  }
  Ended run(const std::vector<std::string>& words) const { return Process(words, log()).wait(); }

 private:
  TemporaryDirectory files_;
  std::string data_;
};

}  // namespace bessemer::tests
