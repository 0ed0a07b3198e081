#include "data/tokenizers/normal_form.h"

#include <utf8proc.h>

#include <algorithm>

#include "data/tokenizers/unicode.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

bool is_active(int32_t code) { return code >= 0x80 && (char_bits(static_cast<uint32_t>(code)) & char_bit::kActive); }

/// Combining class. What the reference does not know has none.
int combining_class(int32_t code) { return is_active(code) ? utf8proc_get_property(code)->combining_class : 0; }

/// Sorts each run of combining marks by class; equal classes keep their order.
void order_marks(CodePoints& text) {
  for (auto at = text.begin(); at != text.end();) {
    if (combining_class(*at) == 0) {
      ++at;
      continue;
    }
    const auto end = std::find_if(at, text.end(), [](int32_t code) { return combining_class(code) == 0; });
    std::stable_sort(at, end, [](int32_t a, int32_t b) { return combining_class(a) < combining_class(b); });
    at = end;
  }
}

void decompose(CodePoints& text, int options) {
  CodePoints out;
  out.reserve(text.size());
  for (const int32_t code : text) {
    if (!is_active(code)) {
      out.push_back(code);
      continue;
    }
    int32_t parts[32];  // the longest, U+FDFA, has 18
    const auto n = utf8proc_decompose_char(code, parts, std::ssize(parts),
                                           static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | options), nullptr);
    BESSEMER_CHECK_DATA(n > 0 && n <= std::ssize(parts), "U+", std::hex, code,
                        " cannot be decomposed: ", n < 0 ? utf8proc_errmsg(n) : "too many parts");
    for (int i = 0; i < n; ++i) out.push_back(parts[i]);
  }
  order_marks(out);
  text.swap(out);
}

/// Composes each inactive character with the active ones behind it: only those may join one before.
void compose(CodePoints& text) {
  std::size_t written = 0;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at + 1;
    while (end < text.size() && is_active(text[end])) ++end;
    auto n = static_cast<utf8proc_ssize_t>(end - at);
    if (n > 1) {
      const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
      n = utf8proc_normalize_utf32(text.data() + at, n, options);
    }
    BESSEMER_CHECK_DATA(n > 0, "text cannot be composed: ", utf8proc_errmsg(n));
    std::copy(text.begin() + static_cast<std::ptrdiff_t>(at), text.begin() + static_cast<std::ptrdiff_t>(at) + n,
              text.begin() + static_cast<std::ptrdiff_t>(written));
    written += static_cast<std::size_t>(n);
    at = end;
  }
  text.resize(written);
}

}  // namespace

void decompose(CodePoints& text) {
  if (std::any_of(text.begin(), text.end(), is_active)) decompose(text, 0);
}

void to_normal_form(std::string& text, NormalForm form) {
  const bool composed = form == NormalForm::kNfc || form == NormalForm::kNfkc;
  const bool compatible = form == NormalForm::kNfkc || form == NormalForm::kNfkd;
  std::string out;
  CodePoints segment;  // an inactive character and the active ones behind it: what happens, happens within
  const char *at = text.data(), *const end = at + text.size();
  const char *copied = at, *last = at;  // copied up to here; the last inactive character before `at`
  while (at != end) {
    const char* const here = at;
    if (!is_active(static_cast<int32_t>(next_code(at)))) {
      last = here;
      continue;
    }
    out.append(copied, last);
    segment.clear();
    for (at = last; at != end;) {
      const char* const next = at;
      const auto code = static_cast<int32_t>(next_code(at));
      if (next > here && !is_active(code)) {
        at = next;
        break;
      }
      segment.push_back(code);
    }
    decompose(segment, compatible ? UTF8PROC_COMPAT : 0);
    if (composed) compose(segment);
    for (const int32_t code : segment) append_utf8(static_cast<uint32_t>(code), out);
    copied = last = at;
  }
  if (copied == text.data()) return;  // nothing was active
  out.append(copied, end);
  text.swap(out);
}

}  // namespace bessemer::data
