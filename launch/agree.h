#pragma once
#include <functional>
#include <string>

#include "parallel/error.h"
#include "parallel/group.h"

namespace bessemer::launch {

/// Runs `work` on every rank and throws on every rank if it failed on any: one AgreedError that says each different
/// sentence once, with who said it ("3 ranks, first rank 1 on b: ...").
///
/// Collective over `world`; `work` itself must make no collective call, for a rank that failed does not join it.
void agree(const parallel::Group& world, const std::string& host, const std::function<void()>& work);

/// Throws an AgreedError (code) on every rank unless all have the same `text`, lines of `key = value` (in sections as
/// an INI file's): "INTRO: rank 0 has KEY = VALUE, rank 3 has KEY = OTHER; ADVICE". Collective.
void agree_on(const parallel::Group& world, const std::string& text, ExitCode code, const std::string& intro,
              const std::string& advice);

}  // namespace bessemer::launch
