#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of the Python hook host: every function `test_*(folder)` of the files host_*.py beside this one, each with a
folder of its own. The host is the real program, and the other end of its socket is client.py.

    tests/hooks/run.py [WORD...]      only tests whose name holds one of the words
"""
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
import claims  # noqa: E402

if __name__ == "__main__":
    claims.main(sorted(HERE.glob("host_*.py")), at_a_time=3, outlived=True)
