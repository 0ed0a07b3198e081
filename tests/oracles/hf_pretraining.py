#!/usr/bin/env python3
"""Holds a BERT pretraining run of ours against Hugging Face's BertForPreTraining, fed with the batches that the run saw.

    hf_pretraining.py make DIR VOCAB.TXT        a small random model of that vocabulary, for `bessemer import`
    hf_pretraining.py check RUN MODEL BESSEMER  replays RUN, which began from MODEL, step by step

Needs torch, transformers; run it where the run was started. The rows of each step are those that `bessemer data show RUN --step T --json` prints: masked tokens, what
stood there, segments, pair labels. fp32, no dropout, torch.optim.AdamW with the run's own options. Prints the greatest relative
difference of losses and gradient norms; exit 1 above 1e-5.
"""
import configparser, json, os, subprocess, sys

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
import transformers as hf

hf.logging.set_verbosity_error()
hf.logging.disable_progress_bar()
torch.set_num_threads(1)


def make(directory, vocab):
    torch.manual_seed(3)
    size = len([line for line in open(vocab, encoding="utf-8") if line.strip()])
    config = hf.BertConfig(vocab_size=size, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128,
                           max_position_embeddings=64, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.1)
    hf.BertForPreTraining(config).save_pretrained(directory)
    hf.BertTokenizer(vocab).save_pretrained(directory)


def batch_of(run, step, bessemer):
    """input_ids, attention_mask, token_type_ids, labels [rows, s], next_sentence_label [rows] or None."""
    shown = subprocess.run([bessemer, "data", "show", run, "--step", str(step), "--json"], check=True, capture_output=True, text=True).stdout
    rows = [json.loads(line) for line in shown.splitlines()]
    columns = {name: [] for name in ("ids", "mask", "segments", "labels")}
    for row in rows:
        made = {name: [] for name in columns}
        for number, part in enumerate(row["documents"]):
            n = len(part["ids"])
            made["ids"] += part["ids"]
            made["mask"] += [int(number == 0)] * n  # what follows the first document of a row of pairs is padding
            made["segments"] += part.get("segments", [0] * n)
            made["labels"] += [truth if shown == 0 else -100 for truth, shown in zip(part["truth"], part["shown"])]
        for name in columns:
            columns[name].append(made[name])
    labels = [row["pair_label"] for row in rows] if "pair_label" in rows[0] else None
    return {name: torch.tensor(values) for name, values in columns.items()}, labels


def loss_of(model, batch, pair_labels):
    out = model(input_ids=batch["ids"], attention_mask=batch["mask"], token_type_ids=batch["segments"])
    predicted = batch["labels"] >= 0
    loss = torch.nn.functional.cross_entropy(out.prediction_logits[predicted], batch["labels"][predicted])
    if pair_labels is not None:
        loss = loss + torch.nn.functional.cross_entropy(out.seq_relationship_logits, torch.tensor(pair_labels))
    return loss


def check(run, directory, bessemer):
    options = configparser.ConfigParser()
    options.read(f"{run}/config.ini")
    o = options["optimizer"]
    model = hf.BertForPreTraining.from_pretrained(directory, attn_implementation="eager").float().eval()
    model.bert.embeddings.word_embeddings.padding_idx = None  # a random id in a token's place may be [PAD]'s: a word like others
    parameters = list(model.parameters())
    groups = [{"params": [p for p in parameters if p.dim() > 1], "weight_decay": float(o["weight_decay"])},
              {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=(float(o["beta1"]), float(o["beta2"])), eps=float(o["eps"]))
    steps = [json.loads(line) for line in open(f"{run}/metrics.jsonl", encoding="utf-8")]
    worst = {"loss": 0.0, "grad_norm": 0.0}
    for ours in (s for s in steps if "loss" in s):
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(model, *batch_of(run, ours["step"], bessemer))
        loss.backward()
        theirs = {"loss": loss.item(), "grad_norm": torch.nn.utils.clip_grad_norm_(parameters, float(o["clip"])).item()}
        for name in worst:
            worst[name] = max(worst[name], abs(ours[name] / theirs[name] - 1))
        for group in optimizer.param_groups:
            group["lr"] = ours["lr"]
        optimizer.step()
        print(f"step {ours['step']}: loss {ours['loss']:.7f} here, {theirs['loss']:.7f} there; norm {ours['grad_norm']:.6f}, {theirs['grad_norm']:.6f}")
    print(f"greatest difference: loss {worst['loss']:.1e}, norm {worst['grad_norm']:.1e}")
    sys.exit(max(worst.values()) > 1e-5)


if sys.argv[1] == "make":
    make(*sys.argv[2:])
else:
    check(*sys.argv[2:])
