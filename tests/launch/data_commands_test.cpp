#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "launch/commands.h"
#include "tests/data/folder.h"

namespace bessemer::launch {
namespace {

using testing::HasSubstr;

class DataCommands : public data::FolderTest {
 protected:
  /// Runs a command; its stdout goes to out_.
  int run(const Words& words) {
    testing::internal::CaptureStdout();
    int code = -1;
    try {
      code = dispatch(all_commands(), words, help_);
    } catch (...) {
      out_ = testing::internal::GetCapturedStdout();
      throw;
    }
    out_ = testing::internal::GetCapturedStdout();
    return code;
  }
  std::string out_;
  std::ostringstream help_;
};

TEST_F(DataCommands, BuildInfoAndVerifyAgree) {
  const std::string text = write("a.txt", "To be, or not to be, that is the question");
  ASSERT_EQ(run({"data", "build", "--input", text, "--out", at("d"), "--tokenizer", "bytes", "--json"}), 0);
  const auto built = nlohmann::json::parse(out_);
  EXPECT_EQ(built["train_tokens"], 36);
  ASSERT_EQ(run({"data", "info", at("d"), "--json"}), 0);
  const auto info = nlohmann::json::parse(out_);
  EXPECT_EQ(info["splits"]["train"]["tokens"], 36);
  EXPECT_EQ(info["splits"]["val"]["tokens"], 5);
  EXPECT_EQ(info["vocab_size"], 256);
  EXPECT_EQ(info["dataset_id"], built["dataset_id"]);
  ASSERT_EQ(run({"data", "info", at("d")}), 0);
  EXPECT_THAT(out_, HasSubstr("train-00000-of-00001.h5"));
  EXPECT_EQ(run({"data", "verify", at("d")}), 0);
}

TEST_F(DataCommands, ShowPrintsDocuments) {
  const std::string text = write("a.jsonl", "{\"text\": \"one\"}\n{\"text\": \"two\"}\n{\"text\": \"three\"}\n");
  ASSERT_EQ(run({"data", "build", "--input", text, "--out", at("d"), "--tokenizer", "bytes", "--val-fraction", "0",
                 "--shard-tokens", "7"}),
            0);
  ASSERT_EQ(run({"data", "show", at("d"), "--first", "1", "--documents", "2", "--json"}), 0);
  EXPECT_THAT(
      out_, testing::AllOf(HasSubstr("\"text\":\"two\""), HasSubstr("\"document\":2"), testing::Not(HasSubstr("one"))));
  EXPECT_THAT(refusal(
                  [&] {
                    run({"data", "show", at("d"), "--first", "99"});
                  },
                  ExitCode::kUsage),
              HasSubstr("documents"));
}

TEST_F(DataCommands, InfoShowAndVerifyKnowALossMask) {
  const std::string text = write("a.txt", "question: what? answer: that");
  ASSERT_EQ(run({"data", "build", "--input", text, "--out", at("d"), "--tokenizer", "bytes", "--val-fraction", "0"}),
            0);
  const std::string path = at("d/train-00000-of-00001.h5");
  auto facts = data::TokenShard(path).facts();
  std::filesystem::remove(at("d/dataset.json"));  // it has the shard's SHA-256
  facts.loss_mask = true;
  data::TokenShardWriter writer(path, facts);
  const std::string words = "question: what? answer: that";
  std::vector<uint8_t> mask(words.size(), 0);
  std::fill(mask.begin() + 24, mask.end(), uint8_t{1});
  writer.append(std::vector<uint32_t>(words.begin(), words.end()), mask);
  writer.finish();
  ASSERT_EQ(run({"data", "info", at("d"), "--json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(out_)["splits"]["train"]["loss_tokens"], 4);
  ASSERT_EQ(run({"data", "info", at("d")}), 0);
  EXPECT_THAT(out_, HasSubstr("train to be predicted"));
  ASSERT_EQ(run({"data", "show", at("d")}), 0);
  EXPECT_THAT(out_, HasSubstr("28 tokens, 4 to be predicted\n\u27e6question: what? answer: \u27e7that\n"));
  ASSERT_EQ(run({"data", "show", at("d"), "--json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(out_)["loss_mask"][24], 1);
  EXPECT_EQ(run({"data", "verify", at("d")}), 0);
  std::string bytes = bytes_of(path);
  bytes[data::Hdf5File(path).dataset("loss_mask").offset] ^= 1;
  write("d/train-00000-of-00001.h5", bytes);
  EXPECT_EQ(run({"data", "verify", at("d")}), 65);
  EXPECT_THAT(out_, HasSubstr("loss_mask 0 to 27 have the checksum"));
}

TEST_F(DataCommands, VerifyNamesADamagedFile) {
  const std::string text = write("a.txt", std::string(1000, 'x'));
  ASSERT_EQ(run({"data", "build", "--input", text, "--out", at("d"), "--tokenizer", "chars"}), 0);
  const std::string shard = at("d/train-00000-of-00001.h5");
  std::string bytes = bytes_of(shard);
  bytes[data::Hdf5File(shard).dataset("tokens").offset + 5] ^= 1;
  write("d/train-00000-of-00001.h5", bytes);
  EXPECT_EQ(run({"data", "verify", at("d")}), 65);
  EXPECT_THAT(out_,
              testing::AllOf(HasSubstr("broken"), HasSubstr("train-00000-of-00001.h5"), HasSubstr("dataset.json")));
}

TEST_F(DataCommands, WrongFlagsAreRefusedWithASuggestion) {
  const std::string message = refusal(
      [&] {
        run({"data", "build", "--inptu", "x", "--out", at("d")});
      },
      ExitCode::kUsage);
  EXPECT_THAT(message, testing::AllOf(HasSubstr("did you mean --input"), HasSubstr("--tokenizer")));
  refusal([&] { run({"data", "info"}); }, ExitCode::kUsage);
  EXPECT_THAT(refusal([&] { run({"data", "info", folder()}); }), HasSubstr("no token shards"));
}

TEST_F(DataCommands, ExportAndImportGoThereAndBack) {
  const std::string text = write("a.txt", "To be, or not to be, that is the question");
  run({"data", "build", "--input", text, "--out", at("d"), "--tokenizer", "bytes", "--val-fraction", "0"});
  for (const std::string to : {"megatron", "nanogpt", "llmc"}) {
    ASSERT_EQ(run({"data", "export", "--to", to, "--data", at("d"), "--out", at(to + ".bin"), "--json"}), 0);
    const auto exported = nlohmann::json::parse(out_);
    EXPECT_EQ(exported["tokens"], 41);
    ASSERT_EQ(run({"data", "import", "--from", to, "--input", at(to + ".bin"), "--out", at(to), "--tokenizer",
                   "data:" + at("d"), "--json"}),
              0);
    const auto imported = nlohmann::json::parse(out_);
    EXPECT_EQ(imported["train_tokens"], 41);
    EXPECT_EQ(imported["imported"][0]["sha256"], exported["sha256"]);
    EXPECT_EQ(run({"data", "verify", at(to)}), 0);
    ASSERT_EQ(run({"data", "show", at(to)}), 0);
    EXPECT_THAT(out_, HasSubstr("that is the question"));
  }
  ASSERT_EQ(run({"data", "import", "--input", at("llmc.bin"), "--out", at("again"), "--tokenizer", "bytes"}), 0);
  EXPECT_THAT(out_,
              testing::AllOf(HasSubstr("made: 1 file of llmc"), HasSubstr("train: 41 tokens, 1 documents, read back")));
  EXPECT_THAT(refusal(
                  [&] {
                    run({"data", "export", "--to", "arrow", "--data", at("d"), "--out", at("x")});
                  },
                  ExitCode::kUsage),
              HasSubstr("megatron, nanogpt, llmc"));
}

TEST_F(DataCommands, HelpBeginsWithAnExample) {
  for (const auto& command : all_commands())
    EXPECT_EQ(command.help().rfind("example:\n  bessemer " + command.name, 0), 0u) << command.name;
}

}  // namespace
}  // namespace bessemer::launch
