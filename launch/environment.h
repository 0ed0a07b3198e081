#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "parallel/group.h"

namespace bessemer::launch {

/// What decides the bits of a run besides its options, as texts: program and build, loaded libraries, processor,
/// device. Kept in every checkpoint.
/// \param deterministic  parallel.deterministic
nlohmann::ordered_json environment(const at::Device& device, bool deterministic);

/// Collective. Error (69) on every rank unless all run the same program with the same libraries on the same data; names
/// what differs, and on which rank. Processors may differ: `promise` says what that means.
/// \param data  identity of the data that this rank sees.
void agree_on_environment(const parallel::Group& world, const nlohmann::ordered_json& environment,
                          const std::string& data);

/// Which bits a run promises, in one sentence. Three promises: the same command repeats the run; stopped anywhere and
/// resumed on the same layout it goes on as if unbroken; with virtual_dp on any dp that divides it as well.
/// \param now    environment() and layout (state_json(...)["layout"]) of this job.
/// \param then   those of the checkpoint; null where the run begins.
std::string promise(const nlohmann::json& now, const nlohmann::json& then);

}  // namespace bessemer::launch
