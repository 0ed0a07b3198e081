#!/usr/bin/env bash
# kill -9 of `data build` at random instants: begun again with the same command it ends with the same bytes.
#
#   tests/faults/kill_build.sh BESSEMER [KILLS, default 10] [MEGABYTES of text, default 40] [SEED]
set -euo pipefail
bessemer=$1 kills=${2:-10} megabytes=${3:-40} seed=${4:-1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
awk -v bytes=$((megabytes * 1000000)) -v seed="$seed" 'BEGIN {srand(seed); while (done < bytes) {line = "";
  for (i = 0; i < 12; ++i) line = line sprintf("%s%x ", rand() < 0.3 ? "word" : "", int(rand() * 4096)); print line; done += length(line) + 1}}' > text.txt
build() { "$bessemer" data build --input text.txt --out "$1" --tokenizer bytes --split hash --documents lines --workers 2 --overwrite > log 2>&1; }
began=$(date +%s%N)
build whole || { cat log; exit 1; }
took=$((($(date +%s%N) - began) / 1000000))
RANDOM=$seed bad=0 killed=0 ended=0
while [ $killed -lt "$kills" ]; do
  rm -rf out .out.building
  until false; do
    build out & job=$!
    sleep "$(awk -v ms=$((RANDOM * took / 32768)) 'BEGIN {print ms / 1000}')"
    if [ $killed -lt "$kills" ] && kill -9 $job 2> /dev/null; then killed=$((killed + 1)); fi
    if wait $job; then break; fi
    [ ! -e out ] || { "$bessemer" data verify out > /dev/null || { echo "a half-made data set bears its name"; bad=$((bad + 1)); }; }
  done 2> /dev/null
  ended=$((ended + 1))
  diff -r --exclude=dataset.json whole out && diff <(grep -v '"created"' whole/dataset.json) <(grep -v '"created"' out/dataset.json) || { echo "other bytes after $killed kills"; bad=$((bad + 1)); }
done
echo "$killed kills of a build of $megabytes MB ($took ms), $ended builds ended: $bad bad"
exit $((bad > 0))
