# cuda/: the same table of kernels on NVIDIA GPUs, as a library of its own, which a program opens when
# it is asked for a GPU. So one package serves machines with and without one, and the programs do
# not depend on CUDA. What opens it, and says what is missing, is always built (cuda/open.c).
set(BNN_CUDA AUTO CACHE STRING "Build libbnn-cuda: AUTO (where there is nvcc), ON or OFF")
# Of 8.0 there is also PTX, of which a driver makes code for any newer GPU when it first meets it. A
# package has it ready for each.
set(BNN_CUDA_ARCHITECTURES 80 CACHE STRING
  "What libbnn-cuda is compiled for, as CMAKE_CUDA_ARCHITECTURES has it; all: for a package")
if(BNN_CUDA_ARCHITECTURES STREQUAL all)
  set(BNN_CUDA_WANTED 80 86-real 89-real 90a-real 100-real 120-real)
else()
  set(BNN_CUDA_WANTED ${BNN_CUDA_ARCHITECTURES})
endif()

set(BNN_HAS_CUDA FALSE)
if(BNN_CUDA AND NOT BNN_STATIC AND NOT BNN_LIBFUZZER AND NOT CMAKE_CROSSCOMPILING)
  # A compiler that finds nothing to link is none: the language is asked for by its cheapest name.
  if(NOT CMAKE_CUDA_COMPILER)
    find_program(BNN_NVCC nvcc HINTS $ENV{CUDA_HOME} $ENV{CUDA_PATH} /usr/local/cuda PATH_SUFFIXES bin)
    if(BNN_NVCC)
      set(CMAKE_CUDA_COMPILER ${BNN_NVCC})
    endif()
  endif()
  if(CMAKE_CUDA_COMPILER)
    # As many of them as the toolkit knows.
    execute_process(COMMAND ${CMAKE_CUDA_COMPILER} --list-gpu-code OUTPUT_VARIABLE known)
    foreach(architecture IN LISTS BNN_CUDA_WANTED)
      string(REGEX MATCH "^[0-9]+" number ${architecture})
      if(known MATCHES "sm_${number}([^0-9]|$)" OR NOT number)
        list(APPEND CMAKE_CUDA_ARCHITECTURES ${architecture})
      else()
        message(STATUS "This toolkit has no sm_${number}: left out of libbnn-cuda")
      endif()
    endforeach()
    enable_language(CUDA)
    find_package(CUDAToolkit REQUIRED)
    if(TARGET CUDA::cublas)
      set(BNN_HAS_CUDA TRUE)
    else()
      message(STATUS "This CUDA toolkit has no cuBLAS")
    endif()
  endif()
  if(NOT BNN_HAS_CUDA AND NOT BNN_CUDA STREQUAL AUTO)
    message(FATAL_ERROR "BNN_CUDA=${BNN_CUDA}, but nvcc or cuBLAS is missing; set CMAKE_CUDA_COMPILER")
  endif()
elseif(BNN_CUDA AND NOT BNN_CUDA STREQUAL AUTO)
  message(FATAL_ERROR "BNN_CUDA=${BNN_CUDA} does not go with BNN_STATIC, fuzzing or cross-compiling")
endif()
if(NOT BNN_HAS_CUDA)
  message(STATUS "No libbnn-cuda: --device cuda will say so")
endif()

if(BNN_HAS_CUDA)
  file(GLOB BNN_CUDA_KERNELS CONFIGURE_DEPENDS cuda/*.cu)
  add_library(bnn_cuda MODULE ${BNN_CUDA_KERNELS} cuda/device.c cuda/matmul.c cuda/nccl.c cuda/table.c
    engine/comm.c engine/base/status.c engine/base/text.c)
  # Floats are never contracted behind our back, and division and roots are IEEE's, as on the CPU.
  target_compile_options(bnn_cuda PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20 --extended-lambda
    -fmad=false --Werror=all-warnings -Xcompiler=-Wall,-Wextra,-Werror>)
  target_include_directories(bnn_cuda PRIVATE ${CMAKE_SOURCE_DIR})
  target_compile_definitions(bnn_cuda PRIVATE _POSIX_C_SOURCE=200809L _DEFAULT_SOURCE
    BNN_VERSION="${PROJECT_VERSION}")
  target_compile_options(bnn_cuda PRIVATE $<$<COMPILE_LANGUAGE:C>:-Wall -Wextra -Wconversion -Wshadow
    -Wstrict-prototypes -Wmissing-prototypes -Wno-sign-conversion -Werror>)
  target_link_libraries(bnn_cuda PRIVATE CUDA::cudart_static CUDA::cublas m ${CMAKE_DL_LIBS})
  # The toolkit is often where the system does not look for libraries.
  set_target_properties(bnn_cuda PROPERTIES BUILD_RPATH "${CUDAToolkit_LIBRARY_DIR}"
    INSTALL_RPATH "${CUDAToolkit_LIBRARY_DIR}" OUTPUT_NAME bnn-cuda C_VISIBILITY_PRESET hidden
    CUDA_VISIBILITY_PRESET hidden
    LINKER_LANGUAGE CUDA)
  install(TARGETS bnn_cuda LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
