# SPDX-License-Identifier: Apache-2.0
# Probes for the libraries. scripts/packages installs those of the system, scripts/fetch those of build/deps.

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(system REQUIRED IMPORTED_TARGET libuv yaml-0.1 openssl libcurl sqlite3 libnghttp2 zlib libzstd)

# libjq has no pkg-config file in Debian 12.
find_path(JQ_INCLUDE jq.h)
find_library(JQ_LIBRARY jq)
if(NOT JQ_INCLUDE OR NOT JQ_LIBRARY)
  message(FATAL_ERROR "jq.h or libjq is missing: run scripts/packages")
endif()

set(SYGRA_DEPS ${CMAKE_SOURCE_DIR}/build/deps)
if(NOT EXISTS ${SYGRA_DEPS}/src/yyjson.c)
  message(FATAL_ERROR "build/deps is missing: run scripts/fetch, or just make")
endif()

# One file, and the longest compilation of all (10 s): without our warnings, and without what makes it slower still.
add_library(yyjson OBJECT ${SYGRA_DEPS}/src/yyjson.c)
target_compile_options(yyjson PRIVATE -g0 -fno-sanitize=undefined)

# What is linked but not used is dropped by --as-needed. libcurl, libllama and libduckdb are opened at run time: of the
# first two only headers are used here, of the last nothing.
add_library(sygra_deps INTERFACE)
target_include_directories(sygra_deps SYSTEM INTERFACE ${SYGRA_DEPS}/src ${SYGRA_DEPS}/include ${JQ_INCLUDE})
target_link_libraries(sygra_deps INTERFACE PkgConfig::system ${JQ_LIBRARY} Threads::Threads ${CMAKE_DL_LIBS} m)
