#!/usr/bin/env python3
"""Compares our ids and texts with PyPI sentencepiece (0.2.3) on many nasty strings.

  tests/oracles/sentencepiece_ids.py --command "build/cpu/bessemer tokenize" --model a.model --train text.txt --strings 300000

The command is run as COMMAND --tokenizer sentencepiece:FILE --json [--decode]: a JSON string a line becomes a JSON array of ids
a line, and with --decode the other way. --train also trains small models with other options, on the texts given. Exit code 1 and
the first differences where there are any.
"""
import argparse
import io
import json
import pathlib
import random
import shlex
import subprocess
import sys
import tempfile
import threading
import time

import sentencepiece

SPACES = " \t\n\r\v\f\x85\xa0\u1680\u2000\u2003\u2007\u2009\u200a\u2028\u2029\u202f\u205f\u3000\u2581\ufeff\u200b\u180e"
CONTROLS = "\0\x01\x07\x08\x1b\x7f\x80\x9f\xad\u200c\u200d\u200e\u2060\u2066\ufff9\ufffd\ufffe\uffff\U000e0001\U0010ffff\ufdd0"
MARKS = "\u0300\u0301\u0308\u030a\u0323\u0327\u0345\u0591\u064b\u093c\u0941\u0e31\u0eb4\u1ab0\u20d0\u3099\u302a\ufe20\U0001d165"
PIECES_OF_EMOJI = ["\U0001F468", "\U0001F469", "\u200d", "\ufe0f", "\U0001F3FD", "\u2764", "\U0001F1E9", "\U0001F1EA", "#\ufe0f\u20e3",
                   "\U0001F600", "\U0001F3F4", "\U000e0067", "\U000e007f", "\U0001FAE0"]
# First and last code point of what a string may be about.
RANGES = [(0x20, 0x7E), (0xA0, 0x24F), (0x250, 0x36F), (0x370, 0x52F), (0x531, 0x5F4), (0x600, 0x6FF), (0x900, 0xDFF),
          (0xE00, 0xFFF), (0x1000, 0x109F), (0x10A0, 0x13FF), (0x1400, 0x18AF), (0x1E00, 0x1FFF), (0x2000, 0x2BFF),
          (0x2E80, 0x31FF), (0x3200, 0x33FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xA000, 0xABFF), (0xAC00, 0xD7FF),
          (0xE000, 0xF8FF), (0xF900, 0xFDFF), (0xFE00, 0xFFFF), (0x10000, 0x10FFF), (0x12000, 0x13FFF), (0x16800, 0x18AFF),
          (0x1D000, 0x1D7FF), (0x1F000, 0x1FAFF), (0x20000, 0x323AF), (0xE0000, 0xE01EF), (0x100000, 0x10FFFF)]


