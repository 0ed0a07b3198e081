#!/usr/bin/env python3
"""nanoGPT's losses on any text, number by number: the oracle of tests/end_to_end/nanogpt_parity_test.cpp.

    nanogpt_losses.py --text FILE [--check nanogpt.tsv]       losses of iterations 0 ... 300, and the evaluations at 0 and 250
    nanogpt_losses.py --c10 TORCH_INCLUDE_DIR > nanogpt_c10_losses.tsv

A plain PyTorch loop (torch 2.11.0, fp32, CPU) of karpathy/nanoGPT 3adf61e, train.py and model.py, as
`train.py config/train_shakespeare_char.py --device=cpu --compile=False --eval_iters=20 --block_size=64 --batch_size=12 --n_layer=4 --n_head=4
--n_embd=128 --max_iters=2000 --lr_decay_iters=2000 --dropout=0.0` runs it, with the same order of draws from the default generator.
--c10: the text is every file under TORCH_INCLUDE_DIR/c10, sorted by path (byte order), concatenated; characters, as everywhere here.
--check compares with recorded losses (iteration TAB loss, as printed to 4 decimals) and fails beyond 1e-3 to 100, 5e-3 to 300.
"""
import argparse, math, os, sys
import torch
from torch import nn
from torch.nn import functional as F

LAYERS, HEADS, HIDDEN, T, BATCH, STEPS, LR = 4, 4, 128, 64, 12, 2000, 1e-3


class Norm(nn.Module):  # LayerNorm without bias
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(HIDDEN))

    def forward(self, x):
        return F.layer_norm(x, (HIDDEN,), self.weight, None, 1e-5)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.c_attn = nn.Linear(HIDDEN, 3 * HIDDEN, bias=False)
        self.c_proj = nn.Linear(HIDDEN, HIDDEN, bias=False)

    def forward(self, x):
        b, t, h = x.shape
        q, k, v = (y.view(b, t, HEADS, h // HEADS).transpose(1, 2) for y in self.c_attn(x).split(HIDDEN, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(y.transpose(1, 2).reshape(b, t, h))


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.c_fc = nn.Linear(HIDDEN, 4 * HIDDEN, bias=False)
        self.c_proj = nn.Linear(4 * HIDDEN, HIDDEN, bias=False)

    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x)))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1, self.attn, self.ln_2, self.mlp = Norm(), Attention(), Norm(), Mlp()

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Gpt(nn.Module):
    def __init__(self, vocab):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocab, HIDDEN), nn.Embedding(T, HIDDEN)
        self.h = nn.ModuleList(Block() for _ in range(LAYERS))
        self.ln_f = Norm()
        self.lm_head = nn.Linear(HIDDEN, vocab, bias=False)
        self.wte.weight = self.lm_head.weight
        self.apply(lambda m: nn.init.normal_(m.weight, 0.0, 0.02) if isinstance(m, (nn.Linear, nn.Embedding)) else None)
        for name, p in self.named_parameters():
            if name.endswith("c_proj.weight"):
                nn.init.normal_(p, 0.0, 0.02 / math.sqrt(2 * LAYERS))

    def forward(self, x, y):
        z = self.wte(x) + self.wpe(torch.arange(x.shape[1]))
        for block in self.h:
            z = block(z)
        logits = self.lm_head(self.ln_f(z))
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), y.view(-1))


def learning_rate(it):
    if it < 100:
        return LR * (it + 1) / 101
    return LR / 10 + 0.5 * (1 + math.cos(math.pi * (it - 100) / (STEPS - 100))) * (LR - LR / 10)


def batch(tokens):
    starts = torch.randint(len(tokens) - T, (BATCH,))
    return (torch.stack([tokens[i + o:i + o + T] for i in starts]) for o in (0, 1))


def run(text, iterations):
    """Yields (iteration, batch loss, None or (train, val) evaluation before it)."""
    ids = {c: i for i, c in enumerate(sorted(set(text)))}
    tokens = torch.tensor([ids[c] for c in text])
    train, val = tokens[:int(len(text) * 0.9)], tokens[int(len(text) * 0.9):]
    torch.manual_seed(1337)
    model = Gpt(len(ids))
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    adam = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}], lr=LR, betas=(0.9, 0.99))
    x, y = batch(train)
    for it in range(iterations + 1):
        for group in adam.param_groups:
            group["lr"] = learning_rate(it)
        evaluation = None
        if it % 250 == 0:
            with torch.no_grad():
                evaluation = tuple(sum(model(*batch(part)).item() for _ in range(20)) / 20 for part in (train, val))
        loss = model(x, y)
        x, y = batch(train)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        adam.zero_grad(set_to_none=True)
        yield it, loss.item(), evaluation


def c10_text(include):
    paths = [os.path.join(d, f) for d, _, files in os.walk(os.path.join(include, "c10")) for f in files]
    return "".join(open(p, encoding="utf-8", newline="").read() for p in sorted(paths, key=lambda p: p.encode()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--text")
    source.add_argument("--c10")
    parser.add_argument("--check")
    parser.add_argument("--iterations", type=int, default=300)
    args = parser.parse_args()
    text = c10_text(args.c10) if args.c10 else open(args.text, encoding="utf-8", newline="").read()
    wanted = {}
    if args.check:
        wanted = {int(a): float(b) for a, b in (line.split()[:2] for line in open(args.check) if line[0].isdigit())}
    print(f"# {len(text)} characters, {len(set(text))} distinct; torch {torch.__version__}, {torch.get_num_threads()} threads")
    print("# iteration, batch loss; where evaluated, train and validation loss (20 batches each) before it")
    worst = {100: 0.0, 300: 0.0}
    for it, loss, evaluation in run(text, args.iterations):
        print(it, f"{loss:.6f}", *(f"{e:.6f}" for e in evaluation or ()), sep="\t", flush=True)
        if it in wanted:
            worst[100 if it <= 100 else 300] = max(worst[100 if it <= 100 else 300], abs(loss - wanted[it]))
    if wanted:
        print(f"greatest difference to iteration 100: {worst[100]:.6f}, to 300: {worst[300]:.6f}", file=sys.stderr)
        sys.exit(worst[100] > 1e-3 or worst[300] > 5e-3)


main()
