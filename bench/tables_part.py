# SPDX-License-Identifier: Apache-2.0
"""Part `tables` of bench/run: a large CSV and a large Parquet file of which 100 records are wanted."""
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

from measure import BIN, ENV, JOURNAL, ROOT, SEED, TASK, Call, Failed, get, mock, run

ROWS = 1_000_000
WANTED = 100
FORMATS = ("csv", "csv.gz", "parquet")
TEXT_BYTES = 400  # so that the CSV has some 450 MB


def write_tables(work):
    """rows.csv, rows.csv.gz and rows.parquet with the same rows, made by DuckDB in a process of its own."""
    columns = (f"i AS id, left(repeat(md5(i::VARCHAR) || ' ', {TEXT_BYTES // 30}), {TEXT_BYTES}) AS text, (i * 7)::DOUBLE / 3 AS score,"
               "i % 5 = 0 AS kept, CASE WHEN i % 3 = 0 THEN NULL ELSE i END AS parent")
    path = os.path.join(work, "rows")
    done = subprocess.run([sys.executable, ROOT / "tools/duckdb_sql.py",
                           f"CREATE TABLE t AS SELECT {columns} FROM range({ROWS}) r(i)",
                           f"COPY t TO '{path}.csv' (HEADER)", f"COPY t TO '{path}.parquet' (FORMAT parquet, COMPRESSION zstd)"],
                          stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise Failed(f"DuckDB: {done.stderr}")
    subprocess.run(["gzip", "-1", "-k", "-f", path + ".csv"], check=True)


def table_task(work, form):
    """The bench's task over a file of another format."""
    folder = pathlib.Path(work) / f"task_{form}"
    shutil.copytree(TASK, folder, dirs_exist_ok=True)
    config = folder / "graph_config.yaml"
    config.write_text(config.read_text().replace("rows.jsonl", f"rows.{form}"))
    return folder


def one_run(b, endpoint, task, *more):
    out = os.path.join(b.work, "out")
    shutil.rmtree(out, ignore_errors=True)
    get(endpoint.base + "/__reset", "POST")
    ran = run([BIN, "run", task, "-n", WANTED, "-b", WANTED, "-od", out, "-owt", "False", "--seed", SEED, "--json", *JOURNAL,
               *more], b.work, {**ENV, "SYGRA_BENCH_URL": endpoint.url})
    shutil.rmtree(out, ignore_errors=True)
    return Call(ran, WANTED, endpoint.stats())


def part_tables(b):
    write_tables(b.work)
    b.table(f"Tables: {WANTED} of {ROWS:,} rows ({WANTED} in flight)", "file", "MB", "first request ms", "peak RSS MB", "CPU ms",
            "first request ms, from row 900,000 on")
    with mock(b.work, "--latency_ms", 300) as endpoint:  # long enough for memory to be looked at
        for form in FORMATS:
            task = table_task(b.work, form)
            calls = [one_run(b, endpoint, task) for _ in range(b.sizes["starts"])]
            far = one_run(b, endpoint, task, "--start_index", 900_000)
            first = statistics.median(c.first_ms for c in calls)
            rss = max(c.rss for c in calls)
            size = os.path.getsize(os.path.join(b.work, f"rows.{form}")) / 1e6
            b.row(form, f"{size:.0f}", f"{first:.0f}", f"{rss:.0f}", f"{statistics.median(c.ran.cpu for c in calls) * 1e3:.0f}",
                  f"{far.first_ms:.0f}")
            b.keep("tables", format=form, first_ms=[c.first_ms for c in calls], rss=[c.rss for c in calls], far_ms=far.first_ms)
            b.figure(f"{form} of {ROWS:,} rows, first request", 300, first, " ms", 0)
            b.figure(f"{form} of {ROWS:,} rows, peak RSS", 250, rss, " MB", 0)
