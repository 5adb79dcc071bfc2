# SPDX-License-Identifier: Apache-2.0
# The variants and their flags. SYGRA_VARIANT is release, asan, tsan or fuzz.

set(SYGRA_VARIANT release CACHE STRING "release, asan (address and undefined), tsan (thread) or fuzz (asan with coverage, by clang)")
option(SYGRA_WERROR "Make compiler warnings errors" OFF)

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON) # gnu11
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(THREADS_PREFER_PTHREAD_FLAG ON)

# The variants say themselves how to optimize; CMake's build types add nothing to them.
foreach(type "" _DEBUG _RELEASE _RELWITHDEBINFO _MINSIZEREL)
  set(CMAKE_C_FLAGS${type} "$ENV{CFLAGS}" CACHE STRING "" FORCE)
endforeach()

add_compile_options(-g -fno-strict-aliasing)
if(SYGRA_VARIANT STREQUAL "release")
  add_compile_options(-O2 -fno-plt -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
elseif(SYGRA_VARIANT STREQUAL "asan")
  set(sanitize -fsanitize=address,undefined -fno-sanitize-recover=all)
elseif(SYGRA_VARIANT STREQUAL "tsan")
  set(sanitize -fsanitize=thread)
elseif(SYGRA_VARIANT STREQUAL "fuzz")
  # An empty view may be {NULL, 0}, and NULL + 0 is NULL (C2y says so, clang 14 does not know it yet).
  set(sanitize -fsanitize=fuzzer-no-link,address,undefined,local-bounds -fno-sanitize=pointer-overflow -fno-sanitize-recover=all)
else()
  message(FATAL_ERROR "SYGRA_VARIANT is '${SYGRA_VARIANT}'; it can be release, asan, tsan or fuzz")
endif()
if(sanitize)
  # What the optimizer believes to be unset under sanitizers is often not: that warning is left to release.
  add_compile_options(-O1 -fno-omit-frame-pointer -U_FORTIFY_SOURCE ${sanitize}
    $<$<C_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  add_link_options(${sanitize})
endif()
add_link_options(-pie -Wl,-z,relro,-z,now -Wl,--as-needed)

# For our own sources only, not for what is fetched.
add_library(sygra_warnings INTERFACE)
target_compile_options(sygra_warnings INTERFACE
  -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wpointer-arith -Wvla
  -Wundef -Wwrite-strings -Wformat=2 -Wno-format-nonliteral -Wno-missing-field-initializers
  $<$<BOOL:${SYGRA_WERROR}>:-Werror>)
