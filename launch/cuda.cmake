# The GPU part of the engine: kernels (*.cu: kernels and plain launchers, no LibTorch headers), NCCL, and LibTorch's CUDA half.
# It links with the CPU part of the pinned wheel (which holds libtorch_cuda.so) and the CUDA toolkit; the program starts only where
# the wheel's other libraries (cuBLAS, cuDNN, nvshmem, cusparselt, cufile) are, as on a GPU machine with LibTorch 2.11+cu130.
if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  find_program(CMAKE_CUDA_COMPILER nvcc HINTS /usr/local/cuda/bin)
endif()
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80-real 90)  # A100; H100 and H200, and by PTX what comes after
endif()
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)
find_path(NCCL_INCLUDE_DIR nccl.h HINTS ${CUDAToolkit_INCLUDE_DIRS} REQUIRED)
find_library(NCCL_LIBRARY nccl HINTS ${CUDAToolkit_LIBRARY_DIR} REQUIRED)

file(GLOB kernels CONFIGURE_DEPENDS parallel/*.cu models/*.cu models/*/*.cu trainer/*.cu)
if(kernels)
  add_library(bessemer_kernels STATIC ${kernels})
  set_target_properties(bessemer_kernels PROPERTIES CUDA_STANDARD 17 CUDA_STANDARD_REQUIRED ON)
  target_include_directories(bessemer_kernels PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(bessemer_engine PUBLIC bessemer_kernels)
endif()

# Who includes the toolkit's headers is told where they are; all others compile as for `cpu`, and share ccache's entries.
set(cuda_headers -isystem ${CUDAToolkit_INCLUDE_DIRS} -isystem ${NCCL_INCLUDE_DIR})
set_source_files_properties(parallel/device_cuda.cpp parallel/nccl_backend.cpp PROPERTIES COMPILE_OPTIONS "${cuda_headers}")
# libtorch_cuda.so registers itself when it is loaded, so it is needed although nothing names it; what it needs of libraries that
# are not here is found on the GPU machine.
target_link_options(bessemer_engine PUBLIC -Wl,--no-as-needed -Wl,--unresolved-symbols=ignore-in-shared-libs)
target_link_libraries(bessemer_engine PUBLIC ${LIBTORCH_DIR}/lib/libc10_cuda.so ${LIBTORCH_DIR}/lib/libtorch_cuda.so ${NCCL_LIBRARY}
                      ${CUDA_cudart_LIBRARY} ${CUDA_cublasLt_LIBRARY})
