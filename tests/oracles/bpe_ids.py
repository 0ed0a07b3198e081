"""Compares BPE ids with Hugging Face tokenizers (and tiktoken, for GPT-2) on generated strings; exit 1 where any differs.

    python bpe_ids.py --gpt2 DIR --command "bessemer tokenize --tokenizer gpt2:DIR --json"
    python bpe_ids.py --file tokenizer.json --command "bessemer tokenize --tokenizer hf:tokenizer.json --json"

The command reads a JSON string a line and answers a JSON array of ids a line. --speed also times both on the lines of a text.
"""
import argparse
import json
import shlex
import subprocess
import sys
import threading
import time

from nasty_strings import strings
from tokenizers import Tokenizer, decoders, models, pre_tokenizers


def reference(given):
    if given.file:
        tokenizer = Tokenizer.from_file(given.file)
    else:
        tokenizer = Tokenizer(models.BPE.from_file(f"{given.gpt2}/vocab.json", f"{given.gpt2}/merges.txt"))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
    tokenizer.encode_special_tokens = True  # their texts are plain text
    return tokenizer


def witness(given):
    """tiktoken with GPT-2's ranks: a second opinion, also on strings that take Hugging Face too long."""
    import tiktoken

    chars = [c for c in range(256) if chr(c).isprintable() and c not in (0x20, 0xA0, 0xAD)]
    chars = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    to_byte = {chr(c): c for c in chars} | {chr(0x100 + i): c for i, c in enumerate(c for c in range(256) if c not in chars)}
    vocab = json.load(open(f"{given.gpt2}/vocab.json", encoding="utf-8"))
    ranks = {bytes(to_byte[c] for c in token): i for token, i in vocab.items() if token != "<|endoftext|>"}
    pattern = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
    encoding = tiktoken.Encoding("gpt2", pat_str=pattern, mergeable_ranks=ranks, special_tokens={"<|endoftext|>": 50256})
    return lambda text: encoding.encode(text, disallowed_special=())


def compare(given, encode, words):
    """Our command and `encode` on the same strings: how many were compared, how many differ."""
    process = subprocess.Popen(shlex.split(given.command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def feed():
        for text in strings(given.count, given.seed, words):
            process.stdin.write(json.dumps(text) + "\n")
        process.stdin.close()

    threading.Thread(target=feed, daemon=True).start()
    compared = different = 0
    for text in strings(given.count, given.seed, words):
        line = process.stdout.readline()
        if not line:
            sys.exit(f"the command ended at string {compared}: {text[:200]!r}")
        got, want = json.loads(line), encode(text)
        compared += 1
        if got != want:
            different += 1
            if different <= 10:
                print(f"string {compared - 1} {text[:200]!r}\n  got  {got[:60]}\n  want {want[:60]}")
    return compared, different


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--gpt2")
    options.add_argument("--file")
    options.add_argument("--command", required=True)
    options.add_argument("--count", type=int, default=1_000_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--tiktoken", action="store_true", help="compare with tiktoken instead (GPT-2)")
    given = options.parse_args()
    tokenizer = reference(given)
    words = [tokenizer.decode([i]) for i in range(0, tokenizer.get_vocab_size(), 7)]
    encode = witness(given) if given.tiktoken else lambda text: tokenizer.encode(text, add_special_tokens=False).ids
    began = time.monotonic()
    compared, different = compare(given, encode, words)
    print(f"{compared} strings against {'tiktoken' if given.tiktoken else 'tokenizers'}: {different} differ ({time.monotonic() - began:.0f} s)")
    sys.exit(different > 0)


if __name__ == "__main__":
    main()
