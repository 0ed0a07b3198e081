#pragma once
#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/chat.h"
#include "data/spool.h"
#include "data/text_source.h"
#include "data/tokenizer.h"

namespace bessemer::data {

// A build is cut into units of work: stretches of files, or many small files together. They depend on the inputs
// alone, so whoever does them, in whatever order, their results joined in order are the same.

struct UnitPart {
  std::size_t source = 0;  ///< index
  Stretch stretch;
};
using Unit = std::vector<UnitPart>;

/// \param cut  as Tokenizer::safe_cut: where the text of one document may be cut.
std::vector<Unit> plan_units(const std::vector<TextSource>& sources, Documents documents, uint64_t unit_bytes,
                             const std::function<std::size_t(std::string_view)>& cut);

/// Does one unit after another, on threads of its own, until all are done.
/// \param work      called with the unit's index, from many threads.
/// \param progress  called on this thread now and then; false: no new units are begun.
/// Errors: that of the unit of lowest index that failed.
/// \return  false where progress ended it.
bool run_units(const std::vector<std::size_t>& todo, int workers, const std::function<void(std::size_t)>& work,
               const std::function<bool()>& progress);

struct EncodeOptions {
  ReadOptions read;
  bool parse_special = false;
  bool sentences = false;  ///< encode them one by one and keep their lengths
  ChatTemplate chat = ChatTemplate::kNone;
  bool end_of_turn = true;           ///< of ChatTemplate::kPlain
  uint64_t longest_text = 64 << 20;  ///< a document longer than this is cut where no rule allows it, at white space
};

/// What all units of a build add to, for its progress line and its limits.
struct UnitCounters {
  std::atomic<uint64_t> raw{0}, tokens{0}, rejected{0};
};

/// Encodes one unit into a spool under `path` (without ending).
void encode_unit(const Unit& unit, const std::vector<TextSource>& sources, const Tokenizer& tokenizer,
                 const EncodeOptions& options, const std::string& path, UnitCounters& counters);

}  // namespace bessemer::data
