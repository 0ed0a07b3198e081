#!/usr/bin/env python3
"""Embeddings of texts by Hugging Face's models, beside `bessemer embed`.

    hf_embed.py OUT_DIR               makes tests/oracles/embed/; needs torch, transformers, tokenizers, safetensors, numpy; made with
                                      torch 2.15.0, transformers 5.24.0
    hf_embed.py --check MODEL_DIR --texts texts.txt --embeddings out.npy [--pool mean|cls] [--normalize] [--max-tokens N]

A case is config.json, model.safetensors of the bare model (no head), tokenizer.json, texts.txt and embeddings.safetensors: mean, cls
(fp32 [lines, hidden]) and mean_normalized. Each text is computed alone, without padding, cut to the model's positions. --check does
the same with any directory and compares: 1e-5 of the largest entry. For all-MiniLM-L6-v2 it is given with --normalize --max-tokens 256.
"""
import argparse, os, string, sys

os.environ["HF_HUB_OFFLINE"] = "1"
import numpy
import torch
import transformers as hf
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from hf_models import randomise

TEXTS = ["hello there", "", "a", "one text that is longer than the model has positions, and is cut", "Hello THERE.", "x, y and z"]
SHAPE = dict(hidden_size=18, num_hidden_layers=2, num_attention_heads=2, intermediate_size=22, layer_norm_eps=3e-4)


def bert():
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = list(string.ascii_lowercase + ",.")
    vocab = {t: i for i, t in enumerate(special + letters + ["##" + c for c in letters] + ["hello", "the", "##re"])}
    t = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    t.normalizer, t.pre_tokenizer, t.decoder = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer(), decoders.WordPiece()
    t.add_special_tokens(special)
    t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return hf.BertModel(hf.BertConfig(vocab_size=len(vocab), max_position_embeddings=16, **SHAPE), add_pooling_layer=True), t


def roberta():
    vocab = {t: i for i, t in enumerate(["<s>", "<pad>", "</s>", "<unk>", "<mask>", "\u0120"] + [chr(c) for c in range(33, 127)])}
    t = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    t.pre_tokenizer, t.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    t.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    t.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return hf.RobertaModel(hf.RobertaConfig(vocab_size=len(vocab), max_position_embeddings=18, type_vocab_size=1, **SHAPE)), t


@torch.no_grad()
def embed(model, tokenizer, texts, most):
    tokenizer.no_padding()
    tokenizer.enable_truncation(most)
    out = {"mean": [], "cls": []}
    for text in texts:
        x = model(input_ids=torch.tensor([tokenizer.encode(text).ids])).last_hidden_state[0]
        out["mean"].append(x.mean(0))
        out["cls"].append(x[0])
    out = {k: torch.stack(v) for k, v in out.items()}
    return out | {f"{k}_normalized": torch.nn.functional.normalize(v, dim=1) for k, v in out.items()}


def make(name, directory):
    torch.manual_seed(0)
    model, tokenizer = {"bert": bert, "roberta": roberta}[name]()
    randomise(model.eval(), sum(map(ord, name)))
    model.save_pretrained(directory)
    tokenizer.save(f"{directory}/tokenizer.json")
    with open(f"{directory}/texts.txt", "w") as f:
        f.writelines(t + "\n" for t in TEXTS)
    found = embed(model, tokenizer, TEXTS, 16)
    save_file({k: found[k] for k in ("mean", "cls", "mean_normalized")}, f"{directory}/embeddings.safetensors")


def check(args):
    model = hf.AutoModel.from_pretrained(args.check).float().eval()
    texts = open(args.texts, encoding="utf-8", newline="\n").read().removesuffix("\n").split("\n")
    most = args.max_tokens or model.config.max_position_embeddings - (2 if model.config.model_type == "roberta" else 0)
    found = embed(model, Tokenizer.from_file(f"{args.check}/tokenizer.json"), texts, most)
    theirs = found[args.pool + ("_normalized" if args.normalize else "")].numpy()
    ours = numpy.load(args.embeddings)
    if ours.shape != theirs.shape:
        sys.exit(f"{args.embeddings}: shape {ours.shape}, {theirs.shape} is expected")
    worst = abs(ours - theirs).max() / abs(theirs).max()
    print(f"{len(texts)} texts: largest difference {worst:.1e} of the largest entry")
    sys.exit(bool(worst > 1e-5))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", nargs="?")
    parser.add_argument("--check")
    parser.add_argument("--texts")
    parser.add_argument("--embeddings")
    parser.add_argument("--pool", default="mean")
    parser.add_argument("--normalize", action="store_true")
    parser.add_argument("--max-tokens", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    hf.logging.set_verbosity_error()
    hf.logging.disable_progress_bar()
    if args.check:
        return check(args)
    for name in ("bert", "roberta"):
        make(name, f"{args.directory}/{name}")


if __name__ == "__main__":
    main()
