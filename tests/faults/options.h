#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

namespace bessemer::faults {

/// --name=number words of a campaign; what is not in `defaults` is refused (exit 64).
inline std::map<std::string, int64_t> numbers(int argc, char** argv, std::map<std::string, int64_t> defaults) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto equals = word.find('=');
    const std::string name = word.substr(0, equals);
    char* end = nullptr;
    const int64_t value = equals == std::string::npos ? 0 : std::strtoll(word.c_str() + equals + 1, &end, 10);
    if (!defaults.contains(name) || end == nullptr || *end != '\0' || equals + 1 == word.size()) {
      std::fprintf(stderr, "%s: no such option; there are", word.c_str());
      for (const auto& [known, fallback] : defaults)
        std::fprintf(stderr, " %s=%lld", known.c_str(), static_cast<long long>(fallback));
      std::fprintf(stderr, "\n");
      std::exit(64);
    }
    defaults[name] = value;
  }
  return defaults;
}

}  // namespace bessemer::faults
