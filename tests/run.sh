#!/usr/bin/env bash
# Installs what is missing, builds, runs every test. The last line is CTest's own closing line.
#
#   tests/run.sh [options of launch/setup.sh]
#
# With CI=true also the LibTorch-free tests under AddressSanitizer and UBSan, and where nvcc is found the `cuda` preset is linked.
set -euo pipefail
cd "$(dirname "$0")/.."
started=$SECONDS
say() { echo "tests: $* ($((SECONDS - started)) s)" >&2; }

launch/setup.sh "$@"
. launch/env.sh

if [ "${CI:-}" = true ]; then
  say "the LibTorch-free core under AddressSanitizer and UBSan"
  cmake --workflow --preset asan
  if command -v nvcc > /dev/null || [ -x /usr/local/cuda/bin/nvcc ]; then
    say "linking the cuda preset (compiled here, run where a GPU is)"
    cmake --workflow --preset cuda
  else
    say "no nvcc on this machine: the cuda preset is NOT built"
  fi
fi
say "building the cpu preset"
cmake --preset cpu
cmake --build --preset cpu
say "running every test"
set +e
ctest --preset cpu 2>&1 | tee build/cpu/ctest.log
rc=${PIPESTATUS[0]}
say "done, exit code $rc"
grep -E '^[0-9]+% tests passed' build/cpu/ctest.log
exit "$rc"
