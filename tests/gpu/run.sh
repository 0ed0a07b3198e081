#!/usr/bin/env bash
# On a GPU machine, from an unpacked kit (launch/gpu_kit.sh): GPU unit tests, losses of CPU and GPU side by side, two NCCL ranks
# on one GPU, and tokens per second; one table at the end, also in gpu_results.md. At most 9 minutes.
#
#   kit/run.sh [FOLDER to work in, default ./gpu-results]
set -uo pipefail
shopt -s extglob
kit=$(cd "$(dirname "$0")" && pwd)
. "$kit/env.sh"
work=${1:-$PWD/gpu-results}
mkdir -p "$work" && cd "$work" || exit 69
deadline=$((SECONDS + 530))
rows=() failures=0

# within SECONDS LOG COMMAND...: never past the deadline of all.
within() {
  local left=$((deadline - SECONDS)) limit=$1 log=$2
  shift 2
  [ "$left" -gt 5 ] || { echo "no time left" > "$log"; return 124; }
  timeout -k 5 $((limit < left ? limit : left)) "$@" > "$log" 2>&1 < /dev/null
}
row() { rows+=("| $1 | $2 | $3 |"); echo "$1: $2, $3" >&2; }
verdict() { if [ "$1" = 0 ]; then echo ok; else failures=$((failures + 1)); echo "FAILED ($1)"; fi; }

nvidia-smi -L || { echo "no NVIDIA driver here" >&2; exit 69; }
[ -e "$BUNDLE_TORCH/torch/lib/libtorch_cuda.so" ] || { echo "no LibTorch with CUDA under $BUNDLE_TORCH: set BUNDLE_TORCH" >&2; exit 69; }
find "$BUNDLE_TORCH/torch/include/c10" -type f | LC_ALL=C sort | xargs cat > text.txt
rm -rf data runs
within 60 data.log bessemer data build --input text.txt --out data --tokenizer chars || { cat data.log >&2; exit 70; }

# counts LOG: GoogleTest's closing lines.
counts() { grep -E '^\[  (PASSED|FAILED)  \]' "$1" | head -n 2 | tr -s ' ' | paste -sd' '; }
within 180 gpu_tests.log gpu_tests --gtest_color=no --gtest_filter=-NcclRanks.*
code=$?
row "GPU unit tests" "$(counts gpu_tests.log)" "$(verdict $code)"

# train NAME LIMIT ARGUMENTS...: one run in runs/NAME.
train() { local name=$1 limit=$2; shift 2; within "$limit" "$name.log" "${launch[@]}" bessemer train --data.path=data --run.dir="runs/$name" --train.eval_every=0 --checkpoint.every=0 "$@"; }
small=(--model.preset=shakespeare-cpu --train.steps=50 --train.global_batch=12)
# compare NAME WITH TOLERANCE: the greatest relative difference of losses.
compare() {
  python3 - "$@" <<'PYTHON'
import json, sys
a, b = ([r["loss"] for r in map(json.loads, open(f"runs/{n}/metrics.jsonl")) if "loss" in r] for n in sys.argv[1:3])
worst = max((abs(x - y) / abs(y) if x is not None else float("inf") for x, y in zip(a, b)), default=float("inf"))
print(f"losses differ by at most {worst:.1e} (allowed {sys.argv[3]}) over {min(len(a), len(b))} steps")
sys.exit(not (worst <= float(sys.argv[3]) and len(a) == len(b) == 50))
PYTHON
}
check() {  # ROW NAME WITH TOLERANCE EXIT_CODE_OF_TRAINING
  if [ "$5" != 0 ]; then row "$1" "$(tail -n 1 "$2.log")" "$(verdict "$5")"; return; fi
  local text
  text=$(compare "$2" "$3" "$4")
  row "$1" "$text" "$(verdict $?)"
}

launch=()
train cpu 120 "${small[@]}" --parallel.device=cpu || row "CPU fp32" "$(tail -n 1 cpu.log)" "$(verdict 1)"
for precision in fp32:1e-3 bf16:3e-2 fp16:3e-2; do
  name=${precision%:*}
  train "$name" 60 "${small[@]}" --parallel.device=cuda --train.precision="$name"
  check "GPU $name against CPU fp32" "$name" cpu "${precision#*:}" $?
done

