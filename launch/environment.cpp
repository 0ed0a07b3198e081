#include "launch/environment.h"

#include <ATen/Version.h>
#include <fmt/format.h>
#include <link.h>
#include <sys/stat.h>
#include <torch/csrc/api/include/torch/version.h>

#include <fstream>
#include <map>

#include "data/crc32c.h"
#include "data/hdf5.h"
#include "launch/agree.h"
#include "launch/machine.h"
#include "parallel/device.h"
#include "parallel/error.h"

namespace bessemer::launch {
namespace {

using nlohmann::json;

std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

std::string binary() {
  std::ifstream file("/proc/self/exe", std::ios::binary);
  std::string piece(1 << 20, '\0');
  uint32_t crc = 0;
  while (file.read(piece.data(), static_cast<std::streamsize>(piece.size())) || file.gcount() > 0) {
    crc = data::crc32c(piece.data(), static_cast<std::size_t>(file.gcount()), crc);
  }
  return fmt::format("{:08x}", crc);
}

/// The libraries whose code makes numbers or moves them, by name; their size tells builds of one version apart.
std::map<std::string, std::string> libraries() {
  std::map<std::string, std::string> found;
  const auto add = [](dl_phdr_info* info, std::size_t, void* out) {
    const std::string path = info->dlpi_name;
    const std::string name = path.substr(path.rfind('/') + 1);
    struct stat status {};
    for (const char* part : {"libtorch", "libc10", "libmkl", "libgomp", "libmpi.", "libnccl", "libcuda", "libcublas"}) {
      if (name.find(part) == 0 && stat(path.c_str(), &status) == 0)
        (*static_cast<std::map<std::string, std::string>*>(out))[name] = fmt::format("{} bytes", status.st_size);
    }
    return 0;
  };
  dl_iterate_phdr(add, &found);
  return found;
}

/// What differs between two objects of texts or numbers, in words.
std::string differences(const json& then, const json& now, const std::map<std::string, std::string>& names) {
  std::string out;
  const auto text = [](const json& j) { return j.is_string() ? j.get<std::string>() : j.dump(); };
  json all = then.is_object() ? then : json::object();
  all.update(now);
  for (const auto& [key, ignored] : all.items()) {
    const json before = then.is_object() && then.contains(key) ? then[key] : json("not known");
    const json value = now.contains(key) ? now[key] : json("not there");
    const auto name = names.find(key);
    if (before != value && (names.empty() || name != names.end()))
      out += fmt::format("{}{} was {} and is {}", out.empty() ? "" : ", ", names.empty() ? key : name->second,
                         text(before), text(value));
  }
  return out;
}

}  // namespace

nlohmann::ordered_json environment(const at::Device& device, bool deterministic) {
  nlohmann::ordered_json out;
  out["bessemer"] = BESSEMER_VERSION;
  out["binary"] = binary();
  out["libtorch"] = TORCH_VERSION;
  out["hdf5"] = data::hdf5_version();
  out["blas"] = blas();
  for (const auto& [name, size] : libraries()) out[name] = size;
  out["processor"] = processor();
  out["instruction set"] = instruction_set();
  out["device"] = parallel::describe_device(device);
  if (!device.is_cpu() && !deterministic) out["deterministic"] = "no";
  return out;
}

void agree_on_environment(const parallel::Group& world, const nlohmann::ordered_json& environment,
                          const std::string& data) {
  std::string text;
  for (const auto& [key, value] : environment.items()) {
    if (key != "processor" && key != "instruction set" && key != "device")
      text += fmt::format("{} = {}\n", key, value.get<std::string>());
  }
  text += "data = " + data + "\n";
  agree_on(world, text, ExitCode::kEnvironment, "the ranks do not run the same",
           "install one build with one set of libraries, and one copy of the data, on every host");
}

std::string promise(const json& now, const json& then) {
  const json& layout = now.at("layout");
  const int64_t virtual_dp = layout.at("virtual_dp");
  const std::string elastic = fmt::format("any dp that divides {}, with or without ZeRO", virtual_dp);
  if (now.at("environment").contains("deterministic"))
    return "same numbers within rounding, not bit for bit: parallel.deterministic is off";
  if (then.is_null()) {
    return "same bits: this command repeats the run, and a resume on this layout goes on, bit for bit; " +
           (virtual_dp > 0 ? "so on " + elastic
                           : std::string("another dp only within rounding (parallel.virtual_dp makes it bit for bit)"));
  }
  std::map<std::string, std::string> counted{
      {"tp", "tp"},
      {"threads", "threads"},
      {"precision", "train.precision"},
      {"micro_batch", "the micro-batch"},
      {"sequence_parallel", "sequence_parallel"},
      {"schedule_end", "the end of the learning rate's schedule (optimizer.decay_steps)"},
      {"virtual_dp", "virtual_dp"}};
  if (virtual_dp == 0) counted["dp"] = "dp";
  std::string changed = differences(then.at("layout"), layout, counted);
  const std::string around = differences(then.at("environment"), now.at("environment"), {});
  if (!around.empty()) changed += (changed.empty() ? "" : ", ") + around;
  if (!changed.empty()) return "same numbers within rounding, not bit for bit: " + changed;
  if (then.at("layout").at("dp") != layout.at("dp"))
    return fmt::format("same bits: dp was {} and is {}, and parallel.virtual_dp = {} gives the same on {}",
                       then.at("layout").at("dp").dump(), layout.at("dp").dump(), virtual_dp, elastic);
  return "same bits: goes on bit for bit as if unbroken (build, libraries, processor, threads and layout are the "
         "checkpoint's)";
}

}  // namespace bessemer::launch
