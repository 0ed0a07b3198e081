#pragma once
// For the homes of MPI only (world, mpi_backend, shm_backend): they include <mpi.h> before this.
#include "parallel/error.h"

/// Calls MPI; a failure becomes Error (69) with the call's text and MPI's own words.
#define BESSEMER_MPI(call)                                                              \
  do {                                                                                  \
    if (const int status_ = (call); status_ != MPI_SUCCESS) {                           \
      char words_[MPI_MAX_ERROR_STRING] = "";                                           \
      int length_ = 0;                                                                  \
      MPI_Error_string(status_, words_, &length_);                                      \
      ::bessemer::fail(::bessemer::ExitCode::kEnvironment, #call, " failed: ", words_); \
    }                                                                                   \
  } while (false)
