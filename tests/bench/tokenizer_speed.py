"""Our tokenizers beside the references, on one core, in one run, on the same text: MB/s (10^6), the best of five rounds each.

    taskset -c 0 python tokenizer_speed.py --bench build/cpu/tests/tokenizer_bench --text FILE --gpt2 DIR --hf FILE --wordpiece FILE \
        --unigram FILE.model --bpe FILE.model
"""
import argparse
import os
import subprocess
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"


def best(encode, calls, size):
    rates = []
    for _ in range(5):
        began = time.perf_counter()
        for call in calls:
            encode(call)
        rates.append(size / 1e6 / (time.perf_counter() - began))
    return max(rates)


def ours(bench, spec, text, lines):
    out = subprocess.run([bench, spec, text, str(lines)], capture_output=True, text=True, check=True).stdout
    return max(float(x) for x in out.split("MB/s")[0].split())


def references(given):
    import sentencepiece
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    from bpe_ids import witness

    gpt2 = Tokenizer(models.BPE.from_file(f"{given.gpt2}/vocab.json", f"{given.gpt2}/merges.txt"))
    gpt2.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words = {line.rstrip("\n"): i for i, line in enumerate(open(given.wordpiece, encoding="utf-8"))}
    bert = Tokenizer(models.WordPiece(words, unk_token="[UNK]"))
    bert.normalizer, bert.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    llama = Tokenizer.from_file(given.hf)
    pieces = {name: sentencepiece.SentencePieceProcessor(model_file=path) for name, path in (("unigram", given.unigram), ("bpe", given.bpe))}
    return [("gpt2:" + given.gpt2, "tiktoken", witness(given)), ("gpt2:" + given.gpt2, "tokenizers", gpt2.encode),
            ("hf:" + given.hf, "tokenizers", llama.encode), ("wordpiece:" + given.wordpiece, "tokenizers", bert.encode),
            ("sentencepiece:" + given.unigram, "sentencepiece", pieces["unigram"].encode),
            ("sentencepiece:" + given.bpe, "sentencepiece", pieces["bpe"].encode)]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("bench", "text", "gpt2", "hf", "wordpiece", "unigram", "bpe"):
        options.add_argument("--" + name, required=True)
    given = options.parse_args()
    text = open(given.text, encoding="utf-8").read()
    size, lines = len(text.encode()), text.splitlines(keepends=True)
    print("| tokenizer | reference | lines a call | ours | reference | times |\n|---|---|---|---|---|---|")
    for spec, name, encode in references(given):
        for n in (1, 64):
            calls = ["".join(lines[i : i + n]) for i in range(0, len(lines), n)]
            mine, theirs = ours(given.bench, spec, given.text, n), best(encode, calls, size)
            print(f"| {spec.split(':')[0]} {os.path.basename(spec)} | {name} | {n} | {mine:.1f} | {theirs:.1f} | {mine / theirs:.1f} |", flush=True)


if __name__ == "__main__":
    import sys

    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "oracles"))
    main()
