#!/usr/bin/env bash
# From nothing to a model that writes: sets up, builds, makes token shards, trains a small GPT on two processes, kills the
# job with -9 in the middle, resumes it, trains the same run split the other way, and lets the model write.
#
#   launch/demo.sh                    learns from LibTorch's c10 headers, so it writes C++
#   launch/demo.sh --text FILE...     learns from your own text (UTF-8)
#   launch/demo.sh --steps N          N steps instead of 960
#   launch/demo.sh --out DIR          works in DIR instead of runs/demo (made anew each time)
#   launch/demo.sh --built            takes the bessemer that is on the PATH: no set-up, no build
# --cache DIR and --libtorch DIR are handed to launch/setup.sh.
set -euo pipefail
here=$PWD
cd "$(dirname "$0")/.."
built='' steps=960 out=runs/demo texts=() setup=()
while [ $# -gt 0 ]; do
  case $1 in
    --text) shift; while [ $# -gt 0 ] && [ "${1#--}" = "$1" ]; do texts+=("$(cd "$here" && realpath "$1")"); shift; done ;;
    --built) built=yes; shift ;;
    --steps) steps=$2; shift 2 ;;
    --out) out=$(cd "$here" && realpath -m "$2"); shift 2 ;;
    --cache | --libtorch) setup+=("$1" "$(cd "$here" && realpath -m "$2")"); shift 2 ;;
    *) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; [ "$1" = --help ] && exit 0; exit 64 ;;
  esac
done
say() { printf '\n== %s\n' "$*"; }

if [ -z "$built" ]; then
  say "1. What Bessemer needs, and the build (minutes the first time)"
  launch/setup.sh "${setup[@]}"
  cmake --preset cpu > build/configure.log 2>&1 || { tail -n 20 build/configure.log >&2; exit 69; }
  cmake --build --preset cpu --target bessemer
fi
path=$PATH
. launch/env.sh
[ -z "$built" ] || PATH=$path
started=$SECONDS

if [ -e "$out" ]; then
  [ -e "$out/demo.ini" ] || { echo "demo: $out exists and was not made by this demo; choose another with --out" >&2; exit 64; }
  rm -rf "$out"
fi
mkdir -p "$out"
prompt=''
if [ ${#texts[@]} -eq 0 ]; then
  prompt='namespace c10 {'
  libtorch=$(cat build/libtorch.path)
  [ -d "$libtorch/torch" ] && libtorch=$libtorch/torch
  mapfile -t texts < <(find "$libtorch/include/c10" -type f | LC_ALL=C sort)
fi

say "2. Token shards from $(cat "${texts[@]}" | wc -c) bytes of text"
cat "${texts[@]}" > "$out/text.txt"
bessemer data build --input "$out/text.txt" --out "$out/data" --tokenizer chars --val-fraction 0.1
cat > "$out/demo.ini" <<INI
# A GPT of 0.8 M parameters; every option: bessemer config show $out/demo.ini
[data]
path = $out/data
[model]
preset = shakespeare-cpu
[train]
steps = $steps
global_batch = 12
eval_every = $((steps / 4))
eval_batches = 20
[optimizer]
lr = 1e-3
min_lr = 1e-4
beta2 = 0.99
warmup = $((steps / 12))
decay_steps = $steps
[checkpoint]
every = $((steps / 8))
[log]
every = $((steps / 8))
INI

# The ranks of a running mpirun: its children.
ranks_of() { awk -v parent="$1" '{sub(/^.*\) /, ""); if ($2 == parent) {split(FILENAME, p, "/"); print p[3]}}' /proc/[0-9]*/stat 2> /dev/null || true; }
last_step() { [ -s "$1/metrics.jsonl" ] && tail -n 1 "$1/metrics.jsonl" | sed -n 's/.*"step": *\([0-9]*\).*/\1/p'; }

kill_at=$((steps * 13 / 24))
say "3. Training on two processes that share the data (dp 2), until kill -9 near step $kill_at"
mpirun -q -n 2 bessemer train "$out/demo.ini" --run.dir="$out/dp2" < /dev/null &
job=$!
until step=$(last_step "$out/dp2") && [ "${step:-0}" -ge $kill_at ]; do
  kill -0 "$job" 2> /dev/null || { wait "$job" || exit $?; break; }
  sleep 0.1
done
ranks_of "$job" | xargs -r kill -9 2> /dev/null || true
wait "$job" 2> /dev/null && echo "(it had finished before the kill)" || echo "killed both processes with -9 after step $(last_step "$out/dp2")"

say "4. The same command again: it goes on from the newest checkpoint"
mpirun -n 2 bessemer train "$out/demo.ini" --run.dir="$out/dp2" < /dev/null

say "5. The same run from the same start, the model itself split over the two processes (tp 2), $((steps / 4)) steps"
mpirun -n 2 bessemer train "$out/demo.ini" --run.dir="$out/tp2" --parallel.tp=2 --train.steps=$((steps / 4)) < /dev/null
python3 - "$out" $((steps / 4)) <<'PYTHON'
import json, sys
out, steps = sys.argv[1], int(sys.argv[2])
losses = [{r["step"]: r["loss"] for r in map(json.loads, open(f"{out}/{run}/metrics.jsonl")) if "loss" in r} for run in ("dp2", "tp2")]
both = sorted(set(losses[0]) & set(losses[1]))
print("\n      step   loss dp 2   loss tp 2  difference")
for step in sorted({*both[:1], *both[:: max(1, steps // 8)], *both[-1:]}):
    print(f"{step:10d}{losses[0][step]:12.6f}{losses[1][step]:12.6f}{losses[1][step] - losses[0][step]:12.1e}")
PYTHON

[ -n "$prompt" ] || prompt=$(grep -m1 -oE '[[:alnum:]][[:alnum:] ]{2,15}[[:alnum:]]' "$out/text.txt" | sed -n 1p) || true
[ -n "$prompt" ] || prompt=$(head -c 1 "$out/text.txt")
say "6. What the model writes after \"$prompt\""
bessemer generate --model "$out/dp2" --prompt "$prompt" --tokens 300 --temperature 0.6 --seed 1

cat <<END

== Done in $((SECONDS - started)) s after the build. Everything lies in $out:
  data/      token shards      dp2/metrics.jsonl   every step's figures    dp2/step-*/   checkpoints
  demo.ini   the run's options dp2/                TensorBoard event files (tensorboard --logdir $out)
Go on with (after: cd $PWD && . launch/env.sh)
  bessemer generate --model $out/dp2 --prompt '$prompt' --tokens 500
  bessemer eval --model $out/dp2 --data $out/data
  mpirun -n 2 bessemer train $out/demo.ini --run.dir=$out/dp2 --train.steps=$((steps * 2))
END
