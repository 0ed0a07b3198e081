# Source it: puts `bessemer` on the PATH, and lets mpirun start for root and with fewer cores than ranks, as on a laptop.
#   . launch/env.sh
bessemer_home=$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")/.." && pwd)
export PATH=$bessemer_home/build/cpu:$PATH
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_mpi_yield_when_idle=1
# Open MPI will not start even one process where there is no ssh.
command -v ssh > /dev/null || export OMPI_MCA_plm=isolated
unset bessemer_home
