#!/usr/bin/env python3
"""Makes tests/oracles/hf/CASE/training.tsv: losses and gradient norms of 20 AdamW steps of PyTorch from the models of tests/oracles/hf/.

    hf_training.py HF_DIR [CASE ...]        needs torch, transformers, safetensors; made with torch 2.15.0, transformers 5.24.0

fp32, eval mode (no dropout), one thread, eager attention. Row k of the run is ids(k); step t takes rows [4 t, 4 t + 4). A causal model
predicts each next token; BERT the tokens at masked(k), which it sees as the last id. Id 0 never comes: it is BERT's padding, whose
embedding has no gradient there. (Not qwen3: at step 20 PyTorch's own norm moves by 2e-5 where its weights move by 1e-7.)
torch.optim.AdamW with lr 2e-3, betas 0.9 and 0.95, eps 1e-8, weight decay 0.1 for what has two dimensions, clip_grad_norm_ to 0.5,
constant learning rate. tests/end_to_end/pretrained_training_test.cpp feeds the same rows to our trainer.
"""
import os, sys

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
import transformers as hf

VOCAB, SEQ, ROWS, STEPS = 37, 11, 4, 20
ids = lambda k, n: [1 + (7 * k + i * (k % 5 + 2) + i * i % 3) % (VOCAB - 2) for i in range(n)]
masked = lambda k, i: (k + i) % 4 == 0


def mean_loss(model, first):
    rows = range(first, first + ROWS)
    if isinstance(model, hf.BertForPreTraining):
        truth = torch.tensor([ids(k, SEQ) for k in rows])
        hidden = torch.tensor([[masked(k, i) for i in range(SEQ)] for k in rows])
        logits = model(input_ids=truth.masked_fill(hidden, VOCAB - 1)).prediction_logits
        return torch.nn.functional.cross_entropy(logits[hidden], truth[hidden])
    truth = torch.tensor([ids(k, SEQ + 1) for k in rows])
    logits = model(input_ids=truth[:, :-1]).logits
    return torch.nn.functional.cross_entropy(logits.reshape(-1, VOCAB), truth[:, 1:].reshape(-1))


def train(directory):
    model = getattr(hf, hf.AutoConfig.from_pretrained(directory).architectures[0]).from_pretrained(directory, attn_implementation="eager").float().eval()
    named = list(model.named_parameters())
    groups = [{"params": [p for _, p in named if p.dim() > 1], "weight_decay": 0.1}, {"params": [p for _, p in named if p.dim() < 2], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=2e-3, betas=(0.9, 0.95), eps=1e-8)
    with open(f"{directory}/training.tsv", "w", encoding="utf-8") as out:
        out.write("step\tloss\tgrad_norm\n")
        for step in range(STEPS):
            optimizer.zero_grad(set_to_none=True)
            loss = mean_loss(model, step * ROWS)
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            out.write(f"{step + 1}\t{loss.item():.9g}\t{norm.item():.9g}\n")


torch.set_num_threads(1)
hf.logging.set_verbosity_error()
hf.logging.disable_progress_bar()
for case in sys.argv[2:] or ["gpt2", "llama", "llama-3", "mistral", "qwen2", "bert"]:
    train(f"{sys.argv[1]}/{case}")
