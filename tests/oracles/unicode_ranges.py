"""Asks Hugging Face tokenizers about every code point and writes what it answers as data/tokenizers/unicode_tables.h.

    python unicode_ranges.py > data/tokenizers/unicode_tables.h

Its parts know different versions of Unicode (its regular expressions another than BERT's normalizer), so a property is what a
part does with the code point, not what a standard says. Recorded with tokenizers 0.23.3.
"""
import sys
import textwrap
import unicodedata

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

CODES = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]


def matching(expression):
    split = pre_tokenizers.Split(Regex(expression), "isolated")
    return {code for code in CODES if len(split.pre_tokenize_str("\x01" + chr(code))) == 2}


def splitting(pre_tokenizer, base):
    """Code points that do not stay in one piece with `base`."""
    return {code for code in CODES if pre_tokenizer.pre_tokenize_str(base + chr(code)) != [(base + chr(code), (0, 2))]}


def bert(**on):
    options = dict.fromkeys(["clean_text", "handle_chinese_chars", "strip_accents", "lowercase"], False)
    return normalizers.BertNormalizer(**{**options, **on}).normalize_str


def spaces():
    found = splitting(pre_tokenizers.WhitespaceSplit(), "a")
    assert found == matching(r"\s"), "white space of the regular expressions is another"
    return found


def bert_removed(space):
    clean, removed = bert(clean_text=True), set()
    for code in CODES:
        got = clean("a" + chr(code) + "b")
        if got == "ab":
            removed.add(code)
        else:
            assert got == ("a b" if code in space else "a" + chr(code) + "b"), hex(code)
    return removed


def forms():
    return [getattr(normalizers, form)().normalize_str for form in ("NFC", "NFD", "NFKC", "NFKD")]


def combining():
    """Code points of a combining class other than 0: they change places with a lower or a higher class."""
    nfd, found = normalizers.NFD().normalize_str, set()
    for code in CODES:
        low, high = chr(code) + "\u0334", "\u0345" + chr(code)  # classes 1 and 240
        if nfd(chr(code)) == chr(code) and (nfd(low) != low or nfd(high) != high):
            found.add(code)
    return found


def active():
    """Code points that any normal form changes, moves, or composes with the one before."""
    nfc, nfd, nfkc, nfkd = forms()
    found = combining()
    for code in CODES:
        text = chr(code)
        if nfkd(text) != text:
            found.add(code)
            decomposed = nfd(text)
            if len(decomposed) > 1 and nfc(decomposed) == text:
                found.update(ord(character) for character in decomposed[1:])
    return found


def lower():
    """(first, count, step, delta) of code points with a lower case; U+0130 alone has two characters."""
    lowered, runs = normalizers.Lowercase().normalize_str, []
    for code in CODES:
        text = lowered(chr(code))
        if text == chr(code):
            continue
        if code == 0x130:
            assert text == "i\u0307"
            continue
        assert len(text) == 1, hex(code)
        delta = ord(text) - code
        if runs:
            first, count, step, last_delta = runs[-1]
            gap = code - (first + (count - 1) * step)
            if delta == last_delta and (gap in (1, 2) and count == 1 or gap == step):
                runs[-1] = (first, count + 1, gap, delta)
                continue
        runs.append((code, 1, 1, delta))
    return runs


def runs_of(codes):
    """[outside, inside, outside, inside ...]"""
    out, end = [], 0
    first = last = None
    for code in sorted(codes):
        if last is not None and code == last + 1:
            last = code
            continue
        if first is not None:
            out += [first - end, last + 1 - first]
            end = last + 1
        first = last = code
    return out + ([first - end, last + 1 - first] if first is not None else [])


def newer(name):
    """Code points of a category in Hugging Face's regular expressions and not in Unicode 14, as within [] of an expression."""
    assert unicodedata.unidata_version == "14.0.0", "run it by Python 3.11: PCRE2 10.42 knows Unicode 14"
    old = {code for code in CODES if unicodedata.category(chr(code)).startswith(name)}
    new = matching(r"\p{%s}" % name)
    assert old <= new, name
    return ranges(new - old)


