# Cross-compiles for 32-bit ARM Linux with hardware floats (ARMv7; NEON, where there is, is found at
# run time) on Debian, with gcc-arm-linux-gnueabihf and the libraries in a folder of their own:
#
#     tools/sysroot.sh sysroot-armhf armhf zlib1g-dev libjpeg62-turbo-dev libpng-dev libjansson-dev \
#         libgomp1
#     cmake --preset cross-armhf && cmake --build --preset cross-armhf
set(CMAKE_SYSTEM_PROCESSOR armv7l)
set(CMAKE_LIBRARY_ARCHITECTURE arm-linux-gnueabihf)
include("${CMAKE_CURRENT_LIST_DIR}/debian-cross.cmake")
