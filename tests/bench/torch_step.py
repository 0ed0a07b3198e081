#!/usr/bin/env python3
"""One training step in plain PyTorch: what a user would run instead of Bessemer. Prints one JSON line.

    torch_step.py --shape nanogpt|gpt2-124m|gpt2-124m-1024 --mode fp32|autocast|bf16 --adam fused|foreach --steps N [--threads 1]
                  [--device cuda] [--compile] [--dropout P]

SDPA, AdamW, clip by global norm 1, random batches of random tokens. autocast: fp32 weights, bf16 matrix products; bf16: weights,
gradients and Adam state all bf16. Needs torch 2.11.
"""
import time
started = time.time()
import argparse, json, resource, statistics
import torch
from torch import nn
from torch.nn import functional as F

SHAPES = {  # layers, heads, hidden, T, batch, vocabulary, biases, tanh GELU
    "nanogpt": (4, 4, 128, 64, 12, 65, False, False),
    "gpt2-124m": (12, 12, 768, 64, 4, 50257, True, True),
    "gpt2-124m-1024": (12, 12, 768, 1024, 16, 50304, True, True),  # a vocabulary padded as nanoGPT pads it
}


class Block(nn.Module):
    def __init__(self, hidden, heads, bias, tanh, dropout):
        super().__init__()
        self.p = dropout
        self.heads, self.gelu = heads, "tanh" if tanh else "none"
        self.ln_1, self.ln_2 = nn.LayerNorm(hidden, bias=bias), nn.LayerNorm(hidden, bias=bias)
        self.qkv, self.out = nn.Linear(hidden, 3 * hidden, bias=bias), nn.Linear(hidden, hidden, bias=bias)
        self.up, self.down = nn.Linear(hidden, 4 * hidden, bias=bias), nn.Linear(4 * hidden, hidden, bias=bias)

    def forward(self, x):
        b, t, h = x.shape
        q, k, v = (y.view(b, t, self.heads, h // self.heads).transpose(1, 2) for y in self.qkv(self.ln_1(x)).split(h, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=self.p)
        x = x + F.dropout(self.out(y.transpose(1, 2).reshape(b, t, h)), self.p)
        return x + F.dropout(self.down(F.gelu(self.up(self.ln_2(x)), approximate=self.gelu)), self.p)


class Gpt(nn.Module):
    def __init__(self, layers, heads, hidden, t, vocab, bias, tanh, dropout=0.0):
        super().__init__()
        self.p = dropout
        self.wte, self.wpe = nn.Embedding(vocab, hidden), nn.Embedding(t, hidden)
        self.blocks = nn.Sequential(*(Block(hidden, heads, bias, tanh, dropout) for _ in range(layers)))
        self.ln_f, self.head = nn.LayerNorm(hidden, bias=bias), nn.Linear(hidden, vocab, bias=False)
        self.apply(lambda m: nn.init.normal_(m.weight, 0.0, 0.02) if isinstance(m, (nn.Linear, nn.Embedding)) else None)
        self.head.weight = self.wte.weight

    def forward(self, x, y):
        logits = self.head(self.ln_f(self.blocks(F.dropout(self.wte(x) + self.wpe(torch.arange(x.shape[1], device=x.device)), self.p))))
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), y.view(-1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shape", choices=SHAPES, default="nanogpt")
    parser.add_argument("--mode", choices=["fp32", "autocast", "bf16"], default="fp32")
    parser.add_argument("--adam", choices=["fused", "foreach"], default="fused")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--compile", action="store_true", help="torch.compile the model")
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--accumulate", type=int, default=1, help="batches a step")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    layers, heads, hidden, t, batch, vocab, bias, tanh = SHAPES[args.shape]
    model = Gpt(layers, heads, hidden, t, vocab, bias, tanh, args.dropout).to(args.device)
    if args.mode == "bf16":
        model = model.bfloat16()
    adam = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1, **{args.adam: True})
    run = torch.compile(model) if args.compile else model
    tokens = torch.randint(vocab, (1_000_000,))
    ms, first = [], None
    for _ in range(args.steps):
        begin = time.perf_counter()
        for _ in range(args.accumulate):
            starts = torch.randint(len(tokens) - t, (batch,))
            x, y = (torch.stack([tokens[i + o:i + o + t] for i in starts]) for o in (0, 1))
            if args.device == "cuda":
                x, y = (z.pin_memory().to("cuda", non_blocking=True) for z in (x, y))
            with torch.autocast(args.device, torch.bfloat16, enabled=args.mode == "autocast"):
                loss = run(x, y) / args.accumulate
            loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        adam.zero_grad(set_to_none=True)
        loss = loss.item()
        ms.append(1e3 * (time.perf_counter() - begin))
        first = first or time.time() - started
    ms = ms[max(1, len(ms) // 10):]
    tokens_s = args.accumulate * batch * t / statistics.median(ms) * 1e3
    print(json.dumps({"program": "torch", "device": args.device, "compiled": args.compile, "tokens_per_s": round(tokens_s), "shape": args.shape, "mode": args.mode, "adam": args.adam, "ms_median": statistics.median(ms),
                      "ms_best": min(ms), "first_step_s": first, "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                      "loss": loss}))


main()
