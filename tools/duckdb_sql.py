#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs SQL in the DuckDB of build/deps, for tests and the bench: tools/duckdb_sql.py STATEMENT..."""
import ctypes
import pathlib
import sys

LIBRARY = pathlib.Path(__file__).resolve().parent.parent / "build/deps/duckdb/libduckdb.so"


def sql(*statements):
    """Runs the statements in one database, which is gone afterwards; SystemExit with DuckDB's words when one fails."""
    lib = ctypes.CDLL(str(LIBRARY))
    lib.duckdb_result_error.restype = ctypes.c_char_p
    database, connection = ctypes.c_void_p(), ctypes.c_void_p()
    if lib.duckdb_open(None, ctypes.byref(database)) or lib.duckdb_connect(database, ctypes.byref(connection)):
        raise SystemExit("DuckDB does not start")
    try:
        for statement in statements:
            answer = (ctypes.c_void_p * 6)()  # three numbers and three pointers
            failed = lib.duckdb_query(connection, statement.encode(), ctypes.byref(answer))
            why = lib.duckdb_result_error(ctypes.byref(answer)) if failed else None
            lib.duckdb_destroy_result(ctypes.byref(answer))
            if failed:
                raise SystemExit(why.decode())
    finally:
        lib.duckdb_disconnect(ctypes.byref(connection))
        lib.duckdb_close(ctypes.byref(database))


if __name__ == "__main__":
    sql(*sys.argv[1:])
