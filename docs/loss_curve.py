#!/usr/bin/env python3
"""Draws the loss curves of runs as one SVG, with nothing but Python: loss_curve.py OUT.svg NAME=RUN_DIRECTORY..."""
import json, sys

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 720, 340, 52, 40, 20, 16
COLOURS = ["#1f6feb", "#d1495b", "#2a9d8f", "#8d6a9f"]


def curves(arguments):
    for argument in arguments:
        name, _, path = argument.partition("=")
        rows = [json.loads(line) for line in open(f"{path}/metrics.jsonl")]
        yield f"{name}, batch loss", [(r["step"], r["loss"]) for r in rows if r.get("loss") is not None], False
        yield f"{name}, validation loss", [(r["step"], r["eval_loss"]) for r in rows if r.get("eval_loss") is not None], True


def main():
    drawn = [c for c in curves(sys.argv[2:]) if c[1]]
    steps = max(x for _, points, _ in drawn for x, _ in points)
    low = min(y for _, points, _ in drawn for _, y in points)
    high = max(y for _, points, _ in drawn for _, y in points)
    low, high = int(low * 2) / 2, int(high * 2 + 1) / 2
    x_of = lambda x: LEFT + (WIDTH - LEFT - RIGHT) * x / steps
    y_of = lambda y: TOP + (HEIGHT - TOP - BOTTOM) * (high - y) / (high - low)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>']
    for i in range(int((high - low) * 2) + 1):
        y = low + i / 2
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y_of(y):.1f}" y2="{y_of(y):.1f}" stroke="#ddd"/>'
                   f'<text x="{LEFT - 8}" y="{y_of(y) + 4:.1f}" text-anchor="end">{y:.1f}</text>')
    for i in range(5):
        x = steps * i / 4
        out.append(f'<text x="{x_of(x):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{x:.0f}</text>')
    out.append(f'<text x="{(WIDTH + LEFT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">step</text>')
    for i, (name, points, marked) in enumerate(drawn):
        colour = COLOURS[i // 2 % len(COLOURS)]
        line = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in points)
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="{2 if marked else 1}" opacity="{1 if marked else 0.45}"/>')
        if marked:
            out += [f'<circle cx="{x_of(x):.1f}" cy="{y_of(y):.1f}" r="3" fill="{colour}"/>' for x, y in points]
        out.append(f'<text x="{WIDTH - RIGHT - 6}" y="{TOP + 14 + 16 * i}" text-anchor="end" fill="{colour}">{name}{" (dots)" if marked else ""}</text>')
    open(sys.argv[1], "w").write("\n".join([*out, "</svg>", ""]))


main()
