#!/usr/bin/env bash
# Brings what Bessemer needs on Debian 12 or Ubuntu 24.04 (x86-64): packages by apt, and LibTorch into a cache outside the
# checkout, so that a second clone downloads nothing. Run it as often as you like: what is there stays as it is.
#
#   launch/setup.sh                     everything, LibTorch in ${XDG_CACHE_HOME:-~/.cache}/bessemer
#   launch/setup.sh --cache DIR         LibTorch in DIR instead (remembered for this checkout)
#   launch/setup.sh --libtorch DIR      use your own LibTorch 2.11 (the folder that holds lib/libtorch_cpu.so)
#
# sudo is used only to install packages, only when some are missing and you are not root.
set -euo pipefail

say() { echo "setup: $*" >&2; }
fail() { say "$*"; exit 69; }  # 69: something is missing around us

torch_version=2.11.0
torch_packages=("torch==$torch_version" 'nvidia-cuda-runtime==13.0.*' 'nvidia-cuda-cupti==13.0.*')
needed="g++ cmake ninja-build libopenmpi-dev openmpi-bin openssh-client libhdf5-dev libboost-program-options-dev libfmt-dev
        nlohmann-json3-dev libpcre2-dev
        libutf8proc-dev libsimdjson-dev libzstd-dev liblzma-dev zlib1g-dev libxxhash-dev pkg-config libgtest-dev libgmock-dev libbenchmark-dev python3 python3-pip ca-certificates"
helpful="ccache sentencepiece"  # faster builds; the trainer of Unigram vocabularies; the rest works without them

checkout=$(cd "$(dirname "$0")/.." && pwd)
remembered=$checkout/build/libtorch.path  # launch/libtorch.cmake reads it
cache='' own=''
while [ $# -gt 0 ]; do
  case $1 in
    --cache) cache=${2:?--cache wants a folder}; shift 2 ;;
    --libtorch) own=${2:?--libtorch wants a folder}; shift 2 ;;
    --help | -h) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) say "unknown option $1 (see --help)"; exit 64 ;;
  esac
done

check_system() {
  [ "$(uname -s)" = Linux ] || fail "this is $(uname -s); Bessemer builds on Linux x86-64 (Debian 12, Ubuntu 24.04): use such a machine or container"
  [ "$(uname -m)" = x86_64 ] || fail "this processor is $(uname -m); the LibTorch that Bessemer uses is for x86-64 only: use an x86-64 machine"
  local name
  name=$(. /etc/os-release 2>/dev/null && echo "${ID:-unknown} ${VERSION_ID:-}") || name=unknown
  command -v apt-get > /dev/null || fail "no apt-get on this system ($name); install the equivalents of: $(echo $needed), then LibTorch $torch_version"
  case $name in
    "debian 12" | "ubuntu 24.04") ;;
    *) say "this system is $name; Bessemer is tried on Debian 12 and Ubuntu 24.04 only, going on" ;;
  esac
}

missing() {  # of the packages named
  local package
  for package in "$@"; do
    case $(dpkg-query -W -f='${db:Status-Status}' "$package" 2> /dev/null) in
      installed) ;;
      *) echo "$package" ;;
    esac
  done
}

install_packages() {
  local want as_root=()
  want=$(missing $needed $helpful)
  [ -n "$want" ] || return 0
  if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo > /dev/null; then
      [ -n "$(missing $needed)" ] || { say "not installed (all but one command works without, builds take longer): $(echo $want)"; return 0; }
      fail "packages are missing and there is neither root nor sudo; ask an administrator for: apt-get install $(echo $want)"
    fi
    as_root=(sudo)
    [ -t 0 ] || as_root=(sudo -n)  # nobody there to type a password
    say "using sudo to install packages; it may ask for your password"
  fi
  say "installing by apt:" $want
  local log
  log=$(mktemp "${TMPDIR:-/tmp}/bessemer-apt.XXXXXX")
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q < /dev/null > "$log" 2>&1 &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $want < /dev/null >> "$log" 2>&1 ||
    fail "apt could not install them ($(grep -m1 -E '^(E:|sudo:)' "$log" || echo 'no network?'); all of it: $log); run this again when that is mended"
  rm -f "$log"
}

