#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of the Python hook host: every function `test_*(folder)` of the files host_*.py beside this one, each with a
folder of its own. The host is the real program, and the other end of its socket is client.py.

    tests/hooks/run.py [WORD...]      only tests whose name holds one of the words
"""
import concurrent.futures
import importlib
import pathlib
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))


def collect(words):
    for path in sorted(HERE.glob("host_*.py")):
        module = importlib.import_module(path.stem)
        for name, test in sorted(vars(module).items()):
            full = f"{path.stem}.{name}"
            if name.startswith("test_") and callable(test) and (not words or any(w in full for w in words)):
                yield full, test


def run(item):
    name, test = item
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sygra-hooks-", ignore_cleanup_errors=True) as folder:
        try:
            test(pathlib.Path(folder))
            error = None
        except Exception:
            error = traceback.format_exc()
    return name, error, time.monotonic() - started


def main():
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for name, error, seconds in pool.map(run, list(collect(sys.argv[1:]))):
            print(f"{'FAIL' if error else 'ok  '} {seconds:5.1f} s  {name}")
            if error:
                failed += 1
                print(error)
            else:
                passed += 1
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
