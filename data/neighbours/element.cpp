#include "data/neighbours/element.h"

#include <algorithm>
#include <cstring>

#include "parallel/error.h"

namespace bessemer::data {
namespace {

[[noreturn]] void refuse(const std::string& place, uint64_t number, const std::string& id, uint32_t vocab_size) {
  fail(ExitCode::kBadData, place, ": token ", number, " has id ", id, ", ids from 0 to ", vocab_size - 1,
       " are expected (the tokenizer has ", vocab_size,
       "); name the tokenizer that made the file, and check --dtype if the file has none");
}

template <class T>
void widen_as(std::span<const unsigned char> raw, uint32_t vocab_size, const std::string& place, uint64_t first,
              std::vector<uint32_t>& out) {
  const std::size_t count = raw.size() / sizeof(T), begin = out.size();
  out.resize(begin + count);
  uint64_t largest = 0;  // a negative id counts as a huge one
  for (std::size_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, raw.data() + i * sizeof(T), sizeof(T));
    largest = std::max(largest, static_cast<uint64_t>(value));
    out[begin + i] = static_cast<uint32_t>(value);
  }
  for (std::size_t i = 0; largest >= vocab_size && i < count; ++i) {
    T value;
    std::memcpy(&value, raw.data() + i * sizeof(T), sizeof(T));
    if (static_cast<uint64_t>(value) >= vocab_size) refuse(place, first + i, std::to_string(value), vocab_size);
  }
}

}  // namespace

std::string name_of(Element element) { return (element.is_signed ? "i" : "u") + std::to_string(element.bytes * 8); }

std::optional<Element> element_of(const std::string& name) {
  for (const uint32_t bytes : {1u, 2u, 4u, 8u}) {
    const std::string bits = std::to_string(bytes * 8);
    if (name == "u" + bits || name == "uint" + bits) return Element{bytes, false};
    if (name == "i" + bits || name == "int" + bits) return Element{bytes, true};
  }
  return std::nullopt;
}

void widen(std::span<const unsigned char> raw, Element element, uint32_t vocab_size, const std::string& place,
           uint64_t first, std::vector<uint32_t>& out) {
  const auto as = [&]<class T>(T) { widen_as<T>(raw, vocab_size, place, first, out); };
  switch (element.bytes) {
    case 1: return element.is_signed ? as(int8_t{}) : as(uint8_t{});
    case 2: return element.is_signed ? as(int16_t{}) : as(uint16_t{});
    case 4: return element.is_signed ? as(int32_t{}) : as(uint32_t{});
    default: return element.is_signed ? as(int64_t{}) : as(uint64_t{});
  }
}

void narrow(std::span<const uint32_t> ids, uint32_t width, unsigned char* out) {
  if (width == 4) return void(std::memcpy(out, ids.data(), ids.size_bytes()));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto id = static_cast<uint16_t>(ids[i]);
    std::memcpy(out + i * sizeof id, &id, sizeof id);
  }
}

TokenFile::TokenFile(const std::string& path, uint64_t offset, uint64_t tokens, Element element, uint32_t vocab_size)
    : file_(path, FileDescriptor::Mode::kRead), offset_(offset), tokens_(tokens), element_(element),
      vocab_size_(vocab_size) {
  const uint64_t size = file_.size();
  BESSEMER_CHECK_DATA(size >= offset && (size - offset) / element.bytes >= tokens, path, ": ", size,
                      " bytes cannot hold ", tokens, " tokens of ", name_of(element), " behind byte ", offset,
                      "; it is truncated, copy it again");
}

std::span<const uint32_t> TokenFile::read(uint64_t most) {
  const uint64_t n = std::min({most, kPiece, tokens_ - std::min(at_, tokens_)});
  raw_.resize(n * element_.bytes);
  const std::size_t got = file_.read_at(offset_ + at_ * element_.bytes, raw_.data(), raw_.size());
  BESSEMER_CHECK_DATA(got == raw_.size(), path(), ": ends at token ", at_ + got / element_.bytes, " of ", tokens_,
                      "; it changed while it was read, start again");
  ids_.clear();
  widen(raw_, element_, vocab_size_, path(), at_, ids_);
  at_ += n;
  return ids_;
}

}  // namespace bessemer::data