def ranges(codes):
    out, runs = "", runs_of(codes)
    at = 0
    for outside, inside in zip(runs[::2], runs[1::2]):
        first, at = at + outside, at + outside + inside
        out += "\\\\x{%X}" % first + ("-\\\\x{%X}" % (at - 1) if inside > 1 else "")
    return out


def print_string(name, text):
    if not text:
        return
    print(f'    {{"{name}",')
    lines = textwrap.wrap(text.replace("}", "} "), 100)
    for i, line in enumerate(lines):
        print('     "' + line.replace(" ", "") + ('"' if i + 1 < len(lines) else '"},'))


def print_newer(word):
    print("\nstruct Newer {\n  const char *name, *ranges;\n};")
    print("/// What a class of the regular expressions has beyond Unicode 14, as it is written between [ and ].")
    print("constexpr Newer kNewer[] = {")
    for name in ("L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "N", "Nd", "Nl", "No", "P", "S"):
        print_string(name, newer(name))
    # \w there is as in the pre-tokenizer Whitespace, but for six signs of Latin-1 and the two joiners.
    joiners = {0x200C, 0x200D}
    assert matching(r"\w") == word - joiners | {0xB2, 0xB3, 0xB9, 0xBC, 0xBD, 0xBE}
    assigned = {code for code in CODES if unicodedata.category(chr(code)) != "Cn"}
    print_string("w", ranges(matching(r"\w") - assigned))
    print("};")


def print_array(head, items, tail="};"):
    print(head)
    line = "   "
    for item in items:
        if len(line) + len(item) + 2 > 120:
            print(line)
            line = "   "
        line += " " + item + ","
    print(line)
    print(tail)


def print_runs(name, what, codes):
    print(f"\n/// {what}")
    print_array(f"constexpr uint32_t {name}[] = {{", [str(length) for length in runs_of(codes)])


def main():
    space = spaces()
    numeric = splitting(pre_tokenizers.Digits(False), "a")
    whitespace = pre_tokenizers.Whitespace()
    word = {code for code in CODES if len(whitespace.pre_tokenize_str("a" + chr(code))) == 1} - space
    print("#pragma once\n#include <cstdint>\n")
    print(f"// Written by tests/oracles/unicode_ranges.py, which asked Hugging Face tokenizers {tokenizers.__version__}. Each array holds the")
    print("// lengths of runs of code points outside and inside of a property, in turn, from U+0000 on.")
    print("// clang-format off\nnamespace bessemer::data::tables {")
    print_runs("kLetter", r"\p{L} of the regular expressions", matching(r"\p{L}"))
    print_runs("kNumber", r"\p{N} of the regular expressions", matching(r"\p{N}"))
    print_runs("kSpace", r"White_Space; \s of the regular expressions", space)
    print_runs("kWord", r"\w of the pre-tokenizer Whitespace", word)
    print_runs("kNumeric", "what the pre-tokenizer Digits calls a digit", numeric)
    print_runs("kMark", "what StripAccents removes", {c for c in CODES if not normalizers.StripAccents().normalize_str(chr(c))})
    punctuation = splitting(pre_tokenizers.Punctuation(), "a")
    assert splitting(pre_tokenizers.BertPreTokenizer(), "a") == punctuation | space
    print_runs("kPunctuation", "what BertPreTokenizer and Punctuation isolate", punctuation)
    removed = bert_removed(space)
    print_runs("kBertRemoved", "what BertNormalizer's clean_text removes", removed)
    strip = bert(strip_accents=True)
    print_runs("kBertMark", "what BertNormalizer's strip_accents removes, once decomposed", {c for c in CODES if not strip(chr(c))})
    chinese = bert(handle_chinese_chars=True)
    print_runs("kBertHan", "what BertNormalizer's handle_chinese_chars puts spaces around", {c for c in CODES if chinese(chr(c)) != chr(c)})
    print_runs("kActive", "what a normal form changes, moves, or composes with the character before", active())
    print("\nstruct LowerRun {\n  uint32_t first, count, step;\n  int32_t delta;\n};")
    print("/// Code points with a lower case of one character, as Rust's char::to_lowercase.")
    print_array("constexpr LowerRun kLower[] = {", ["{%d, %d, %d, %d}" % run for run in lower()])
    print_newer(word)
    print("\n}  // namespace bessemer::data::tables")


if __name__ == "__main__":
    sys.exit(main())
