# SPDX-License-Identifier: Apache-2.0
# The only front door: it needs make and sh, and fetches the rest. `make help` lists the targets.

export JOBS ?= $(shell nproc)
export WERROR

.DEFAULT_GOAL := build
.PHONY: build deps demo check test full fuzz bench asan tsan fuzzers arch tidy format man clean distclean help

# What `deps` has to bring beside what the engine needs, for a target and all that it depends on.
test fuzz fuzzers tidy: WITH = test
full: WITH = test full bench
bench: WITH = bench

build: deps ## build build/sygra, after fetching what is missing (the default)
	@scripts/build release all
	@ln -sfn release/sygra build/sygra

deps: ## install missing system packages (as root) and fetch libraries and the demo model, nothing else
	@scripts/packages $(WITH)
	@scripts/fetch $(WITH)

demo: ## install, build, and run a first task on the embedded model
	@scripts/demo

check: asan ## quick tests: unit tests and architecture, in a minute, before every commit
	@scripts/test check

test: build asan fuzzers ## install, build, and run the tests that CI runs
	@scripts/test test

full: build asan fuzzers ## all tests, with the long ones and an installation in a fresh system
	@scripts/test full

fuzz: fuzzers ## search with the fuzz targets for T seconds each (make fuzz T=600 F="task rows")
	@fuzz/run -t $(or $(T),30) $(F)

bench: build ## measure speed and memory against the limits in bench/README.md
	@bench/run

asan: deps ## build build/asan/sygra and the tests with address and undefined sanitizers
	@scripts/build asan all tests

tsan: deps ## build build/tsan/sygra and the tests with the thread sanitizer
	@scripts/build tsan all tests

fuzzers: deps
	@scripts/build fuzz fuzzers

arch: ## check that includes follow the table in ARCHITECTURE.md
	@tools/arch

tidy: fuzzers ## run clang-tidy over src
	@tests/tidy/run

format: ## format src, tests and fuzz with clang-format (where it is installed)
	@command -v clang-format >/dev/null || { echo "clang-format is not installed"; exit 1; }
	@find src tests fuzz include -name '*.[ch]' -print0 2>/dev/null | xargs -0 -r clang-format -i

man: build ## write the man pages into build/man
	@build/sygra man --output_dir build/man/man1

clean: ## remove what was built; what was fetched stays
	@rm -rf build/release build/asan build/tsan build/fuzz build/demo build/man build/test-logs build/sygra

distclean: ## remove build/ altogether (the cache in the home stays)
	@rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
