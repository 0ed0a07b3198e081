#!/usr/bin/env bash
# Builds the fuzz targets with clang's libFuzzer, address and undefined-behaviour sanitizers, and runs each.
#
#   tests/fuzz/run.sh [SECONDS of each, default 60] [TARGET...]
#
# What a target finds lies in build/fuzz/TARGET-*; nothing is found: exit 0.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-60}
shift $(($# > 0 ? 1 : 0))
cmake --preset fuzz > /dev/null
cmake --build --preset fuzz
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=($(cd tests/fuzz && ls ./*_fuzz.cpp | sed 's|./||; s|\.cpp$||'))
export LSAN_OPTIONS=suppressions=$PWD/tests/support/leaks.supp:print_suppressions=0
export UBSAN_OPTIONS=halt_on_error=1
failed=0
for target in "${targets[@]}"; do
  mkdir -p "build/fuzz/corpus/$target"
  seeds=()
  [ -d "tests/fuzz/corpus/$target" ] && seeds=("tests/fuzz/corpus/$target")
  if "build/fuzz/tests/$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=3000 -artifact_prefix="build/fuzz/$target-" -print_final_stats=1 \
      "build/fuzz/corpus/$target" "${seeds[@]}" > "build/fuzz/$target.log" 2>&1; then
    echo "$target: no finding in $seconds s, $(awk '/number_of_executed_units/ {print $2}' "build/fuzz/$target.log") inputs"
  else
    echo "$target: FOUND $(ls build/fuzz/"$target"-* | tail -n 1); see build/fuzz/$target.log"
    failed=1
  fi
done
rm -rf /dev/shm/bessemer-fuzz-*
exit $failed
