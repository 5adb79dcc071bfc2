#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the end-to-end tests: every function `test_*(folder)` of the files beside this one, each with a folder of its own.

    BIN=build/asan/sygra tests/e2e/run.py [WORD...]      only tests whose name holds one of the words
"""
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
import claims  # noqa: E402

if __name__ == "__main__":
    claims.main([p for p in sorted(HERE.glob("*.py")) if p.stem not in ("run", "lib")], int(os.environ.get("JOBS", os.cpu_count())))
