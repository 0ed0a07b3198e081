#!/usr/bin/env bash
# Packs the `cuda` build for a GPU machine that has a driver, LibTorch 2.11+cu130 (a Python torch will do) and Python, but no
# MPI, HDF5 or Boost: the binary, the GPU tests, a relocated Open MPI and every shared library outside glibc and LibTorch.
#
#   launch/gpu_kit.sh [OUT.tar.gz]      (default build/gpu-kit.tar.gz)
#   there:  mkdir kit && tar xf gpu-kit.tar.gz -C kit && kit/run.sh
#
# Needs nvcc and NCCL here. On the other machine BUNDLE_TORCH may name the folder that holds torch/ and nvidia/.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$(realpath -m "${1:-build/gpu-kit.tar.gz}")
system=usr/lib/x86_64-linux-gnu
limit_mb=60

launch/setup.sh
missing=$(for tool in gzip strip; do command -v "$tool" > /dev/null || echo "$tool"; done)
[ -z "$missing" ] || { echo "gpu_kit: missing: $missing (apt-get install gzip binutils)" >&2; exit 69; }
cmake --preset cuda
cmake --build --preset cuda

kit=$(mktemp -d)
trap 'rm -rf "$kit"' EXIT
mkdir -p "$kit"/{bin,etc,usr/bin,usr/share} "$kit/$system"
cp build/cuda/bessemer "$kit/bin/"
cp build/cuda/tests/gpu_tests "$kit/bin/"
cp tests/gpu/run.sh "$kit/"
cp -rL "/$system/openmpi" "$kit/$system/"
rm -rf "$kit/$system/openmpi/include"
if [ -d "/$system/pmix2" ]; then cp -rL "/$system/pmix2" "$kit/$system/"; fi
cp -rL /usr/share/openmpi "$kit/usr/share/"
cp -r /etc/openmpi "$kit/etc/"
cp -L /usr/bin/orted /usr/bin/orterun "$kit/usr/bin/"
ln -s orterun "$kit/usr/bin/mpirun"

# What they load, and what that loads: all but the C and C++ run time, and what comes with LibTorch.
not_packed='/(libc|libm|libdl|libpthread|librt|libgcc_s|libstdc\+\+|ld-linux[^/]*)\.so|/lib(c10|torch|cudart|cupti|cublas|cudnn|nccl|cufft|curand|cusparse|cusolver|nvrtc|nvJitLink|cufile|nvshmem|gomp)'
{ find "$kit/bin" "$kit/usr/bin" "$kit/$system" -type f -exec ldd {} + 2> /dev/null || true; } | awk '/=> \//{print $3}' | sort -u |
  grep -vE "$not_packed" | while read -r library; do cp -Ln "$library" "$kit/$system/"; done
strip --strip-unneeded "$kit"/bin/*

cat > "$kit/env.sh" <<'ENV'
# Source it: the kit's programs and libraries first, then LibTorch's.
kit=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export BUNDLE_TORCH=${BUNDLE_TORCH:-$(python3 -c 'import importlib.util as u, os; print(os.path.dirname(os.path.dirname(u.find_spec("torch").origin)))')}
export OPAL_PREFIX=$kit/usr PMIX_INSTALL_PREFIX=$kit/usr/lib/x86_64-linux-gnu/pmix2 PATH=$kit/bin:$kit/usr/bin:$PATH
export LD_LIBRARY_PATH=$kit/usr/lib/x86_64-linux-gnu:$BUNDLE_TORCH/torch/lib:$(ls -d "$BUNDLE_TORCH"/nvidia/*/lib 2> /dev/null | paste -sd:)${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_mpi_yield_when_idle=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none PMIX_MCA_pcompress_base_silence_warning=1
# Open MPI will not start even one process where there is no ssh.
command -v ssh > /dev/null || export OMPI_MCA_plm=isolated
ENV
tar -C "$kit" -czf "$out" .
size_mb=$(($(stat -c %s "$out") / 1048576))
echo "gpu_kit: $out ($size_mb MB)"
[ "$size_mb" -le $limit_mb ] || { echo "gpu_kit: more than $limit_mb MB" >&2; exit 70; }
