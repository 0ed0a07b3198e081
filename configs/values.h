#pragma once
#include <cstdint>
#include <string>

namespace bessemer::configs {

// The kinds of values that options and arguments have, from text and back. Every parse_* throws Error (64) with one
// sentence that shows the text and how to write it; the caller adds the option's name and where it was given.

/// A whole number, never negative: 512, 512k, 2M, 1.5B (powers of 1,000), 4Ki, 1Mi (powers of 1,024), 1e9.
int64_t parse_count(const std::string& text);
/// Any unsigned 64-bit number, decimal.
uint64_t parse_seed(const std::string& text);
/// A finite number: 3e-4, 0.1.
double parse_real(const std::string& text);
/// A share: 0.1 or 10%; within [0, 1].
double parse_fraction(const std::string& text);
/// Seconds: 90, 90s, 15m, 2h, 1.5d, 1h30m.
double parse_duration(const std::string& text);
/// Bytes: 4096, 16K, 16MiB, 1G (powers of 1,024), 64MB (powers of 1,000).
int64_t parse_bytes(const std::string& text);
/// on/off, yes/no, true/false, 1/0 in any case.
bool parse_switch(const std::string& text);

/// The shortest text that reads back as the same number.
std::string real_text(double value);
/// Bytes for people: 512 B, 1.5 KiB, 2.0 GiB.
std::string bytes_text(double bytes);

}  // namespace bessemer::configs
