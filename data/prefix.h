#pragma once
#include <cstdint>

#include "data/loader.h"

namespace bessemer::data {

/// Gives each document of each row a prefix (prefix language modelling: Raffel et al. 2020, section 3.2.1): of its n
/// tokens the first 1 to n - 1, each length as likely as the others. Fills `ends`; in `counted` the tokens of a prefix
/// are no targets. A function of (seed, global row, where the document begins).
void add_prefixes(uint64_t seed, Rows& rows);

}  // namespace bessemer::data
