# What cpack makes of what is installed: a Debian package, which asks for the libraries that
# dpkg-shlibdeps finds it needs, and an archive to be unpacked anywhere.
set(CPACK_PACKAGE_NAME bnn)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "binary neural networks, trained on real bits")
set(CPACK_PACKAGE_CONTACT "the authors of bnn")
set(CPACK_RESOURCE_FILE_LICENSE ${CMAKE_SOURCE_DIR}/LICENSE)
set(CPACK_STRIP_FILES ON)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_MONOLITHIC_INSTALL ON)
set(CPACK_PACKAGE_FILE_NAME bnn-${PROJECT_VERSION}-${CMAKE_SYSTEM_NAME}-${CMAKE_SYSTEM_PROCESSOR})
set(CPACK_GENERATOR TGZ)
find_program(DPKG_SHLIBDEPS dpkg-shlibdeps)
if(DPKG_SHLIBDEPS)
  list(APPEND CPACK_GENERATOR DEB)
endif()

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "dataset-fashion-mnist, slurm-wlm, python3")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
  "Programs that train, evaluate, pack and export neural networks with 1-bit weights and
activations, eight algorithms on images, boxes, clouds, sound and text; and libbnn, which runs
packed networks.")
# The linker's cache is to know the library.
file(WRITE ${CMAKE_BINARY_DIR}/package/triggers "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_BINARY_DIR}/package/triggers)
include(CPack)
