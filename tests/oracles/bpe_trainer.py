#!/usr/bin/env python3
"""Compares a tokenizer.json of ours with what Hugging Face's BpeTrainer makes of the same text.

    bpe_trainer.py OURS.json TEXT... --documents file|lines [--vocab N] [--min-frequency N] [--max-token-length N]

--documents lines gives the files to Tokenizer.train, which takes each line with its line end as one text; file gives each file as
one text. Special tokens and, unless told, the vocabulary's size are taken from OURS.json. Prints the reference's time and peak
memory; the exit code is 0 where vocabulary, merges and added tokens are equal, and the ids of each text's first 20,000 lines.
Needs: pip install tokenizers==0.23.3
"""
import argparse, json, resource, sys, time

import tokenizers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers


def train(args, special_tokens, vocab_size):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=args.min_frequency,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=special_tokens,
        show_progress=False,
        **({"max_token_length": args.max_token_length} if args.max_token_length else {}),
    )
    if args.documents == "lines":
        tokenizer.train(args.texts, trainer)
    else:
        tokenizer.train_from_iterator((read(path) for path in args.texts), trainer)
    return tokenizer


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def difference(ours, theirs):
    """The first difference of two lists in words, or None."""
    for i, (a, b) in enumerate(zip(ours, theirs)):
        if a != b:
            return f"place {i}: ours {a!r}, theirs {b!r}"
    return None if len(ours) == len(theirs) else f"{len(ours)} of ours, {len(theirs)} of theirs"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ours")
    parser.add_argument("texts", nargs="+")
    parser.add_argument("--documents", choices=["file", "lines"], required=True)
    parser.add_argument("--vocab", type=int)
    parser.add_argument("--min-frequency", type=int, default=0)
    parser.add_argument("--max-token-length", type=int)
    args = parser.parse_args()

    ours = json.loads(read(args.ours))
    special_tokens = [token["content"] for token in ours["added_tokens"]]
    start = time.perf_counter()
    tokenizer = train(args, special_tokens, args.vocab or len(ours["model"]["vocab"]))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    theirs = json.loads(tokenizer.to_str())

    by_id = lambda vocab: sorted(vocab.items(), key=lambda entry: entry[1])
    found = {
        "vocabulary": difference(by_id(ours["model"]["vocab"]), by_id(theirs["model"]["vocab"])),
        "merges": difference(ours["model"]["merges"], theirs["model"]["merges"]),
        "added tokens": difference(ours["added_tokens"], theirs["added_tokens"]),
    }
    loaded = Tokenizer.from_file(args.ours)
    for path in args.texts:
        lines = read(path).splitlines(keepends=True)[:20000]
        encoded = zip(loaded.encode_batch(lines), tokenizer.encode_batch(lines))
        found[f"ids of {path} (20,000 lines)"] = difference(*zip(*((a.ids, b.ids) for a, b in encoded))) if lines else None
    print(f"tokenizers {tokenizers.__version__}: {seconds:.2f} s, peak {peak:.0f} MiB, "
          f"{len(theirs['model']['vocab'])} tokens, {len(theirs['model']['merges'])} merges")
    for what, words in found.items():
        print(f"{what}: {words or 'equal'}")
    sys.exit(any(found.values()))


if __name__ == "__main__":
    main()
