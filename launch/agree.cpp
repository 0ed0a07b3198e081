#include "launch/agree.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "configs/text.h"
#include "launch/report.h"

namespace bessemer::launch {
namespace {

struct Failure {
  int code = 0;
  std::string message;
  std::string host;
};

Failure attempt(const std::function<void()>& work) {
  try {
    work();
    return {};
  } catch (const Error& e) {
    return {static_cast<int>(e.code()), e.what(), ""};
  } catch (const std::exception& e) {
    return {static_cast<int>(ExitCode::kInternal), e.what(), ""};
  }
}

std::string whose(int count, int first, const std::string& host, int ranks) {
  if (count == ranks) return "";
  if (count == 1) return concat("rank ", first, " on ", host, ": ");
  return concat(count, " ranks, first rank ", first, " on ", host, ": ");
}

}  // namespace

void agree(const parallel::Group& world, const std::string& host, const std::function<void()>& work) {
  const Failure mine = attempt(work);
  if (world.all_reduce(int64_t{mine.code}, parallel::ReduceOp::kMax) == 0) return;
  const auto all = world.all_gather(nlohmann::json{{"code", mine.code}, {"message", mine.message}, {"host", host}}.dump(
      -1, ' ', false, nlohmann::json::error_handler_t::replace));
  std::vector<Failure> failures;  // of each rank; code 0: fine
  for (const auto& text : all) {
    const auto j = nlohmann::json::parse(text);
    failures.push_back({j["code"], j["message"], j["host"]});
  }
  std::string message;
  int code = 0;
  std::set<std::string> said;
  for (std::size_t rank = 0; rank < failures.size(); ++rank) {
    const auto& f = failures[rank];
    if (f.code == 0 || !said.insert(f.message).second) continue;
    const auto same = std::count_if(failures.begin(), failures.end(),
                                    [&](const Failure& o) { return o.code != 0 && o.message == f.message; });
    if (code == 0) code = f.code;
    message += concat(message.empty() ? "" : "\n",
                      whose(static_cast<int>(same), static_cast<int>(rank), f.host, world.size()), f.message);
  }
  throw AgreedError(static_cast<ExitCode>(code), message);
}

void agree_on(const parallel::Group& world, const std::string& text, ExitCode code, const std::string& intro,
              const std::string& advice) {
  // The sum of equal fingerprints is all that a job of thousands exchanges; the texts travel only where they differ.
  const auto mine = static_cast<int64_t>(std::hash<std::string>{}(text) >> 1);
  if (world.all_reduce(mine, parallel::ReduceOp::kMax) == world.all_reduce(mine, parallel::ReduceOp::kMin)) return;
  const auto texts = world.all_gather(text);
  const auto first = configs::assignments(texts[0]);
  std::string message;
  for (std::size_t rank = 1; rank < texts.size() && message.empty(); ++rank) {
    auto other = configs::assignments(texts[rank]);
    for (const auto& [key, line] : first) other.try_emplace(key, "no " + key);
    for (const auto& [key, line] : other) {
      const auto found = first.find(key);
      const std::string ours = found == first.end() ? "no " + key : found->second;
      if (ours != line)
        message += concat(message.empty() ? "" : "\n", intro, ": rank 0 has ", ours, ", rank ", rank, " has ", line,
                          "; ", advice);
    }
  }
  throw AgreedError(code, message.empty() ? intro : message);
}

}  // namespace bessemer::launch
