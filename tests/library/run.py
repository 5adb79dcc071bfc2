#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of the Python library (python/sygra), each test_*.py beside this file in a process of its own.

    BIN=build/asan/sygra tests/library/run.py [WORD...]      only files whose name holds one of the words
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def run(path):
    done = subprocess.run([sys.executable, "-m", "unittest", "-v", path.stem], cwd=HERE, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    count = re.search(r"^Ran (\d+) test", done.stdout, re.M)
    bad = sum(int(n) for n in re.findall(r"(?:failures|errors)=(\d+)", done.stdout))
    ran = int(count[1]) if count else 0
    return path.stem, ran, max(bad, int(done.returncode != 0 or ran == 0)), done.stdout


def main():
    words = sys.argv[1:]
    if "BIN" in os.environ:
        os.environ["BIN"] = os.path.abspath(os.environ["BIN"])  # the tests run elsewhere
    files = [p for p in sorted(HERE.glob("test_*.py")) if not words or any(w in p.stem for w in words)]
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("JOBS", os.cpu_count()))) as pool:
        for name, ran, bad, out in pool.map(run, files):
            print(out if bad else re.sub(r"\n-{20,}.*", "", out, flags=re.S))
            passed += max(ran - bad, 0)
            failed += bad
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
