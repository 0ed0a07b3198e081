#pragma once
#include <string>
#include <vector>

namespace bessemer::trainer {

/// Lets HDF5 open each shard and holds what it sees (names, shapes, places) against the rank files; and counts numbers
/// that are not finite. Only for a checkpoint that verify_checkpoint has found good. \return problems, one line each.
std::vector<std::string> inspect_checkpoint(const std::string& path);

}  // namespace bessemer::trainer
