# LibTorch as imported targets. `find_package(Torch)` of the pinned wheel (a CUDA build) demands CUDA even for a CPU
# program, so the library is found by hand: in -DBESSEMER_LIBTORCH, in $BESSEMER_LIBTORCH, in -DCMAKE_PREFIX_PATH, or
# where launch/setup.sh put it (it notes the place in build/libtorch.path). The folder meant is the one that holds
# `torch/lib/libtorch_cpu.so`, or torch itself.
set(BESSEMER_LIBTORCH "$ENV{BESSEMER_LIBTORCH}" CACHE PATH "the folder that holds torch/ (or torch's own folder)")
set(cache_home "$ENV{XDG_CACHE_HOME}")
if(NOT cache_home)
  set(cache_home "$ENV{HOME}/.cache")
endif()
set(remembered "")
if(EXISTS ${PROJECT_SOURCE_DIR}/build/libtorch.path)
  file(STRINGS ${PROJECT_SOURCE_DIR}/build/libtorch.path remembered LIMIT_COUNT 1)
endif()
unset(LIBTORCH_DIR CACHE)  # looked up anew each time: launch/setup.sh may have been told of another place
find_path(LIBTORCH_DIR lib/libtorch_cpu.so
          HINTS ${BESSEMER_LIBTORCH} ${CMAKE_PREFIX_PATH} ${remembered} ${cache_home}/bessemer/libtorch-2.11.0
          PATH_SUFFIXES torch libtorch NO_DEFAULT_PATH)
if(NOT LIBTORCH_DIR)
  message(FATAL_ERROR "LibTorch 2.11 was not found. Run launch/setup.sh, or pass -DCMAKE_PREFIX_PATH=/path/to/libtorch.")
endif()
message(STATUS "LibTorch: ${LIBTORCH_DIR}")

add_library(bessemer_torch INTERFACE)
target_include_directories(bessemer_torch SYSTEM INTERFACE ${LIBTORCH_DIR}/include ${LIBTORCH_DIR}/include/torch/csrc/api/include)
# LibTorch's headers bring a newer fmt than the system's library: beside them fmt is used from its headers alone.
target_compile_definitions(bessemer_torch INTERFACE _GLIBCXX_USE_CXX11_ABI=1 USE_C10D_GLOO=0 FMT_HEADER_ONLY=1)
file(GLOB torch_runtime LIST_DIRECTORIES true ${LIBTORCH_DIR}/../nvidia/*/lib)
# libtorch_cpu.so of the pinned wheel needs libcudart and libcupti; its RPATH finds them at run time, the linker must be told.
foreach(folder ${torch_runtime})
  target_link_options(bessemer_torch INTERFACE -Wl,-rpath-link,${folder})
endforeach()
# LibTorch brings its own OpenMP runtime; two of them in one process would run twice the threads.
target_link_options(bessemer_torch INTERFACE -Wl,-rpath-link,${LIBTORCH_DIR}/lib)
target_link_libraries(bessemer_torch INTERFACE ${LIBTORCH_DIR}/lib/libtorch_cpu.so ${LIBTORCH_DIR}/lib/libc10.so)
