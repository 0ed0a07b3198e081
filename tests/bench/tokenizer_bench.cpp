// How fast one thread encodes a text: tokenizer_bench SPEC FILE [lines-per-call]. Prints MB/s (10^6) of each round, and
// the number of ids.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "data/file.h"
#include "data/tokenizer.h"

int main(int argc, char** argv) {
  using namespace bessemer::data;
  if (argc < 3) return std::fprintf(stderr, "usage: tokenizer_bench SPEC FILE [LINES]\n"), 64;
  const auto tokenizer = open_tokenizer_spec(argv[1]);
  const std::string text = read_file(argv[2]);
  const int lines = argc > 3 ? std::atoi(argv[3]) : 1;
  std::vector<std::string_view> calls;
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = begin;
    for (int i = 0; i < lines && end < text.size(); ++i) end = std::min(text.find('\n', end), text.size() - 1) + 1;
    calls.push_back(std::string_view(text).substr(begin, end - begin));
    begin = end;
  }
  const auto encoder = tokenizer->encoder();
  TokenIds ids;
  for (int round = 0; round < 6; ++round) {
    ids.clear();
    const auto begin = std::chrono::steady_clock::now();
    for (const auto call : calls) encoder->encode(call, ids);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    if (round > 0) std::printf("%.1f ", static_cast<double>(text.size()) / 1e6 / seconds.count());
  }
  std::printf("MB/s, %zu ids\n", ids.size());
}
