#pragma once
#include <functional>
#include <string>

#include "parallel/group.h"

namespace bessemer::launch {

/// Runs `work` on every rank and throws on every rank if it failed on any: one AgreedError that says each different
/// sentence once, with who said it ("3 ranks, first rank 1 on b: ...").
///
/// Collective over `world`; `work` itself must make no collective call, for a rank that failed does not join it.
void agree(const parallel::Group& world, const std::string& host, const std::function<void()>& work);

/// Error (64) on every rank unless all have the same configuration; names the first options that differ.
/// \param text  configs::to_text of this rank's.
void agree_on_configuration(const parallel::Group& world, const std::string& text);

}  // namespace bessemer::launch
