# SPDX-License-Identifier: Apache-2.0
"""Runs tests in Python: every function `test_*(folder)` of some files, each with a folder of its own, several at a time."""
import concurrent.futures
import importlib
import pathlib
import sys
import tempfile
import time
import traceback


def _collect(paths, words):
    for path in paths:
        module = importlib.import_module(path.stem)
        for name, test in sorted(vars(module).items()):
            full = f"{path.stem}.{name}"
            if name.startswith("test_") and callable(test) and (not words or any(w in full for w in words)):
                yield full, test


def _run(item, outlived):
    name, test = item
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sygra-test-", ignore_cleanup_errors=outlived) as folder:
        try:
            test(pathlib.Path(folder))
            error = None
        except Exception:
            error = traceback.format_exc()
    return name, error, time.monotonic() - started


def main(paths, at_a_time, outlived=False):
    """`paths`: files of one folder. `outlived`: a process of a test may still write into its folder when that goes away; else
    this fails the run. The words of the command line choose tests by their names. Does not return: status 1 when a test
    failed, or none ran."""
    sys.path.insert(0, str(paths[0].parent))
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(at_a_time) as pool:
        for name, error, seconds in pool.map(lambda item: _run(item, outlived), list(_collect(paths, sys.argv[1:]))):
            print(f"{'FAIL' if error else 'ok  '} {seconds:5.1f} s  {name}")
            if error:
                failed += 1
                print(error)
            else:
                passed += 1
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)
