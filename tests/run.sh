#!/usr/bin/env bash
# Installs what is missing, builds, runs every test. The last line is CTest's own closing line.
#
#   tests/run.sh [options of launch/setup.sh]
#
# With CI=true also the LibTorch-free tests under AddressSanitizer and UBSan, and where nvcc is found the `cuda` preset is linked.
set -euo pipefail
cd "$(dirname "$0")/.."
started=$SECONDS failures=0
say() { echo "tests: $* ($((SECONDS - started)) s)" >&2; }
try() { "$@" || { say "FAILED: $*"; failures=$((failures + 1)); }; }  # and go on: one failure hides no other

launch/setup.sh "$@"
. launch/env.sh
# Where a Python with torch and TensorBoard's reader lies beside LibTorch, tests may ask it; none needs it.
oracle=$(dirname "$(cat build/libtorch.path)")/oracle-venv/bin/python
! "$oracle" -c "import tensorboard" 2> /dev/null || export BESSEMER_ORACLE_PYTHON=${BESSEMER_ORACLE_PYTHON:-$oracle}

say "building the cpu preset"
cmake --preset cpu
cmake --build --preset cpu
if [ "${CI:-}" = true ]; then
  say "the LibTorch-free core under AddressSanitizer and UBSan"
  try cmake --workflow --preset asan
  if command -v nvcc > /dev/null || [ -x /usr/local/cuda/bin/nvcc ]; then
    say "linking the cuda preset (compiled here, run where a GPU is)"
    try cmake --workflow --preset cuda
  else
    say "no nvcc on this machine: the cuda preset is NOT built"
  fi
fi
say "running every test"
set +e
ctest --preset cpu 2>&1 | tee build/cpu/ctest.log
[ "${PIPESTATUS[0]}" = 0 ] || failures=$((failures + 1))
if [ $failures -gt 0 ]; then  # once more, where a reader looks first
  grep -hE -A 8 'BAD:|: Failure$|ERROR: |what\(\)|\*\*\*(Failed|Timeout|Exception)' build/cpu/ctest.log build/asan/Testing/Temporary/LastTest.log 2> /dev/null | head -n 80 || true
fi
say "$([ $failures = 0 ] && echo "all is well" || echo "$failures of the parts above FAILED")"
grep -E '^[0-9]+% tests passed' build/cpu/ctest.log
exit $((failures > 0))
