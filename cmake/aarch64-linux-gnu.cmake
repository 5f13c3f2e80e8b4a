# Cross-compiles for 64-bit ARM Linux (a Raspberry Pi) on Debian, with gcc-aarch64-linux-gnu and the
# libraries in a folder of their own:
#
#     tools/sysroot.sh sysroot arm64 zlib1g-dev libjpeg62-turbo-dev libpng-dev libjansson-dev libgomp1
#     cmake --preset cross-arm64 && cmake --build --preset cross-arm64
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
include("${CMAKE_CURRENT_LIST_DIR}/debian-cross.cmake")
