// Everything that a checkpoint saves is needed: without any one item of it a resume is refused, or goes another way.
#include <functional>
#include <nlohmann/json.hpp>
#include <set>

#include "parallel/error.h"
#include "tests/support/resume_fixture.h"
#include "trainer/publish.h"

namespace bessemer::trainer {
namespace {

class SavedState : public Resume {
 protected:
  /// The checkpoint of `step` in `run`, saved again with other state or tensors.
  void save_again(const std::string& run, int64_t step, const nlohmann::json& state, const std::string& zeroed) {
    const std::string path = checkpoint_path(run, step);
    auto tensors = tests::checkpoint_tensors(path);
    std::vector<Chunk> chunks;
    {
      const auto reader = CheckpointReader::open(path);
      for (auto& [name, values] : tensors) {
        if (!zeroed.empty() && name.starts_with(zeroed)) std::fill(values.begin(), values.end(), 0.0f);
        const auto& shape = reader.shape(name);
        chunks.push_back(
            {name, shape, 0, 0, shape.empty() ? 1 : shape[0], 0, static_cast<int64_t>(values.size()), values.data()});
      }
    }
    const SavePlan plan{run, "00000000000000aa", random_hex(), step, {0}};
    const Reached nothing = [](std::string_view) {};
    write_rank(plan, 0, chunks, false, nothing);
    Manifest manifest = read_manifest(Directory(path));
    manifest.state = state;
    publish(plan, manifest, nothing);
  }

  /// "refused", "differs", or "same": how the run ends that goes on from a checkpoint that was changed.
  std::string resumed_with(const nlohmann::json& state, const std::string& zeroed) {
    const std::string run = dir("changed");
    std::filesystem::remove_all(run);
    die_after(dir("whole"), step_, run);
    save_again(run, step_, state, zeroed);
    try {
      const auto end = train(run, {1, 1});
      if (end.code != ExitCode::kDone || end.step != kSteps) return "differs";
    } catch (const std::exception&) {
      return "refused";
    }
    return tests::difference(run, dir("whole"), kSteps).empty() ? "same" : "differs";
  }

  int64_t step_ = 0;  ///< of the checkpoint that is changed
};

TEST_F(SavedState, OfWhichAnyOneItemIsMissingIsNoticed) {
  make_small();
  options_.train.precision = Precision::kFp16;
  options_.loss_scale.initial = 1 << 16, options_.loss_scale.growth_every = 2, options_.loss_scale.hysteresis = 2;
  ASSERT_EQ(train(dir("whole"), {1, 1}).code, ExitCode::kDone);
  // Two moments: between the two overflows that lower the scale, and between the two good steps that raise it.
  const auto skipped = tests::metric(dir("whole"), "skipped");
  std::vector<int64_t> moments{0, 0};
  for (int64_t step = 8; step < kSteps - 3; ++step) {
    const auto scale = CheckpointReader::open(checkpoint_path(dir("whole"), step)).state()["loss_scale"];
    if (scale["bad_steps_left"] == 1 && skipped.at(step + 1) == 1) moments[0] = step;
    if (scale["good_steps"] == 1 && skipped.at(step + 1) == 0) moments[1] = step;
  }
  for (const int64_t step : moments) {
    ASSERT_GT(step, 0) << "no such moment in this run";
    step_ = step;
    const auto state = CheckpointReader::open(checkpoint_path(dir("whole"), step)).state();
    ASSERT_EQ(resumed_with(state, ""), "same") << "the harness itself changes something";
  }

  // What a job is laid out as is for the reader's eyes; it is taken from the job's own options.
  const std::set<std::string> told{
      "/layout/dp",   "/layout/tp",         "/layout/micro_batch", "/layout/sequence_parallel",
      "/layout/zero", "/layout/virtual_dp", "/layout/precision",   "/layout/schedule_end"};
  const auto noticed = [&](const std::function<void(nlohmann::json&)>& change, const std::string& zeroed) {
    for (const int64_t step : moments) {
      step_ = step;
      auto flat = CheckpointReader::open(checkpoint_path(dir("whole"), step)).state().flatten();
      change(flat);
      if (resumed_with(flat.unflatten(), zeroed) != "same") return true;
    }
    return false;
  };
  int items = 0;
  const auto flat = CheckpointReader::open(checkpoint_path(dir("whole"), moments[0])).state().flatten();
  for (const auto& [name, ignored] : flat.items()) {
    if (told.contains(name)) continue;
    const std::string key = name;
    const auto change = [&](int by) {
      return [&key, by](nlohmann::json& state) {
        auto& value = state[key];
        if (value.is_string())
          value = "another";
        else if (value.is_number_float())
          value = 2 * value.get<double>();
        else
          value = value.get<int64_t>() + by;
      };
    };
    EXPECT_TRUE(noticed(change(1), "") || noticed(change(-1), "")) << key << " changed";
    EXPECT_TRUE(noticed([&](nlohmann::json& state) { state.erase(key); }, "")) << key << " left out";
    ++items;
  }
  EXPECT_GE(items, 11);
  at::set_num_threads(1);
  for (const char* kind : {"params/", "momentum/", "variance/"})
    EXPECT_TRUE(noticed([](nlohmann::json&) {}, kind)) << kind;
}

}  // namespace
}  // namespace bessemer::trainer
