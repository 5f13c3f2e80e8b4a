# Cross-compiles for 32-bit ARM Linux with hardware floats (ARMv7; NEON, where there is, is found at
# run time) on Debian, with gcc-arm-linux-gnueabihf and the libraries in a folder of their own:
#
#     tools/sysroot.sh sysroot-armhf armhf zlib1g-dev libjpeg62-turbo-dev libpng-dev libjansson-dev \
#         libgomp1
#     cmake --preset cross-armhf && cmake --build --preset cross-armhf
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR armv7l)
set(CMAKE_C_COMPILER arm-linux-gnueabihf-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE arm-linux-gnueabihf)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} "${CMAKE_SYSROOT}")
set(ENV{PKG_CONFIG_LIBDIR} "${CMAKE_SYSROOT}/usr/lib/arm-linux-gnueabihf/pkgconfig")
