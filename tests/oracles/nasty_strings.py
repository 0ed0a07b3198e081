"""Strings that are hard on tokenizers, drawn from a seed: every code point, all scripts, white space, marks, emoji, long ones."""
import random

SPACES = "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u180e\u2000\u2003\u2007\u200a\u200b\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
MARKS = [chr(c) for c in (*range(0x300, 0x370), *range(0x591, 0x5C8), *range(0x64B, 0x660), 0x5BF, *range(0xE31, 0xE4F), 0x302E,
                          0x302F, *range(0x1DC0, 0x1E00), *range(0x20D0, 0x20F1), 0x1D165, 0x1D166, 0x1D16D, 0xFE20, 0xFE2F,
                          0x8D3, 0x1ABF, 0x1AC0, 0x16FF0, 0x93C, 0x94D, 0x9BC, 0xBBE, 0x3099, 0x309A, 0x11930, 0x1E94A)]
EMOJI = ["\U0001F468\u200d\U0001F469\u200d\U0001F467", "\U0001F1E9\U0001F1EA", "\u2764\ufe0f", "\U0001F44D\U0001F3FD",
          "1\ufe0f\u20e3",
          "\U0001F3F4\U000E0067\U000E0062\U000E007F", "\U0001FAE8", "\U0001F9D1\u200d\U0001F4BB"]
TRICKY = ["\u0130", "I\u0307", "\u03a3", "\u03c2", "\u1e9e", "\ufb03", "\u01c5", "\u212a", "\u2126", "\u212b",
          "\u1ffc", "\uac00", "\ud7a3", "\u1100\u1161\u11a8",
          "\u0344", "\u0958", "\ufb1d", "\U0001D15E", "\u2260", "=\u0338", "\ufdfa", "\u3300", "\u4e00", "\u9fff",
          "\ua000", "\u3400", "\U00020000",
          "\U0002B81F", "\U0002B820", "\U0002B91F", "\U0002B920", "\U0002CEAF", "\U0002F800", "\uf900", "\ufffd",
          "\ufffe", "\ue000",
          "\U000F0000", "\U0010FFFD", "\U0010FFFF", "\xad", "\u200d", "\u061c", "\u2066", "\0", "\x01", "\x7f",
          "\x9f", "[UNK]", "[CLS]", "##a",
          "##", "#", "'", "n't", "don't", "$", "^", "`", "~", "<|endoftext|>", "\u0df4", "\u2e43", "\u2e52",
          "\U00010D6E", "\u1c80", "\u10a0", "\u13a0", "\uab70"]


def any_code(draw):
    while True:
        code = draw.randrange(0x110000)
        if not 0xD800 <= code < 0xE000:
            return chr(code)


def script(draw):
    """Characters of one block of 128, from the planes that have letters, in words."""
    block = draw.choice([draw.randrange(0, 0x1B0), draw.randrange(0, 0x600), draw.randrange(0x200, 0x3E0)]) * 128
    if 0xD800 <= block < 0xE000:
        block = 0x400
    return "".join(" " if draw.random() < 0.15 else chr(block + draw.randrange(128)) for _ in range(draw.randrange(1, 40)))


def marked(draw):
    bases = "aeiouAEIOUnsz=<>\u05d0\u0627\u0e01\u0915\u304b\u1100\u4e00 "
    return "".join(draw.choice(bases) + "".join(draw.choices(MARKS, k=draw.randrange(0, 5))) for _ in range(draw.randrange(1, 10)))


def glued(draw, words):
    text = "".join(draw.choice(words).removeprefix("##") + draw.choice(["", "", " "]) for _ in range(draw.randrange(1, 12)))
    return text.upper() if draw.random() < 0.1 else text.title() if draw.random() < 0.2 else text


def mixed(draw, words):
    parts = [lambda: draw.choice(words), lambda: draw.choice(TRICKY), lambda: draw.choice(EMOJI), lambda: draw.choice(SPACES),
             lambda: draw.choice(MARKS), lambda: any_code(draw), lambda: chr(draw.randrange(0x100)), lambda: chr(draw.randrange(0x3000))]
    return "".join(draw.choice(parts)() for _ in range(draw.randrange(1, 25)))


def long_word(draw):
    """Around the 100 characters beyond which a word is unknown, in one to four bytes each."""
    letter = draw.choice(["a", "\xe9", "\u0436", "\u0915", "\uac00", "\U00010400", "e\u0301"])
    return draw.choice(["", "x "]) + letter * draw.randrange(96, 104) + draw.choice(["", "\u0301", "b", "\u200d", "!"])


def strings(count, seed, words):
    draw = random.Random(seed)
    fixed = ["", " ", "\n", "a" * 100, "a" * 101, "ab" * 500_000, "a " * 500_000, "\u0301" * 20_000, "\u4e00" * 50_000, *TRICKY, *EMOJI, *SPACES]
    codes = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    for text in fixed:
        yield text
    for at in range(0, len(codes), 4):
        yield "".join(f"{c} ab{c}cd " for c in codes[at : at + 4])
    for _ in range(count - len(fixed) - (len(codes) + 3) // 4):
        kind = draw.randrange(20)
        if kind < 5:
            yield script(draw)
        elif kind < 9:
            yield marked(draw)
        elif kind < 13:
            yield glued(draw, words)
        elif kind < 19:
            yield mixed(draw, words)
        else:
            yield long_word(draw)