# The same run twice, and one stopped half way and taken up again: the same bits. With dropout, and with none (another attention).
for dropout in 0 0.2; do
  twice=(--model.preset=shakespeare-cpu --train.global_batch=12 --model.dropout=$dropout --parallel.device=cuda --train.precision=bf16
         --optimizer.decay_steps=20)
  name=bits-$dropout
  train "$name-whole" 60 "${twice[@]}" --train.steps=20 && train "$name-again" 60 "${twice[@]}" --train.steps=20 &&
    train "$name-broken" 60 "${twice[@]}" --train.steps=10 && train "$name-broken" 60 "${twice[@]}" --train.steps=20
  code=$?
  text=$(python3 - "$name" <<'PYTHON'
import json, sys
def last(n): return [(r["step"], r["loss"], r["grad_norm"]) for r in map(json.loads, open(f"runs/{sys.argv[1]}-{n}/metrics.jsonl")) if "loss" in r][-10:]
whole = last("whole")
again, broken = last("again") == whole, last("broken") == whole
print(f"repeated: {'same' if again else 'OTHER'} bits; stopped at step 10 and resumed: {'same' if broken else 'OTHER'} bits")
sys.exit(not (again and broken and len(whole) == 10))
PYTHON
  ) || code=1
  row "20 steps on the GPU, dropout $dropout" "$text" "$(verdict $code)"
done

# Two ranks may share one GPU if each believes itself on a host of its own; they then talk over sockets.
share=(-x NCCL_NET=Socket -x NCCL_SOCKET_IFNAME=lo -x NCCL_IB_DISABLE=1 -x NCCL_P2P_DISABLE=1 -x NCCL_SHM_DISABLE=1 -x NCCL_MNNVL_ENABLE=0)
export NCCL_NET=Socket NCCL_SOCKET_IFNAME=lo NCCL_IB_DISABLE=1 NCCL_P2P_DISABLE=1 NCCL_SHM_DISABLE=1 NCCL_MNNVL_ENABLE=0
# two_ranks LIMIT LOG COMMAND...
two_ranks() { local limit=$1 log=$2; shift 2; within "$limit" "$log" mpirun "${share[@]}" -n 1 -x NCCL_HOSTID=r0 "$@" : "${share[@]}" -n 1 -x NCCL_HOSTID=r1 "$@"; }
two_ranks 90 nccl_tests.log gpu_tests --gtest_color=no --gtest_filter=NcclRanks.*
code=$?
row "NCCL unit tests, 2 ranks on one GPU" "$(counts nccl_tests.log)" "$(verdict $code)"
for layout in dp tp; do
  arguments=(bessemer train --data.path=data --run.dir="runs/nccl-$layout" --train.eval_every=0 --checkpoint.every=0 "${small[@]}"
             --parallel.device=cuda --parallel.backend=nccl --parallel.share_gpu "--parallel.$layout=2")
  two_ranks 90 "nccl-$layout.log" "${arguments[@]}"
  check "2 NCCL ranks on one GPU, $layout 2, against one rank" "nccl-$layout" fp32 1e-3 $?
done

# tokens per second: the median over the last half of the steps.
speed() {
  python3 - "$1" <<'PYTHON'
import json, statistics, sys
rows = [r for r in map(json.loads, open(f"runs/{sys.argv[1]}/metrics.jsonl")) if "ms" in r]
rows = rows[len(rows) // 2:]
print(f"{statistics.median(r['tokens_per_s'] for r in rows):,.0f} tokens/s, {statistics.median(r['ms'] for r in rows):.1f} ms/step")
PYTHON
}
gpt2="gpt2-124m 40 --model.vocab=50257 --train.global_batch=32"
for run in "$gpt2 --train.micro_batch=16" "$gpt2 --train.micro_batch=32" "$gpt2 --train.micro_batch=32 --parallel.deterministic=no" \
           "$gpt2 --train.micro_batch=16 --model.dropout=0.1" "shakespeare-gpu 100 --train.global_batch=64"; do
  read -r preset steps more <<< "$run"
  name=speed-$preset-$(tr -dc '[:alnum:]' <<< "$more")
  train "$name" 90 --model.preset="$preset" --train.steps="$steps" --parallel.device=cuda --train.precision=bf16 $more
  code=$?
  row "$preset bf16, one GPU, ${more//--*([a-z])./}" "$([ $code = 0 ] && speed "$name" || tail -n 1 "$name.log")" "$(verdict $code)"
done

{
  echo "$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader | head -n 1), $(bessemer version | head -n 1), $SECONDS s in all"
  printf '\n| check | figure | verdict |\n|---|---|---|\n'
  printf '%s\n' "${rows[@]}"
} | tee gpu_results.md
exit $((failures > 0))
