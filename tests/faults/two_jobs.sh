#!/usr/bin/env bash
# Two jobs on one run directory, started together: exactly one runs, the other ends with 69 and names its holder.
#
#   tests/faults/two_jobs.sh BESSEMER [STARTS, default 200]
#
# Half of the starts with HDF5_USE_FILE_LOCKING=FALSE, as on many network file systems.
set -euo pipefail
bessemer=$1 starts=${2:-200}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
for i in $(seq 400); do echo "the model learns a word from two before it, line $i"; done > text.txt
"$bessemer" data build --input text.txt --out data --tokenizer chars > /dev/null 2>&1
train() { local code=0; "$bessemer" train --data.path=data --run.dir=run --model.layers=1 --model.hidden=16 --model.heads=2 --model.sequence=16 \
  --train.global_batch=2 --train.eval_every=0 --parallel.threads=1 --parallel.device=cpu --train.steps=1000000 --log.every=1000 --train.wall_time=1s > "$1.log" 2>&1 || code=$?; echo $code > "$1.code"; }
bad=0
for n in $(seq "$starts"); do
  rm -rf run a.code b.code
  unset HDF5_USE_FILE_LOCKING
  [ $((n % 2)) = 0 ] || export HDF5_USE_FILE_LOCKING=FALSE
  train a & train b & wait
  codes=$(sort -n a.code b.code | tr '\n' ' ')
  loser=$(grep -l 69 a.code b.code | head -n 1)
  if [ "$codes" != "69 75 " ] || ! grep -q 'another job holds this run' "${loser%.code}.log" || ! "$bessemer" ckpt verify run > /dev/null; then
    echo "start $n: ended with $codes"; cat a.log b.log; bad=$((bad + 1))
  fi
done
echo "$starts starts of two jobs on one directory: $bad without exactly one that ran"
exit $((bad > 0))
