#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""CSV by DuckDB's read_csv, and by the engine: what becomes of bad rows, and what do 100 of 1,000,000 rows cost?

    bench/csv_duckdb.py               # both tables: about two minutes
    bench/csv_duckdb.py --rows 0      # bad rows only

The engine reads CSV by a splitter of its own (src/data/csv_split.c); this is why. It prints tables for bench/README.md. It is recorded
once, and in no test suite. DuckDB is that of build/deps, with one thread and 256 MB as the engine gives it for Parquet.
"""
import argparse
import ctypes
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from duckdb_sql import LIBRARY  # noqa: E402
from measure import BIN, run  # noqa: E402

WANTED, TRIALS = 100, 5
HEAD = b"id,name,note\n"
GOOD = [b"%d,n%d,fine\n" % (i, i) for i in range(1, 11)]
BAD = {
    "a value too few": b"6,six\n",
    "a value too many": b"6,six,x,y\n",
    "text behind a quote": b'6,"six"s,x\n',
    "a quote that is never closed": b'6,"six,x\n',
    "Latin-1": "6,caf\u00e9,x\n".encode("latin-1"),
    "NUL": b"6,si\0x,x\n",
    "a row of 3 MB": b"6,six," + b"x" * 3_000_000 + b"\n",
}
# The form is told and not sniffed: with ten rows a bad one changes what is found, with many it must not.
READ = "read_csv('{}', header=true, auto_detect=false, delim=',', quote='\"', escape='\"', columns={{{}}}{})"
COLUMNS = "id: 'VARCHAR', name: 'VARCHAR', note: 'VARCHAR'"
WAYS = {
    "all texts": "",
    "+ strict_mode=false, null_padding": ", strict_mode=false, null_padding=true",
    "+ ignore_errors": ", ignore_errors=true",
    "+ store_rejects": ", store_rejects=true",
    "+ store_rejects, max_line_size=64 MB": ", store_rejects=true, max_line_size=67108864, buffer_size=134217728",
}
ROW_COLUMNS = "id: 'VARCHAR', text: 'VARCHAR', score: 'VARCHAR'"
GRAPH = """data_config: {source: {type: disk, file_path: rows.csv}}
graph_config:
  nodes: {look: {node_type: lambda, lambda: {jq: "{}"}}}
  edges: [{from: START, to: look}, {from: look, to: END}]
