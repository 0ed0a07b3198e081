#!/usr/bin/env python3
"""Bessemer's step beside PyTorch's: the programs take turns on one core, round after round, so that a busy machine slows all alike.

    . launch/env.sh; python tests/bench/step_bench.py [--shape nanogpt|gpt2-124m] [--rounds 5] [--steps 100] [--only WORD] [--processor]

Run it with a Python that has torch 2.11. Prints a table (median over the rounds of each run's median ms per step, the first tenth of
its steps left out), and the last lines give the ratios.
"""
import argparse, json, os, random, shutil, statistics, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
OPTIONS = {"nanogpt": ["--model.preset=shakespeare-cpu", "--train.global_batch=12"],
           "gpt2-124m": ["--model.preset=gpt2-124m", "--model.sequence=64", "--model.vocab=50257", "--model.dropout=0", "--train.global_batch=4"]}


def bessemer(work, shape, precision, ranks, steps, extra=()):
    run = os.path.join(work, "run")
    command = (["mpirun", "-n", str(ranks)] if ranks > 1 else []) + [
        "bessemer", "train", *OPTIONS[shape], f"--data.path={work}/data", f"--run.dir={run}", f"--train.precision={precision}",
        f"--train.steps={steps}", "--train.eval_every=0", "--checkpoint.every=0", "--parallel.threads=1", "--log.every=1000000", *extra]
    return command, os.path.join(run, "metrics.jsonl")


def measure(command, metrics, cores):
    """Runs one program to its end: its times, the seconds to its first step, the peak of its resident memory."""
    if metrics:  # a run directory keeps its options: each measurement begins a new run
        shutil.rmtree(os.path.dirname(metrics), ignore_errors=True)
    begin, first = time.time(), None
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, preexec_fn=lambda: os.sched_setaffinity(0, cores),
                                   env={**os.environ, "OMP_NUM_THREADS": "1"})
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if not first and metrics and os.path.exists(metrics) and os.path.getsize(metrics):
                first = time.time() - begin
            if pid:
                break
            time.sleep(0.005)
        out.seek(0), err.seek(0)
        if status:
            sys.exit(f"{' '.join(command)}\nended with status {status}:\n{err.read()[-2000:]}")
        if not metrics:
            return json.loads(out.read().splitlines()[-1])
    ms = [r["ms"] for r in map(json.loads, open(metrics)) if "ms" in r]
    ms = ms[max(1, len(ms) // 10):]
    return {"ms_median": statistics.median(ms), "ms_best": min(ms), "first_step_s": first, "rss_mb": usage.ru_maxrss / 1024}


def measure_processor(command, metrics, cores, steps):
    """Processor time a step: that of a run of `steps` less that of a run of a tenth, so that starting does not count."""
    few = max(2, steps // 10)
    shorter = [str(few) if word == str(steps) else word.replace(f"--train.steps={steps}", f"--train.steps={few}") for word in command]
    used = []
    for words in (shorter, command):
        if metrics:
            shutil.rmtree(os.path.dirname(metrics), ignore_errors=True)
        before = os.times()
        result = measure(words, metrics, cores)
        after = os.times()
        used.append(after.children_user + after.children_system - before.children_user - before.children_system)
    ms = 1e3 * (used[1] - used[0]) / (steps - few)
    return {**result, "ms_median": ms, "ms_best": ms}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shape", choices=OPTIONS, default="nanogpt")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--processor", action="store_true", help="processor time instead of time: for a machine that others use too")
    parser.add_argument("--only", default="", help="runs whose name holds this word")
    args = parser.parse_args()
    steps = args.steps or {"nanogpt": 100, "gpt2-124m": 6}[args.shape]
    cores = sorted(os.sched_getaffinity(0))
    one = {cores[-1]}
    work = tempfile.mkdtemp(prefix="step-bench-")
    text = os.path.join(work, "text.txt")
    draw = random.Random(1)
    with open(text, "w") as file:  # 65 distinct characters, as nanoGPT's vocabulary
        file.write("".join(draw.choice([chr(33 + i) for i in range(65)]) for _ in range(1_000_000)))
    subprocess.run(["bessemer", "data", "build", "--input", text, "--out", f"{work}/data", "--tokenizer", "chars"], check=True,
                   stdout=subprocess.DEVNULL)
    runs = {}
    for precision in ("fp32", "bf16"):
        runs[f"bessemer {precision}"] = (*bessemer(work, args.shape, precision, 1, steps), one)
    if args.shape == "nanogpt" and len(cores) > 1:
        runs["bessemer fp32, 2 ranks"] = (*bessemer(work, args.shape, "fp32", 2, steps), set(cores))
    for mode in ("fp32", "autocast", "bf16"):
        for adam in ("fused", "foreach"):
            runs[f"torch {mode} {adam}"] = ([sys.executable, os.path.join(HERE, "torch_step.py"), "--shape", args.shape, "--mode", mode,
                                             "--adam", adam, "--steps", str(steps)], None, one)
    runs = {name: run for name, run in runs.items() if args.only in name}
    results = {name: [] for name in runs}
    for _ in range(args.rounds):
        for name, (command, metrics, cpus) in runs.items():
            results[name].append(measure_processor(command, metrics, cpus, steps) if args.processor else measure(command, metrics, cpus))
    shutil.rmtree(work)
    report(args.shape, steps, args.rounds, results, args.processor)


def report(shape, steps, rounds, results, processor):
    median = {name: statistics.median(r["ms_median"] for r in rs) for name, rs in results.items()}
    print(f"\n{shape}: {rounds} rounds of {steps} steps, taking turns, one thread on one core (2 ranks: one thread each)"
          f"{'; processor time' if processor else ''}\n")
    print("| run | ms/step, median (rounds' spread) | best step | first step after | peak resident |\n|---|---|---|---|---|")
    for name, rs in results.items():
        medians = [r["ms_median"] for r in rs]
        first = [r["first_step_s"] for r in rs if r["first_step_s"] is not None]
        rss = min(r["rss_mb"] for r in rs)
        print(f"| {name} | {median[name]:.1f} ({min(medians):.1f}-{max(medians):.1f}) | {min(r['ms_best'] for r in rs):.1f} | "
              f"{f'{statistics.median(first):.2f} s' if first else '-'} | {rss:.0f} MB |")
    best = {kind: min((median[n] for n in median if n.startswith("torch") and (kind in n or kind == "any")), default=None) for kind in ("fp32", "any")}
    ours = median.get
    for name, mine, theirs in (("fp32 against torch fp32", ours("bessemer fp32"), best["fp32"]),
                               ("bf16 against torch's best mode", ours("bessemer bf16"), best["any"]),
                               ("2 ranks against 1", ours("bessemer fp32, 2 ranks"), ours("bessemer fp32"))):
        if mine and theirs:
            print(f"{name}: {theirs / mine:.2f}x")


main()