check_versions() {
  local cmake
  cmake=$(cmake --version | awk 'NR == 1 {print $3}')
  printf '3.25\n%s\n' "$cmake" | sort -VC || fail "cmake is $cmake; 3.25 or newer is needed"
}

is_libtorch() { [ -e "$1/lib/libtorch_cpu.so" ] || [ -e "$1/torch/lib/libtorch_cpu.so" ]; }

remember() { mkdir -p "$(dirname "$remembered")" && echo "$1" > "$remembered"; }

# A folder under its final name is whole: pip fills one beside it, which is renamed at the very end.
download_libtorch() {
  local final=$1 part log python=python3
  "$python" -m pip --version > /dev/null 2>&1 || python=/usr/bin/python3
  "$python" -m pip --version > /dev/null 2>&1 || fail "python3 has no pip; install python3-pip"
  part=$(dirname "$final")/.partial-$(basename "$final")
  log=$(dirname "$final")/libtorch-download.log
  rm -rf "$part"
  mkdir -p "$part.tmp"
  local free
  free=$(df -Pk "$part.tmp" | awk 'NR == 2 {print int($4 / 1048576)}')
  [ "$free" -ge 4 ] || fail "$(dirname "$final") has $free GiB free; unpacking LibTorch takes 4: free some, or choose another place with --cache DIR"
  say "downloading LibTorch $torch_version (530 MB, unpacked 1.2 GB) to $final"
  local glibc platforms=(--platform manylinux2014_x86_64)
  for glibc in $(seq 17 28); do platforms+=(--platform "manylinux_2_${glibc}_x86_64"); done
  # Only the C++ part is used, so any Python that has pip can fetch it: the wheel is named, not the one for that Python.
  if ! TMPDIR=$part.tmp "$python" -m pip install --quiet --no-deps --target "$part" --only-binary=:all: --no-cache-dir \
      --implementation cp --python-version 3.11 --abi cp311 --abi none "${platforms[@]}" \
      "${torch_packages[@]}" < /dev/null > "$log" 2>&1; then
    rm -rf "$part" "$part.tmp"
    fail "LibTorch could not be downloaded: is there a network? (pip: $(grep -m1 -E '^ *ERROR' "$log" || tail -n1 "$log"); all of it: $log); run this again"
  fi
  is_libtorch "$part" || fail "what was downloaded holds no libtorch_cpu.so (see $log)"
  rm -rf "$part.tmp" "$final"
  mv "$part" "$final"
}

find_libtorch() {
  if [ -n "$own" ]; then
    own=$(cd "$own" 2> /dev/null && pwd) && is_libtorch "$own" || fail "no lib/libtorch_cpu.so in the folder given by --libtorch"
    remember "$own"
    return
  fi
  if [ -z "$cache" ] && [ -s "$remembered" ] && is_libtorch "$(cat "$remembered")"; then
    return
  fi
  [ -n "${HOME:-}" ] || HOME=$(getent passwd "$(id -u)" | cut -d: -f6)
  cache=${cache:-${XDG_CACHE_HOME:-$HOME/.cache}/bessemer}
  mkdir -p "$cache" 2> /dev/null || fail "cannot create the folder $cache; choose another with --cache DIR"
  cache=$(cd "$cache" && pwd)
  local final=$cache/libtorch-$torch_version
  exec 8> "$cache/.lock"
  flock -n 8 || { say "another set-up is at work in $cache, waiting for it"; flock 8; }
  is_libtorch "$final" || download_libtorch "$final"
  remember "$final"
  flock -u 8
}

check_system
install_packages
check_versions
find_libtorch
say "ready (LibTorch: $(cat "$remembered"))"