output_config: {output_map: {id: {from: id}}}
"""


class Refused(Exception):
    pass


class DuckDB:
    def __init__(self):
        lib = self.lib = ctypes.CDLL(str(LIBRARY))
        for name in ("result_error", "pending_error", "prepare_error"):
            getattr(lib, f"duckdb_{name}").restype = ctypes.c_char_p
        lib.duckdb_value_varchar.restype = ctypes.c_char_p
        for name in ("row_count", "column_count"):
            getattr(lib, f"duckdb_{name}").restype = ctypes.c_uint64
        lib.duckdb_fetch_chunk.restype = ctypes.c_void_p
        lib.duckdb_data_chunk_get_size.restype = ctypes.c_uint64
        database, self.connection = ctypes.c_void_p(), ctypes.c_void_p()
        if lib.duckdb_open(None, ctypes.byref(database)) or lib.duckdb_connect(database, ctypes.byref(self.connection)):
            raise SystemExit("DuckDB does not start")
        self.ask("SET threads = 1")
        self.ask("SET memory_limit = '256MB'")
        self.ask("SET temp_directory = ''")

    def ask(self, statement):
        """All rows, as texts."""
        answer = (ctypes.c_void_p * 6)()
        if self.lib.duckdb_query(self.connection, statement.encode(), ctypes.byref(answer)):
            raise Refused(self.lib.duckdb_result_error(ctypes.byref(answer)).decode(errors="replace"))
        rows, columns = (getattr(self.lib, f"duckdb_{n}_count")(ctypes.byref(answer)) for n in ("row", "column"))
        return [[self.lib.duckdb_value_varchar(ctypes.byref(answer), ctypes.c_uint64(c), ctypes.c_uint64(r)) for c in range(columns)]
                for r in range(rows)]

    def stream(self, statement, wanted):
        """Seconds to the first chunk, streamed as the engine reads Parquet; then on to so many rows."""
        begin = time.monotonic()
        prepared, pending, answer = ctypes.c_void_p(), ctypes.c_void_p(), (ctypes.c_void_p * 6)()
        if self.lib.duckdb_prepare(self.connection, statement.encode(), ctypes.byref(prepared)):
            raise Refused(self.lib.duckdb_prepare_error(prepared).decode(errors="replace"))
        if (self.lib.duckdb_pending_prepared_streaming(prepared, ctypes.byref(pending))
                or self.lib.duckdb_execute_pending(pending, ctypes.byref(answer))):
            raise Refused("the query fails")
        got, first = 0, None
        by_value = type("Answer", (ctypes.Structure,), {"_fields_": [("words", ctypes.c_void_p * 6)]})(answer)
        while got < wanted:
            chunk = self.lib.duckdb_fetch_chunk(by_value)
            if not chunk:
                break
            got += self.lib.duckdb_data_chunk_get_size(ctypes.c_void_p(chunk))
            first = first or time.monotonic() - begin
        return first


def bad_file(folder, kind):
    path = pathlib.Path(folder) / "rows.csv"
    path.write_bytes(HEAD + b"".join(GOOD[:5]) + BAD[kind] + b"".join(GOOD[6:]))
    return path


def by_duckdb(path, options):
    db = DuckDB()
    try:
        rows = db.ask("SELECT * FROM " + READ.format(path, COLUMNS, options))
    except Refused as e:
        return "stops: " + str(e).split("\n")[0][:70]
    good = sum(row[0] in {b"%d" % i for i in (1, 2, 3, 4, 5, 7, 8, 9, 10)} for row in rows)
    text = f"{good} of 9" + (f", {len(rows) - good} other" if len(rows) > good else "")
    if "store_rejects" in options:
        rejects = db.ask("SELECT line, line_byte_position, error_type FROM reject_errors")
        text += "; " + (", ".join(f"line {r[0].decode()}, byte {r[1].decode() if r[1] else '-'}" for r in rejects[:2]) or "none told")
    return text


def by_engine(folder):
    (pathlib.Path(folder) / "graph_config.yaml").write_text(GRAPH)
    out = pathlib.Path(folder) / "out"
    shutil.rmtree(out, ignore_errors=True)
    done = subprocess.run([BIN, "run", folder, "-n", "0", "-owt", "False", "-od", out], capture_output=True, text=True, errors="replace")
    rows = json.loads((out / "output.json").read_text()) if (out / "output.json").exists() else []
    good = sum(row["id"] in (1, 2, 3, 4, 5, 7, 8, 9, 10) for row in rows)
    place = next((line.partition("rows.csv:")[2][:60] for line in done.stderr.splitlines() if "rows.csv:" in line), "none failed")
    return f"{good} of 9{f', {len(rows) - good} other' if len(rows) > good else ''}; {place}"


def row(*cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def bad_rows():
    row("a file of ten rows, of which the sixth has", *WAYS, "the engine")
    row(*["---"] * (len(WAYS) + 2))
    for kind in BAD:
        with tempfile.TemporaryDirectory() as folder:
            path = bad_file(folder, kind)
            row(kind, *(by_duckdb(path, options) for options in WAYS.values()), by_engine(folder))


def first_row(path, options, skip):
    """In a process of its own: prints the milliseconds to the first rows; without a path of one that is made up."""
    rows = READ.format(path, ROW_COLUMNS, options) if path else "range(1)"
    where = f" OFFSET {skip}" if skip else ""
    print(DuckDB().stream(f"SELECT * FROM {rows}{where}", WANTED) * 1e3)


def costs(rows, folder):
    """Before DuckDB is in this process: a child's peak of memory begins with what its parent had."""
    path = os.path.join(folder, "rows.csv")
    run([sys.executable, ROOT / "tools/duckdb_sql.py",
         "COPY (SELECT i AS id, left(repeat(md5(i::VARCHAR) || ' ', 13), 400) AS text, (i * 7)::DOUBLE / 3 AS score "
         f"FROM range({rows}) r(i)) TO '{path}' (HEADER)"], folder)
    print(f"{rows:,} rows, {os.path.getsize(path) / 1e6:.0f} MB\n")
    row(f"{WANTED} rows wanted", "wall ms", "CPU ms of the process", "peak RSS MB")
    row("---", "---", "---", "---")
    far = ("all texts, from row 900,000 on", "", rows * 9 // 10)
    for name, options, skip in (("no file", None, 0), *((n, o, 0) for n, o in WAYS.items()), far):
        where = path if options is not None else ""
        done = [run([sys.executable, __file__, "--first", where, options or "", skip], folder) for _ in range(TRIALS)]
        show(f"read_csv to its first rows: {name}", [float(d.out) for d in done], done)
    pathlib.Path(folder, "graph_config.yaml").write_text(GRAPH)
    for name, skip in (("", 0), (", from row 900,000 on", rows * 9 // 10)):
        done = [run([BIN, "run", folder, "-n", WANTED, "-b", WANTED, "--start_index", skip, "-owt", "False", "-od", "out"], folder)
                for _ in range(TRIALS)]
        show(f"the engine, a whole run{name}", [d.wall * 1e3 for d in done], done)
    print()


def show(name, times, done):
    row(name, f"{statistics.median(times):.0f} ({min(times):.0f}-{max(times):.0f})",
        f"{statistics.median(d.cpu for d in done) * 1e3:.0f}", f"{max(d.rss for d in done):.0f}")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rows", type=int, default=1_000_000)
    p.add_argument("--first", nargs=3, help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.first:
        first_row(a.first[0], a.first[1], int(a.first[2]))
        return
    if a.rows:
        with tempfile.TemporaryDirectory(dir=ROOT / "build") as folder:
            costs(a.rows, folder)
    bad_rows()


if __name__ == "__main__":
    main()
