"""Compares WordPiece ids with Hugging Face tokenizers on generated strings; exit 1 where any differs.

    python wordpiece_ids.py --vocab VOCAB.txt --command "bessemer tokenize --tokenizer wordpiece:VOCAB.txt --json"

The command reads a JSON string a line and answers a JSON array of ids a line. Among the strings are all code points, alone and
within words; the others are drawn from a seed. `--cased` leaves case and accents as they are on Hugging Face's side.
"""
import argparse
import sys

from bpe_ids import compare
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

def reference(vocab, cased):
    words = {line.rstrip(): i for i, line in enumerate(open(vocab, encoding="utf-8", newline="\n"))}
    tokenizer = Tokenizer(models.WordPiece(words, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=not cased)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer, [word for word in words if not word.startswith("[")]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--vocab", required=True)
    options.add_argument("--command", required=True)
    options.add_argument("--count", type=int, default=1_000_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--cased", action="store_true")
    given = options.parse_args()
    tokenizer, words = reference(given.vocab, given.cased)
    compared, different = compare(given, lambda text: tokenizer.encode(text, add_special_tokens=False).ids, words)
    print(f"{compared} strings, {'cased' if given.cased else 'uncased'}: {different} differ")
    sys.exit(different > 0)


if __name__ == "__main__":
    main()
