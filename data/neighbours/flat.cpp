#include <algorithm>

#include "data/neighbours/neighbour.h"
#include "parallel/error.h"

namespace bessemer::data {

FlatReader::FlatReader(std::string path, uint64_t tokens, int64_t eod_id)
    : path_(std::move(path)), tokens_(tokens), eod_id_(eod_id) {
  BESSEMER_CHECK_DATA(tokens_ > 0, path_, ": holds no tokens; leave it out, or copy it again if it should");
}

bool FlatReader::next(TokenPiece& piece) {
  if (rest_.empty()) rest_ = read();
  if (rest_.empty()) {
    piece = {{}, eod_id_ < 0};
    return !std::exchange(done_, true) && piece.ends_document;
  }
  const auto end = eod_id_ < 0 ? rest_.end() : std::find(rest_.begin(), rest_.end(), static_cast<uint32_t>(eod_id_));
  piece.ends_document = end != rest_.end();
  piece.ids = rest_.first(static_cast<std::size_t>(end - rest_.begin()) + (piece.ends_document ? 1 : 0));
  rest_ = rest_.subspan(piece.ids.size());
  return true;
}

}  // namespace bessemer::data
