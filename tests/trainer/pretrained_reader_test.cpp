#include "trainer/pretrained_reader.h"

#include <gmock/gmock.h>

#include <fstream>
#include <numeric>

#include "data/safetensors_writer.h"
#include "parallel/error.h"
#include "tests/support/temporary_directory.h"

namespace bessemer::trainer {
namespace {

using testing::HasSubstr;
using Fate = PretrainedReader::Line::Fate;

/// A GPT-2 whose every tensor counts 0, 1, 2 ...
class PretrainedReaderTest : public testing::Test {
 protected:
  PretrainedReaderTest() {
    std::ofstream(directory_.file("config.json"))
        << R"({"model_type":"gpt2","n_embd":6,"n_head":2,"n_layer":1,"n_positions":4,"vocab_size":5,"n_inner":7})";
  }
  /// \param without  a tensor that is left out; \param with  one more.
  void write(const std::string& prefix, const std::string& without = "", const std::string& with = "") {
    const auto family = models::pretrained::gpt2();
    const auto config = nlohmann::json::parse(data::read_file(directory_.file("config.json")));
    std::vector<data::SafeTensor> tensors;
    for (const auto& t : models::pretrained::tensors_of(family.places(family.options(config), prefix))) {
      if (t.name != without) tensors.push_back({t.name, "F32", t.shape});
    }
    if (!with.empty()) tensors.push_back({with, "F32", {1}});
    data::SafetensorsWriter writer(directory_.file("model.safetensors"), tensors);
    for (const auto& t : writer.tensors()) {
      std::vector<float> numbers(t.bytes() / 4);
      std::iota(numbers.begin(), numbers.end(), 0.0f);
      writer.append_as("F32", numbers.data(), static_cast<int64_t>(numbers.size()));
    }
    writer.finish();
  }
  void expect_unsettled(const std::string& words) {
    try {
      PretrainedReader::open(directory_.path()).settle({});
      ADD_FAILURE() << "was settled";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kBadData);
      EXPECT_THAT(error.what(), HasSubstr(words));
    }
  }
  tests::TemporaryDirectory directory_;
};

TEST_F(PretrainedReaderTest, AnySliceOfATransposedTensorIsRead) {
  write("transformer.");
  const auto reader = PretrainedReader::open(directory_.path());
  EXPECT_EQ(reader.prefix(), "transformer.");
  // k.weight [6, 6] is the transpose of columns 6 to 11 of c_attn.weight [6, 18].
  const auto value = [](int64_t i, int64_t j) { return static_cast<float>(j * 18 + 6 + i); };
  for (const int64_t dim : {0, 1}) {
    for (const auto& [begin, end] : std::vector<std::pair<int64_t, int64_t>>{{0, 6}, {2, 5}}) {
      std::vector<float> slice;
      for (int64_t i = dim == 0 ? begin : 0; i < (dim == 0 ? end : 6); ++i) {
        for (int64_t j = dim == 1 ? begin : 0; j < (dim == 1 ? end : 6); ++j) slice.push_back(value(i, j));
      }
      for (std::size_t first = 0; first < slice.size(); ++first) {
        for (std::size_t count = 0; first + count <= slice.size(); count += 4) {
          std::vector<float> out(count);
          reader.read_weight("h.0.attention.k.weight", dim, begin, end, static_cast<int64_t>(first),
                             static_cast<int64_t>(count), out.data());
          EXPECT_TRUE(std::equal(out.begin(), out.end(), slice.begin() + static_cast<std::ptrdiff_t>(first)));
        }
      }
    }
  }
  std::vector<float> out(6);
  reader.read_weight("h.0.attention.v.bias", 0, 0, 6, 0, 6, out.data());
  EXPECT_EQ(out[0], 12.0f);
  EXPECT_THROW(reader.weight_shape("h.1.attention.v.bias"), Error);
}

TEST_F(PretrainedReaderTest, EveryTensorOfFileAndModelHasALine) {
  write("", "", "h.0.attn.bias");  // an old file of the bare model, with its mask
  const auto reader = PretrainedReader::open(directory_.path());
  EXPECT_EQ(reader.prefix(), "");
  const auto lines = reader.settle({});
  EXPECT_EQ(lines.size(), 17u);
  const auto is = [](const char* name) { return [name](const auto& line) { return line.tensor == name; }; };
  const auto fused = std::find_if(lines.begin(), lines.end(), is("h.0.attn.c_attn.weight"));
  EXPECT_EQ(fused->fate, Fate::kUsed);
  EXPECT_THAT(fused->names,
              testing::ElementsAre("h.0.attention.q.weight", "h.0.attention.k.weight", "h.0.attention.v.weight"));
  const auto mask = std::find_if(lines.begin(), lines.end(), is("h.0.attn.bias"));
  EXPECT_EQ(mask->fate, Fate::kIgnored);
  EXPECT_THAT(mask->why, HasSubstr("mask"));
  EXPECT_EQ(reader.weights().size(), 20u);
}

TEST_F(PretrainedReaderTest, NamesThatNobodyExplainsAreRefusedUnlessAllowed) {
  write("transformer.", "transformer.ln_f.bias", "score.weight");
  expect_unsettled("transformer.ln_f.bias is missing");
  expect_unsettled("score.weight is not known");
  const auto reader = PretrainedReader::open(directory_.path());
  EXPECT_THROW(reader.settle({"score.*"}), Error);
  const auto lines = reader.settle({"score.*", "*.ln_f.bias"});
  EXPECT_EQ(std::count_if(lines.begin(), lines.end(), [](const auto& l) { return l.fate == Fate::kMissing; }), 1);
  EXPECT_FALSE(reader.has_weight("norm.bias"));
  EXPECT_TRUE(reader.has_weight("norm.weight"));
}

TEST_F(PretrainedReaderTest, AShapeThatConfigJsonDoesNotTellIsRefused) {
  write("transformer.");
  std::ofstream(directory_.file("config.json"))
      << R"({"model_type":"gpt2","n_embd":6,"n_head":2,"n_layer":1,"n_positions":4,"vocab_size":6,"n_inner":7})";
  expect_unsettled("transformer.wte.weight has shape [5, 6], config.json asks for [6, 6]");
  std::ofstream(directory_.file("config.json")) << "{";
  EXPECT_THROW(PretrainedReader::open(directory_.path()), Error);
  std::ofstream(directory_.file("config.json"))
      << R"({"model_type":"gpt2","n_embd":6,"n_head":4,"n_layer":1,"n_positions":4,"vocab_size":5})";
  EXPECT_THROW(PretrainedReader::open(directory_.path()), Error);
}

}  // namespace
}  // namespace bessemer::trainer
