#include "trainer/event_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <bit>
#include <chrono>

#include "data/crc32c.h"
#include "parallel/error.h"

namespace bessemer::trainer {
namespace {

// Protocol buffers' wire format: a key is (field number << 3 | type); type 0 varint, 1 eight bytes, 2 length and bytes,
// 5 four bytes.
void varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

template <class Word>
void fixed(std::string& out, Word value) {
  for (std::size_t i = 0; i < sizeof value; ++i) out += static_cast<char>(value >> (8 * i));
}

void bytes_field(std::string& out, int number, const std::string& bytes) {
  varint(out, static_cast<uint64_t>(number) << 3 | 2);
  varint(out, bytes.size());
  out += bytes;
}

// Fields 1 and 2 of every Event: wall time in seconds, and step.
std::string event_head(int64_t step) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  std::string out;
  varint(out, 1 << 3 | 1);
  fixed(out, std::bit_cast<uint64_t>(std::chrono::duration<double>(now).count()));
  varint(out, 2 << 3);
  varint(out, static_cast<uint64_t>(step));
  return out;
}

uint32_t masked(uint32_t crc) { return (crc >> 15 | crc << 17) + 0xa282ead8u; }

std::string file_name() {
  char host[256] = "host";
  gethostname(host, sizeof host - 1);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  return fmt::format("events.out.tfevents.{:010}.{}.{}", seconds, host, getpid());
}

constexpr std::size_t kBuffer = 64 << 10;

}  // namespace

EventFile::EventFile(const std::string& directory, int64_t first_step) : path_(directory + "/" + file_name()) {
  make_directories(directory);
  file_ = open_file(path_, O_WRONLY | O_CREAT | O_APPEND);
  std::string version = event_head(0);
  bytes_field(version, 3, "brain.Event:2");
  record(version);
  if (first_step > 0) {
    std::string restart = event_head(first_step);
    bytes_field(restart, 7, std::string("\x08\x01", 2));  // session_log { status: START }
    record(restart);
  }
  flush();
}

EventFile::~EventFile() {
  try {
    flush();
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
  }
}

void EventFile::scalar(const std::string& tag, int64_t step, double value) {
  std::string entry;  // Summary.Value { tag = 1, simple_value = 2 }
  bytes_field(entry, 1, tag);
  varint(entry, 2 << 3 | 5);
  fixed(entry, std::bit_cast<uint32_t>(static_cast<float>(value)));
  std::string summary;
  bytes_field(summary, 1, entry);
  std::string event = event_head(step);
  bytes_field(event, 5, summary);
  record(event);
}

// A record is its length, the length's masked checksum, the bytes, and their masked checksum.
void EventFile::record(const std::string& event) {
  std::string length;
  fixed(length, static_cast<uint64_t>(event.size()));
  buffer_ += length;
  fixed(buffer_, masked(data::crc32c(length.data(), length.size())));
  buffer_ += event;
  fixed(buffer_, masked(data::crc32c(event.data(), event.size())));
  if (buffer_.size() >= kBuffer) flush();
}

void EventFile::flush() {
  append_all(file_, path_, buffer_);
  buffer_.clear();
}

}  // namespace bessemer::trainer
