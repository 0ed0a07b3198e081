#include "tests/faults/file_system.h"

#include <algorithm>
#include <functional>
#include <set>

namespace bessemer::faults {
namespace {

std::string folder(const std::string& path) { return path.substr(0, path.rfind('/')); }
std::string last(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

int FileSystem::inode(const std::string& path, bool make, bool directory) {
  const auto found = inode_of_.find(path);
  if (found != inode_of_.end()) return found->second;
  if (!make) return -1;
  is_directory_[next_] = directory;
  return inode_of_[path] = next_++;
}

void FileSystem::record(const Event& e) {
  using Kind = Operation::Kind;
  Operation op;
  op.text = std::string(name_of(e.call)) + " " + e.path.substr(std::min(e.path.size(), root_.size() + 1)) +
            (e.to.empty() ? "" : " -> " + e.to.substr(root_.size() + 1)) +
            (e.data.empty() ? "" : " " + std::to_string(e.data.size()) + " bytes at " + std::to_string(e.offset));
  // Moves what the program sees under `from` to `to`.
  const auto move = [&](const std::string& from, const std::string& to) {
    std::map<std::string, int> moved;
    for (auto it = inode_of_.begin(); it != inode_of_.end();) {
      const bool inside = it->first == from || it->first.rfind(from + "/", 0) == 0;
      if (inside) moved[to + it->first.substr(from.size())] = it->second;
      it = inside ? inode_of_.erase(it) : std::next(it);
    }
    inode_of_.insert(moved.begin(), moved.end());
  };
  switch (e.call) {
    case Call::kCreate:
    case Call::kMkdir: {
      const int parent = inode(folder(e.path), false, true);
      const int made = inode(e.path, true, e.call == Call::kMkdir);
      op.kind = Kind::kNames, op.inodes = {parent}, op.names = {{parent, last(e.path), made}};
      break;
    }
    case Call::kOpen:
      if (e.size == 0) return;
      op.kind = Kind::kSize, op.inodes = {inode(e.path, false, false)};
      break;
    case Call::kPwrite:
    case Call::kWrite:
      op.kind = Kind::kData, op.inodes = {inode(e.path, false, false)}, op.offset = e.offset, op.data = e.data;
      break;
    case Call::kReserve: op.kind = Kind::kSize, op.inodes = {inode(e.path, false, false)}, op.size = e.size; break;
    case Call::kFsync: op.kind = Kind::kSync, op.inodes = {inode(e.path, false, false)}; break;
    case Call::kRename: {
      const int from = inode(folder(e.path), false, true), to = inode(folder(e.to), false, true);
      const int moved = inode(e.path, false, false);
      op.kind = Kind::kNames, op.inodes = {from};
      if (to != from) op.inodes.push_back(to);
      op.names = {{from, last(e.path), -1}, {to, last(e.to), moved}};
      move(e.path, e.to);
      break;
    }
    case Call::kExchange: {
      const int a = inode(folder(e.path), false, true), b = inode(folder(e.to), false, true);
      op.kind = Kind::kNames, op.inodes = {a};
      if (a != b) op.inodes.push_back(b);
      op.names = {{a, last(e.path), inode(e.to, false, true)}, {b, last(e.to), inode(e.path, false, true)}};
      move(e.path, e.path + "\n"), move(e.to, e.path), move(e.path + "\n", e.to);
      break;
    }
    case Call::kUnlink:
    case Call::kRmdir: {
      const int parent = inode(folder(e.path), false, true);
      op.kind = Kind::kNames, op.inodes = {parent}, op.names = {{parent, last(e.path), -1}};
      inode_of_.erase(e.path);
      break;
    }
    case Call::kPread: return;
  }
  operations_.push_back(std::move(op));
}

std::vector<std::size_t> FileSystem::synced_after() const {
  std::vector<std::size_t> after(operations_.size(), SIZE_MAX);
  for (std::size_t i = 0; i < operations_.size(); ++i) {
    if (operations_[i].kind == Operation::Kind::kSync) continue;
    std::set<int> waiting(operations_[i].inodes.begin(), operations_[i].inodes.end());
    for (std::size_t j = i + 1; j < operations_.size() && after[i] == SIZE_MAX; ++j) {
      if (operations_[j].kind == Operation::Kind::kSync) waiting.erase(operations_[j].inodes[0]);
      if (waiting.empty()) after[i] = j + 1;
    }
  }
  return after;
}

std::map<std::string, std::string> FileSystem::after(const Crash& crash) const {
  std::map<int, std::string> bytes;
  std::map<int, std::map<std::string, int>> names;
  const std::set<std::size_t> missing(crash.missing.begin(), crash.missing.end());
  for (std::size_t i = 0; i < crash.count; ++i) {
    if (missing.contains(i)) continue;
    const Operation& op = operations_[i];
    if (op.kind == Operation::Kind::kSize) {
      // A reservation does not shorten; a truncation to nothing does.
      auto& file = bytes[op.inodes[0]];
      if (op.size == 0 || file.size() < static_cast<std::size_t>(op.size))
        file.resize(static_cast<std::size_t>(op.size));
    } else if (op.kind == Operation::Kind::kData) {
      auto& file = bytes[op.inodes[0]];
      const std::string part =
          i == crash.torn ? op.data.substr(0, static_cast<std::size_t>(crash.torn_bytes)) : op.data;
      const std::size_t end = static_cast<std::size_t>(op.offset) + part.size();
      if (file.size() < end) file.resize(end);
      std::copy(part.begin(), part.end(), file.begin() + op.offset);
    } else if (op.kind == Operation::Kind::kNames) {
      for (const auto& n : op.names) {
        if (n.inode < 0)
          names[n.directory].erase(n.name);
        else
          names[n.directory][n.name] = n.inode;
      }
    }
  }
  std::map<std::string, std::string> tree;
  std::set<int> seen;
  const std::function<void(int, const std::string&)> walk = [&](int directory, const std::string& path) {
    if (!seen.insert(directory).second) return;
    for (const auto& [name, inode] : names[directory]) {
      if (is_directory_.at(inode)) {
        tree[path + name + "/"] = "";
        walk(inode, path + name + "/");
      } else {
        tree[path + name] = bytes[inode];
      }
    }
  };
  walk(0, "");
  return tree;
}

}  // namespace bessemer::faults
