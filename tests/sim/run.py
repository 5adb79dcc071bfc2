#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs seeds of the simulator (sim_driver.c), a few at a time, and the first ones twice: the same seed must give the same
events.

    tests/sim/run.py [--seeds 500] [--first 1] [--lives N] [--sweep kill|cut|fail] [--jobs 2] [--once]

A failing seed is printed with the command that replays it; the last line is `N passed, N failed`.
"""
import argparse
import concurrent.futures
import os
import re
import subprocess
import sys

DRIVER = os.environ.get("SIM_DRIVER", "build/asan/drivers/sim_driver")
CHUNK = 10
TWICE = 20
FINGERPRINT = re.compile(r"^seed \d+: .* fingerprint \w+", re.MULTILINE)
CLOSING = re.compile(r"^(\d+) passed, (\d+) failed$", re.MULTILINE)


def drive(first, count, *more):
    """What the driver prints about a few seeds."""
    done = subprocess.run([DRIVER, "--seed", str(first), "--count", str(count), *more], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")
    if not CLOSING.search(done.stdout):  # it crashed itself
        return f"{done.stdout}seeds {first} to {first + count - 1}: the driver ended with status {done.returncode}\n" \
               f"0 passed, {count} failed\n"
    return done.stdout


def repeat(first, count):
    """Runs seeds twice; a line for each that went another way."""
    runs = [FINGERPRINT.findall(drive(first, count, "--talk")) for _ in range(2)]
    for one, other in zip(*runs):
        if one != other:
            yield f"not the same twice:\n  {one}\n  {other}"


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--seeds", type=int, default=500)
    args.add_argument("--first", type=int, default=1)
    args.add_argument("--lives")
    args.add_argument("--sweep", choices=["kill", "cut", "fail"])
    args.add_argument("--jobs", type=int, default=2)
    args.add_argument("--once", action="store_true", help="no seed twice")
    args = args.parse_args()
    more = ["--lives", args.lives] if args.lives else []
    more += ["--sweep", args.sweep] if args.sweep else []
    passed = failed = 0
    end = args.first + args.seeds
    size = 1 if args.sweep else CHUNK
    chunks = [(i, min(size, end - i), *more) for i in range(args.first, end, size)]
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for text in pool.map(lambda chunk: drive(*chunk), chunks):
            closing = CLOSING.search(text)
            passed += int(closing[1])
            failed += int(closing[2])
            print(CLOSING.sub("", text).strip(), end="\n" if int(closing[2]) else "", flush=True)
    if not more and not args.once:
        differences = list(repeat(args.first, min(TWICE, args.seeds)))
        failed += len(differences)
        passed += min(TWICE, args.seeds) - len(differences)
        for text in differences:
            print(text)
    print(f"{passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
