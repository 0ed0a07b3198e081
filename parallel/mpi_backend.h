#pragma once
#include <memory>
#include <string>

#include "parallel/group.h"

namespace bessemer::parallel {

/// Collectives on host tensors through MPI; collective over `comm`, which is duplicated.
///
/// Sums are an all-to-all, our fixed tree, and an all-gather, in pieces of about 1 MB (whole buffers make Open MPI map
/// and unmap memory in every call). Started reductions move on when polled, several pieces at a time, always in the
/// order in which they were started: the two phases have a communicator each, so that all ranks pair them alike. \param
/// comm  MPI_Comm_c2f of a communicator.
std::shared_ptr<Backend> make_mpi_backend(int comm);

/// Collectives through a window of shared memory, for a group whose ranks are all on this host; collective over `comm`.
/// \return nullptr, with a line in `why`, where not all ranks share a host or /dev/shm is too small: all ranks agree.
std::shared_ptr<Backend> make_shm_backend(int comm, std::string& why);

/// Small tensors by `small`, larger ones by `large`; both are backends of one group.
std::shared_ptr<Backend> make_backend_by_size(std::shared_ptr<Backend> small, std::shared_ptr<Backend> large);

}  // namespace bessemer::parallel
