# What `cmake --install` puts where: programs and their manual pages, the library with its one
# header, and what a dependent build finds it by (pkg-config, CMake). Everything is relative to the
# prefix, so an installed tree may be moved.
include(CMakePackageConfigHelpers)

install(TARGETS ${BNN_PROGRAM_TARGETS} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS bnn_shared EXPORT bnnTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS bnn EXPORT bnnStatic ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES models/bnn.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${BNN_BENCH_SCRIPTS} ${BNN_EXPORT_SCRIPTS} DESTINATION ${CMAKE_INSTALL_DATADIR}/bnn)
install(FILES ${BNN_PLANS} DESTINATION ${CMAKE_INSTALL_DATADIR}/bnn/plans)
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md")
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright)

# The programs write their own manual, so that it cannot fall behind their options. A program for
# another machine can only be asked through an emulator.
if(CMAKE_CROSSCOMPILING AND NOT CMAKE_CROSSCOMPILING_EMULATOR)
  message(STATUS "Cross-compiling without CMAKE_CROSSCOMPILING_EMULATOR: no manual pages")
else()
  foreach(name IN LISTS BNN_PROGRAM_TARGETS)
    set(page ${CMAKE_BINARY_DIR}/man/${name}.1)
    # By way of another name: what a failing program leaves behind must not look finished.
    add_custom_command(OUTPUT ${page}
      COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/man
      COMMAND ${name} --man > ${page}.new
      COMMAND ${CMAKE_COMMAND} -E rename ${page}.new ${page}
      DEPENDS ${name} COMMENT "Writing man/${name}.1" VERBATIM)
    list(APPEND pages ${page})
  endforeach()
  add_custom_target(man ALL DEPENDS ${pages})
  install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  # What shells complete, likewise.
  foreach(name IN LISTS BNN_PROGRAM_TARGETS)
    foreach(shell bash zsh)
      set(script ${CMAKE_BINARY_DIR}/completion/${shell}/${name})
      if(shell STREQUAL zsh)
        set(script ${CMAKE_BINARY_DIR}/completion/zsh/_${name})
      endif()
      add_custom_command(OUTPUT ${script}
        COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/completion/${shell}
        COMMAND ${name} --completion ${shell} > ${script}.new
        COMMAND ${CMAKE_COMMAND} -E rename ${script}.new ${script}
        DEPENDS ${name} COMMENT "Writing completion of ${name} for ${shell}" VERBATIM)
      list(APPEND completions_${shell} ${script})
    endforeach()
  endforeach()
  add_custom_target(completion ALL DEPENDS ${completions_bash} ${completions_zsh})
  install(FILES ${completions_bash}
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  # Debian's zsh looks for what packages bring, below /usr, in a folder of its own.
  install(CODE [[
    set(BNN_ZSH_FOLDER site-functions)
    if("${CMAKE_INSTALL_PREFIX}" MATCHES "(^|/)usr$")
      set(BNN_ZSH_FOLDER vendor-completions)
    endif()]])
  install(FILES ${completions_zsh}
    DESTINATION "${CMAKE_INSTALL_DATADIR}/zsh/\${BNN_ZSH_FOLDER}")
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/bnn)
install(EXPORT bnnTargets NAMESPACE bnn:: DESTINATION ${package_dir})
install(EXPORT bnnStatic NAMESPACE bnn:: DESTINATION ${package_dir})
set(BNN_NEEDS_PROTOBUFC FALSE)
if(BNN_PROTOBUFC)
  set(BNN_NEEDS_PROTOBUFC TRUE)
endif()
configure_package_config_file(cmake/bnnConfig.cmake.in ${CMAKE_BINARY_DIR}/bnnConfig.cmake
  INSTALL_DESTINATION ${package_dir})
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(${CMAKE_BINARY_DIR}/bnnConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/bnnConfig.cmake ${CMAKE_BINARY_DIR}/bnnConfigVersion.cmake
  DESTINATION ${package_dir})

file(RELATIVE_PATH BNN_PC_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" BNN_PC_PREFIX ${BNN_PC_PREFIX})
file(RELATIVE_PATH BNN_PC_LIBDIR ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_LIBDIR})
file(RELATIVE_PATH BNN_PC_INCLUDEDIR ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_INCLUDEDIR})
if(BNN_PROTOBUFC)
  set(BNN_PC_PROTOBUFC " libprotobuf-c")
endif()
configure_file(cmake/bnn.pc.in ${CMAKE_BINARY_DIR}/bnn.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/bnn.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
