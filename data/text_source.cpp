#include "data/text_source.h"

#include <simdjson.h>

#include <algorithm>
#include <optional>

#include "data/chat_lines.h"
#include "data/utf8.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

constexpr std::size_t kPiece = 1 << 20;

/// The lines of a stretch, without their ends.
class Lines {
 public:
  Lines(const TextSource& source, const Stretch& stretch, uint64_t longest)
      : stream_(open_stream(source.path, start(stretch))), stretch_(stretch), longest_(longest),
        place_(start(stretch)) {
    std::string_view cut;
    if (stretch.begin > 0) next(cut), count_ = 0;  // the end of a line that began before us
  }
  /// False at the end of the stretch: `line` began behind it, or there is none. A line that is too long is given empty,
  /// with its length in too_long().
  bool next(std::string_view& line) {
    begin_ = place_;
    too_long_ = 0;
    const bool packed = stretch_.last && stretch_.begin == 0;
    if (!packed && begin_ >= stretch_.end) return false;
    std::size_t end = buffer_.find('\n', at_);
    while (end == std::string::npos && fill()) end = buffer_.find('\n', std::max(at_, searched_));
    if (end == std::string::npos) {
      if (at_ == buffer_.size() && too_long_ == 0) return false;
      end = buffer_.size();
    }
    line = std::string_view(buffer_).substr(at_, end - at_);
    place_ += end - at_ + 1;
    at_ = std::min(end + 1, buffer_.size());
    if (too_long_ > 0) too_long_ += line.size(), line = {};
    ++count_;
    return true;
  }
  uint64_t begin() const { return begin_; }        ///< place of the last line in the unpacked file
  uint64_t too_long() const { return too_long_; }  ///< bytes of the last line, where it was too long to be kept
  uint64_t count() const { return count_; }
  uint64_t raw() const { return stream_->raw(); }

 private:
  // One byte earlier: a stretch that begins right behind a line's end must not drop its first line.
  static uint64_t start(const Stretch& stretch) { return stretch.begin > 0 ? stretch.begin - 1 : 0; }

  bool fill() {
    if (at_ > 0) buffer_.erase(0, at_), at_ = 0;
    if (buffer_.size() > longest_) {
      too_long_ += buffer_.size(), place_ += buffer_.size();
      buffer_.clear();
    }
    searched_ = buffer_.size();
    buffer_.resize(searched_ + kPiece);
    buffer_.resize(searched_ + stream_->read(buffer_.data() + searched_, kPiece));
    return buffer_.size() > searched_;
  }

  std::unique_ptr<ByteStream> stream_;
  Stretch stretch_;
  uint64_t longest_, place_, begin_ = 0, too_long_ = 0, count_ = 0;
  std::string buffer_;
  std::size_t at_ = 0, searched_ = 0;
};

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r\f\v") == std::string_view::npos; }

/// Text without the things that no text holds; the reason where it is none.
std::optional<Reject> refusal(std::string_view text, const ReadOptions& options) {
  if (text.find('\0') != std::string_view::npos) return Reject{"not text", "a NUL byte"};
  if (options.utf8 && !simdjson::validate_utf8(text.data(), text.size()))
    return Reject{"not UTF-8", "not UTF-8, which the tokenizer chars expects"};
  return {};
}

class JsonLine {
 public:
  explicit JsonLine(const std::string& field) : field_(field) {}
  /// The document of a line; nothing where `reject` says why.
  std::optional<std::string_view> text(std::string_view line, Reject& reject) {
    simdjson::dom::element all;
    std::string_view found;
    // The buffer's end is the parser's own: a line lies among others.
    if (const auto error = parser_.parse(line.data(), line.size(), true).get(all)) {
      reject = {"not JSON", concat("not JSON: ", simdjson::error_message(error), ": ", excerpt(line))};
    } else if (const auto wrong = all[field_].get_string().get(found)) {
      const bool absent = wrong == simdjson::NO_SUCH_FIELD;
      const bool chat = all["messages"].error() == simdjson::SUCCESS || all["completion"].error() == simdjson::SUCCESS;
      reject = {"no text field", concat("a JSON object with a text '", field_, "' is expected, ",
                                        chat     ? "this is a conversation, for which `data build` takes --template: "
                                        : absent ? "there is none: "
                                                 : "found ",
                                        excerpt(line))};
    } else {
      return found;
    }
    return {};
  }

 private:
  simdjson::dom::parser parser_;
  std::string field_;
};

void give(std::string_view text, const ReadOptions& options, Reject place, TakeText& take) {
  if (auto why = refusal(text, options)) {
    why->line = place.line, why->byte = place.byte;
    return take.reject(*why);
  }
  take.text(text);
  take.end_document();
}

void give_conversation(ChatLines& chat, std::string_view line, Reject place, TakeText& take) {
  Reject reject;
  if (const auto conversation = chat.read(line, reject)) return take.conversation(*conversation);
  reject.line = place.line, reject.byte = place.byte;
  take.reject(std::move(reject));
}

