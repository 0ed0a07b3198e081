#pragma once
#include <string>
#include <string_view>

namespace bessemer::data {

/// Base64 with + and /, padded (RFC 4648, section 4).
std::string base64_encode(std::string_view bytes);
/// Errors: Error (65) naming the place of what is not base64.
std::string base64_decode(std::string_view text);

}  // namespace bessemer::data