class Strings:
    """Nasty strings for one model, the same ones for the same seed."""

    def __init__(self, model, words, seed):
        self.random = random.Random(seed)
        self.words = words
        self.pieces = [model.id_to_piece(i).replace("\u2581", " ") for i in range(model.get_piece_size())]
        self.kinds = [self.text, self.of_pieces, self.repeated, self.of_ranges, self.mixed, self.spaced, self.emoji, self.marked]

    def some(self, of, most):
        return self.random.choices(of, k=self.random.randint(0, most))

    def text(self):
        return " ".join(self.some(self.words, 12))

    def of_pieces(self):
        return "".join(self.some(self.pieces, 12))

    def repeated(self):
        unit = self.random.choice([self.random.choice(self.pieces), self.random.choice(self.words)[:4], self.of_ranges()[:3]])
        text = unit * self.random.randint(1, 40)
        return text[self.random.randint(0, len(unit)):] + self.random.choice(["", self.random.choice(self.pieces)])

    def of_ranges(self):
        first, last = self.random.choice(RANGES)
        codes = [self.random.randint(first, last) for _ in range(self.random.randint(1, 10))]
        return "".join(chr(c) for c in codes if not 0xD800 <= c <= 0xDFFF)

    def mixed(self):
        return "".join(self.random.choice(self.kinds[:4] + self.kinds[5:])()[:12] for _ in range(self.random.randint(1, 5)))

    def spaced(self):
        parts = []
        for word in self.some(self.words, 8):
            parts += [word, "".join(self.some(self.random.choice([SPACES, " ", " \u2581", CONTROLS]), 4))]
        self.random.shuffle(parts)
        return "".join(parts)

    def emoji(self):
        return "".join(self.some(PIECES_OF_EMOJI, 8))

    def marked(self):
        return "".join(c + "".join(self.some(MARKS, 3)) for c in self.random.choice(self.words) + self.of_ranges())

    def one(self):
        if self.random.random() < 0.0001:
            return "".join(self.random.choice(self.kinds)() for _ in range(3000))  # a long one
        return self.random.choice(self.kinds)()

    def huge(self, length):
        """A few of about `length` bytes: text, one letter, a tie, no piece's characters, all kinds."""
        yield " ".join(self.random.choices(self.words, k=length // 6))
        yield "a" * length
        yield "the" * (length // 3)
        yield "".join(chr(0x4E00 + self.random.randint(0, 20000)) for _ in range(length // 3))
        parts, size = [], 0
        while size < length:
            parts.append(self.random.choice(self.kinds)())
            size += len(parts[-1].encode())
        yield "".join(parts)


class Ours:
    """Our tokenizer as a process: a line in, a line out."""

    def __init__(self, command, model, *options):
        self.process = subprocess.Popen(shlex.split(command) + ["--tokenizer", f"sentencepiece:{model}", "--json", *options],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def answers(self, questions):
        def write():
            for question in questions:
                self.process.stdin.write(json.dumps(question, ensure_ascii=False).encode() + b"\n")
            self.process.stdin.flush()

        writer = threading.Thread(target=write)
        writer.start()
        found = [self.process.stdout.readline() for _ in questions]
        writer.join()
        return [json.loads(line) for line in found]

    def close(self):
        self.process.stdin.close()
        if self.process.wait() != 0:
            sys.exit(f"our command ended with {self.process.returncode}")


def with_types(model, type_of):
    """The model with the types of pieces changed. A later field replaces an earlier one, so that the new type is put behind."""
    out, at, index = bytearray(), 0, 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = model[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def encoded(value):
        digits = bytearray()
        while value >= 0x80:
            digits.append(value & 0x7F | 0x80)
            value >>= 7
        return bytes(digits + bytes([value]))

    while at < len(model):
        key = varint()
        assert key & 7 == 2, "a ModelProto has only messages"
        size = varint()
        body = model[at:at + size]
        at += size
        if key >> 3 == 1:
            new = type_of(index)
            index += 1
            if new is not None:
                body += bytes([0x18, new])
        out += encoded(key) + encoded(len(body)) + body
    return bytes(out)


def train(texts, folder):
    """Small models with options that the two stored ones do not have."""
    lines = [line for text in texts for line in text.split("\n") if line.strip()][:4000]
    common = dict(vocab_size=700, num_threads=1, minloglevel=2, character_coverage=0.999)
    symbols = ["<ctl>", "of the", "the", "\u2581qu", "  ", "\u00e9", "thethe", "12"]
    variants = {
        "unigram-suffix": dict(treat_whitespace_as_suffix=True),
        "unigram-user": dict(user_defined_symbols=symbols, control_symbols=["<x>"]),
        "unigram-bare": dict(add_dummy_prefix=False, remove_extra_whitespaces=False, normalization_rule_name="identity"),
        "unigram-phrases": dict(split_by_whitespace=False, split_by_unicode_script=False, split_by_number=False),
        "unigram-bytes": dict(byte_fallback=True, normalization_rule_name="nfkc_cf", vocab_size=900),
        "unigram-no-unk": dict(byte_fallback=True, unk_id=-1, bos_id=0, eos_id=1, vocab_size=900),
        "bpe-suffix": dict(model_type="bpe", treat_whitespace_as_suffix=True),
        "bpe-user": dict(model_type="bpe", user_defined_symbols=symbols, pad_id=3),
        "bpe-phrases": dict(model_type="bpe", split_by_whitespace=False, add_dummy_prefix=False, remove_extra_whitespaces=False),
        "bpe-folded": dict(model_type="bpe", normalization_rule_name="nmt_nfkc_cf", byte_fallback=True, vocab_size=900),
    }
    for name, options in variants.items():
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(lines), model_writer=model, **{**common, **options})
        (folder / f"{name}.model").write_bytes(model.getvalue())
        if name in ("bpe-user", "bpe-folded", "bpe-phrases", "unigram-bare"):
            # One piece in five unused, but for those that come first and are none of text.
            unused = with_types(model.getvalue(), lambda i: 5 if i > 270 and i % 5 == 0 else None)
            (folder / f"{name}-unused.model").write_bytes(unused)
    return sorted(folder.glob("*.model"))


def differences(path, arguments, words):
    reference = sentencepiece.SentencePieceProcessor(model_file=str(path))
    strings = Strings(reference, words, arguments.seed)
    ours, texts = Ours(arguments.command, path), Ours(arguments.command, path, "--decode")
    found, done, began = [], 0, time.monotonic()

    def compare(batch):
        nonlocal done
        expected = reference.encode(batch, num_threads=1)
        for text, want, got in zip(batch, expected, ours.answers(batch)):
            if want != got:
                found.append(("encode", text[:200], want[:50], got[:50]))
        # Texts of the ids, and of ids that no text gives.
        some = expected[::4] + [strings.some(range(reference.get_piece_size()), 12) for _ in batch[::8]]
        for ids, got in zip(some, texts.answers(some)):
            want = reference.decode(ids)
            if want != got:
                found.append(("decode", ids[:50], want[:200], got[:200]))
        done += len(batch)

    compare(["", " ", "\u2581", "\0", "  ", "a", "\n"])
    while done < arguments.strings:
        compare([strings.one() for _ in range(min(4000, arguments.strings))])
    for text in strings.huge(arguments.huge) if arguments.huge else []:
        compare([text])
    ours.close(), texts.close()
    print(f"{path.name}: {len(found)} differences in {done} strings, {time.monotonic() - began:.0f} s", flush=True)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--command", required=True, help="what tokenizes, without --tokenizer")
    parser.add_argument("--model", action="append", default=[], type=pathlib.Path)
    parser.add_argument("--train", action="append", default=[], type=pathlib.Path, help="texts to train more models from")
    parser.add_argument("--text", action="append", default=[], type=pathlib.Path, help="texts whose words the strings have")
    parser.add_argument("--strings", type=int, default=300000)
    parser.add_argument("--huge", type=int, default=0, help="bytes of a few very long strings, for example 10000000")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print(f"sentencepiece {sentencepiece.__version__}")
    texts = [path.read_text(encoding="utf-8") for path in arguments.train + arguments.text]
    words = sorted(set(" ".join(texts).split())) or ["the", "quick", "brown", "fox"]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        models = arguments.model + (train(texts, pathlib.Path(folder)) if arguments.train else [])
        for path in models:
            found += [(path.name, *each) for each in differences(path, arguments, words)]
    for each in found[:20]:
        print(each)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