/// Each line by itself: kLines and kJsonl.
uint64_t read_lines(const TextSource& source, const Stretch& stretch, const ReadOptions& options, TakeText& take) {
  Lines lines(source, stretch, options.longest_line);
  JsonLine json(options.text_field);
  ChatLines chat;
  uint64_t raw = 0;
  for (std::string_view line; lines.next(line);) {
    take.progress(lines.raw() - raw), raw = lines.raw();
    Reject reject{"", "", lines.count(), lines.begin()};
    if (lines.too_long() > 0) {
      take.reject({"too long",
                   concat("a line of ", lines.too_long(), " bytes, at most ", options.longest_line, " are read"),
                   reject.line, reject.byte});
    } else if (options.documents == Documents::kLines) {
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (!is_blank(line)) give(line, options, reject, take);
    } else if (options.chat) {
      if (!is_blank(line)) give_conversation(chat, line, reject, take);
    } else if (!is_blank(line)) {
      const uint64_t number = reject.line;
      const auto text = json.text(line, reject);
      if (text)
        give(*text, options, reject, take);
      else
        reject.line = number, take.reject(std::move(reject));
    }
  }
  return lines.count();
}

/// What stands between blank lines, with its line ends but the last.
uint64_t read_paragraphs(const TextSource& source, const Stretch& stretch, const ReadOptions& options, TakeText& take) {
  Stretch all = stretch;
  all.end = source.bytes, all.last = true;  // the last document may reach beyond the stretch
  if (stretch.begin > 0) all.last = false, all.end = ~uint64_t{0};
  Lines lines(source, all, options.longest_line);
  bool open = stretch.begin == 0;  // after the first blank line of the stretch documents are ours
  std::string document;
  Reject place;
  uint64_t count = 0, raw = 0;
  const auto finish = [&] {
    if (!document.empty()) give(document, options, place, take);
    document.clear();
  };
  for (std::string_view line; lines.next(line);) {
    if (!open && !stretch.last && lines.begin() >= stretch.end) return count;  // nothing begins here
    if (lines.begin() < stretch.end) count = lines.count(), take.progress(lines.raw() - raw), raw = lines.raw();
    if (is_blank(line) && lines.too_long() == 0) {
      if (open) finish();
      open = true;
      if (lines.begin() >= stretch.end && !stretch.last) return count;
    } else if (open) {
      if (document.empty()) place = {"", "", lines.count(), lines.begin()};
      if (!document.empty()) document += '\n';
      document += line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
      if (lines.too_long() > 0 || document.size() > options.longest_line) {
        take.reject(
            {"too long", concat("a document of more than ", options.longest_line, " bytes"), place.line, place.byte});
        document.clear(), open = false;
      }
    }
  }
  if (open) finish();
  return count;
}

/// A stretch of one document's text.
uint64_t read_text(const TextSource& source, const Stretch& stretch, const ReadOptions& options, TakeText& take) {
  const auto stream = open_stream(source.path, stretch.begin);
  const bool whole_file = stretch.begin == 0 && stretch.last;
  std::string piece(kPiece, '\0');
  std::size_t held = 0;  // bytes of a character that the last piece cut
  uint64_t at = stretch.begin, lines = 0, raw = 0;
  for (bool end = false; !end;) {
    const uint64_t left = whole_file ? kPiece : stretch.end - at - held;
    const std::size_t wanted = std::min<uint64_t>(kPiece - held, left);
    const std::size_t n = stream->read(piece.data() + held, wanted);
    end = n < wanted || (!whole_file && at + held + n >= stretch.end);
    const std::string_view text(piece.data(), held + n);
    const std::size_t whole = options.utf8 && !end ? whole_characters(text) : text.size();
    if (auto why = refusal(text.substr(0, whole), options)) {
      why->byte = at + (why->kind == "not text" ? text.find('\0') : first_broken(text));
      take.reject(*why);
      take.drop_document();
      end = true;  // nothing behind it is looked at
      continue;
    }
    take.text(text.substr(0, whole));
    take.progress(stream->raw() - raw), raw = stream->raw();
    lines += static_cast<uint64_t>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(whole), '\n'));
    at += whole;
    held = text.size() - whole;
    std::copy(piece.begin() + static_cast<std::ptrdiff_t>(whole),
              piece.begin() + static_cast<std::ptrdiff_t>(whole + held), piece.begin());
  }
  if (stretch.last) take.end_document();
  return lines;
}

}  // namespace

void TakeText::conversation(const Conversation& conversation) {
  text(plain_text(conversation));
  end_document();
}

std::string excerpt(std::string_view line) {
  std::string out(line.substr(0, 80));
  return out + (line.size() > 80 ? "..." : "");
}

uint64_t read_stretch(const TextSource& source, const Stretch& stretch, const ReadOptions& options, TakeText& take) {
  ReadOptions mine = options;
  if (source.jsonl) mine.documents = Documents::kJsonl;
  if (mine.documents == Documents::kFile) return read_text(source, stretch, mine, take);
  if (mine.documents == Documents::kBlankLines) return read_paragraphs(source, stretch, mine, take);
  return read_lines(source, stretch, mine, take);
}

}  // namespace bessemer::data
