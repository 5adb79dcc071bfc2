# SPDX-License-Identifier: Apache-2.0
"""CSV, TSV and Parquet, packed files, patterns, shards, and samplers that draw from columns, as a user meets them."""
import gzip
import json
import os
import pathlib
import shutil
import subprocess
import sys

from lib import BIN, ENV, Mock, Run, Task, line
from resume import kill_after, resume, says

ROOT = pathlib.Path(__file__).resolve().parents[2]

# The records as they are read: a sampler is the whole graph, and no model is called.
READ = """
    data_config:
      source: {type: disk, file_path: "FILE"}
    graph_config:
      nodes:
        s: {node_type: weighted_sampler, attributes: {x: {values: [1]}}}
      edges:
        - {from: START, to: s}
        - {from: s, to: END}
    """


def read(folder, file, data=None, keys="", args=("-n", 0), env=None):
    """Runs a task that only reads; FILE is written first when there are data for it."""
    task = Task(folder, READ.replace('"FILE"}', f'"{file}"{", " + keys if keys else ""}}}'))
    if data is not None:
        task.write(file, data)
    return task.run("--output_dir", folder, *args, env=env)


def plain(run):
    """The columns of the records."""
    own = ("id", "messages", "__chat_history__", "x")
    return [{k: v for k, v in r.items() if k not in own} for r in run.records()]


def packed(data, how):
    return gzip.compress(data) if how == "gz" else subprocess.run(["zstd", "-qc"], input=data, capture_output=True, check=True).stdout


def has_zstd():
    return shutil.which("zstd")


def parquet(path, query):
    """Writes what the query gives; in a process of its own, since DuckDB keeps what it has allocated."""
    done = subprocess.run([sys.executable, ROOT / "tools/duckdb_sql.py", f"COPY ({query}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return path


# --- CSV ---------------------------------------------------------------------------------------------------------------------


def test_csv_columns_have_the_type_that_all_their_values_have(folder):
    data = "n,gap,price,zip,account,ok,note,none\n7,1,1.50,02139,12345678901234567890,True,NA,\n-8,,2,10001,5,False,None,\n9,NA,1e-5,10002,6,,hi,\n"
    run = read(folder, "a.csv", data).expect(0)
    assert plain(run) == [
        {"n": 7, "gap": 1, "price": "1.50", "zip": "02139", "account": "12345678901234567890", "ok": True, "note": "NA", "none": None},
        {"n": -8, "gap": None, "price": 2, "zip": "10001", "account": "5", "ok": False, "note": "None", "none": None},
        {"n": 9, "gap": None, "price": "1e-5", "zip": "10002", "account": "6", "ok": None, "note": "hi", "none": None}]
    assert '"gap": null' in (folder / "output.json").read_text() and "NaN" not in (folder / "output.json").read_text()


def test_a_value_behind_the_sample_that_does_not_fit_its_column_is_a_text(folder):
    rows = "".join(f"{i},{'x' * 300}\n" for i in range(5000))
    run = read(folder, "a.csv", f"n,t\n{rows}n/k,last\n007,end\n").expect(0)
    assert [r["n"] for r in plain(run)] == [*range(5000), "n/k", "007"]


def test_quotes_commas_line_ends_and_tabs_are_read_as_they_were_written(folder):
    data = 'a,b\r\n"x, ""y""","two\nlines"\r\n5" pipe,plain\r\n'
    assert plain(read(folder / "c", "a.csv", "\ufeff" + data).expect(0)) == [
        {"a": 'x, "y"', "b": "two\nlines"}, {"a": '5" pipe', "b": "plain"}]
    assert plain(read(folder / "t", "a.tsv", "a\tb\n1\tx, y\n").expect(0)) == [{"a": 1, "b": "x, y"}]


def test_column_names_that_are_empty_or_given_twice_get_others(folder):
    assert plain(read(folder, "a.csv", ",a,a\n1,2,3\n").expect(0)) == [{"Unnamed: 0": 1, "a": 2, "a.1": 3}]


def test_bad_rows_of_a_csv_fail_alone_with_their_line(folder):
    data = b'a,b\n1,one\n2\n3,three,x\n4,"open\n5,five\n6,"six"teen\n7,\xff\xfe\n8,"two\nlines"\n9,"never closed\n10,ten\n'
    run = read(folder, "a.csv", data).expect(3)
    assert [r["a"] for r in plain(run)] == [1, 5, 8, 10]
    assert [(f["line"], f["position"]) for f in run.failed()] == [(3, 1), (4, 2), (5, 3), (7, 5), (8, 6), (11, 8)]
    wrong = [f["message"] for f in run.failed()]
    for part, message in zip(["has 1 value, the header names 2", "has 3 values", "is not closed", "behind the quote", "not UTF-8",
                              "is not closed"], wrong):
        assert part in message and "a.csv:" in message, (part, message)


def test_a_csv_without_a_header_is_refused_and_one_without_rows_has_none(folder):
    says(read(folder / "a", "a.csv", "").expect(1), "a.csv:1", "the file is empty")
    says(read(folder / "b", "a.csv", b"\xff\xfea\x00").expect(1), "a.csv", "UTF-16")
    says(read(folder / "c", "a.csv", '"a,b\n').expect(1), "a.csv:1", "header")
    assert read(folder / "d", "a.csv", "a,b\n").expect(0).records() == []


# --- Parquet -----------------------------------------------------------------------------------------------------------------


def test_parquet_values_are_exact_and_have_a_json_form(folder):
    parquet(folder / "a.parquet", """SELECT 9007199254740993::BIGINT i, 18446744073709551615::UBIGINT u, 12.50::DECIMAL(9,2) d,
        -12345678901234567890.12::DECIMAL(38,2) big, 0.1::FLOAT f, 'nan'::DOUBLE nan, NULL::INT gone, [1, NULL, 3] l,
        {'a': 1, 'b': [DATE '2024-02-29']} s, MAP {'k': 1, 'j': 2} m, TIMESTAMP '1969-12-31 23:59:59.25' ts,
        TIMESTAMPTZ '2024-01-01 00:00:00+00' tz, TIME '12:30:00' t, true b, 'longer than twelve bytes' t2""")
    run = read(folder, "a.parquet").expect(0)
    assert plain(run) == [{"i": 9007199254740993, "u": 18446744073709551615, "d": "12.50", "big": "-12345678901234567890.12", "f": "0.1",
                           "nan": None, "gone": None, "l": [1, None, 3], "s": {"a": 1, "b": ["2024-02-29"]}, "m": {"k": 1, "j": 2},
                           "ts": "1969-12-31T23:59:59.25", "tz": "2024-01-01T00:00:00+00:00", "t": "12:30:00", "b": True,
                           "t2": "longer than twelve bytes"}]


def test_a_column_of_bytes_is_refused_by_name_and_can_be_left_out(folder):
    parquet(folder / "a.parquet", "SELECT 1 a, {'bytes': 'x'::BLOB} image")
    says(read(folder, "a.parquet").expect(1), "a.parquet", "`image`", "BLOB", "fields")
    assert plain(read(folder, "a.parquet", keys="fields: [a]").expect(0)) == [{"a": 1}]


def test_a_torn_parquet_file_stops_the_run_with_what_was_read_intact(folder):
    good = parquet(folder / "good.parquet", "SELECT i AS a, md5(i::VARCHAR) AS t FROM range(60000) r(i)").read_bytes()
    says(read(folder / "half", "a.parquet", good[:len(good) // 2]).expect(1), "a.parquet", "cannot be read")
    says(read(folder / "empty", "a.parquet", b"").expect(1), "a.parquet", "cannot be read")
    says(read(folder / "text", "a.parquet", b"a,b\n1,2\n").expect(1), "a.parquet", "cannot be read")
    middle = len(good) // 2
    run = read(folder / "middle", "a.parquet", good[:middle] + b"\xff" * 3000 + good[middle + 3000:])
    run.expect(1)
    says(run, "a.parquet: broken behind row ")
    done = part(folder / "middle")
    assert done == [*range(len(done))] and 2048 <= len(done) < 60000, len(done)


def part(folder):
    """Column `a` of the records in output.part, an array that has its bracket, or lines."""
    text = (folder / "output.part").read_text()
    records = json.loads(text) if text.startswith("[") else [json.loads(r) for r in text.splitlines()]
    return [r["a"] for r in records]


def test_without_duckdb_parquet_says_how_to_get_it_and_everything_else_works(folder):
    alone = folder / "bin/sygra"
    alone.parent.mkdir()
    shutil.copy(BIN, alone)
    parquet(folder / "a.parquet", "SELECT 1 a")
    env = {**ENV, "HOME": str(folder), "XDG_CACHE_HOME": "", "SYGRA_HOME": ""}

    def run(file):
        Task(folder, READ.replace("FILE", file))
        done = subprocess.run([alone, "run", folder, "-n", "0", "--output_with_ts", "False"], capture_output=True, text=True, env=env)
        return Run(done, folder)

    says(run("a.parquet").expect(1), "DuckDB", "run `make`", "SYGRA_HOME", str(folder / "bin/deps/duckdb"))
    (folder / "a.csv").write_text("a\n1\n")
    assert plain(run("a.csv").expect(0)) == [{"a": 1}]


# --- packed files, several files ---------------------------------------------------------------------------------------------


def test_packed_files_read_as_what_they_hold(folder):
    rows = [{"a": i, "t": f"text {i}"} for i in range(3000)]
    forms = {"jsonl": "".join(json.dumps(r) + "\n" for r in rows), "json": json.dumps(rows),
             "csv": "a,t\n" + "".join(f"{r['a']},{r['t']}\n" for r in rows), "tsv": "a\tt\n" + "".join(f"{r['a']}\t{r['t']}\n" for r in rows)}
    for form, text in forms.items():
        for how in ("gz", "zst") if has_zstd() else ("gz",):
            half = len(text.encode()) // 2  # in two members, as programs that append leave them
            data = packed(text.encode()[:half], how) + packed(text.encode()[half:], how)
            run = read(folder / form / how, f"a.{form}.{how}", data).expect(0)
            assert plain(run) == rows, (form, how)


def test_a_torn_packed_file_stops_behind_the_rows_before(folder):
    text = "a\n" + "".join(f"{i}\n" for i in range(30000))
    whole = gzip.compress(text.encode())
    for name, data in {"cut": whole[:len(whole) // 2], "damaged": whole[:9000] + b"\0" * 64 + whole[9064:]}.items():
        run = read(folder / name, "a.csv.gz", data).expect(1)
        says(run, "a.csv.gz: byte ", "of the packed file")
        done = part(folder / name)
        # gzip notices damage some bytes behind it, where what stands there means nothing any more.
        assert done[:3000] == [*range(3000)] and len(done) < 30000, (name, len(done))
    says(read(folder / "no", "a.jsonl.gz", b"no gzip").expect(1), "a.jsonl.gz: byte 2 of the packed file")


def test_patterns_and_shards_read_files_in_the_order_of_their_names(folder):
    task = Task(folder, READ)
    for name, text in {"p/b.csv": "a,z\n3,03\n", "p/a.csv": "z,a\n01,1\n02,2\n", "p/c.csv": "a\n4\n", "p/other.txt": "x"}.items():
        task.write(name, text)
    assert plain(read(folder, "p/*.csv").expect(0)) == [{"a": 1, "z": "01"}, {"a": 2, "z": "02"}, {"a": 3, "z": "03"}, {"a": 4}]
    for shard, wanted in {"{regex: '*'}": [1, 2, 3, 4], "{index: [2, 0]}": [4, 1, 2], "{regex: '[bc]'}": [3, 4]}.items():
        assert [r["a"] for r in plain(read(folder, "p/a.csv", keys=f"shard: {shard}").expect(0))] == wanted, shard


def test_only_the_rows_that_are_wanted_are_taken_from_a_table(folder):
    parquet(folder / "a.parquet", "SELECT i AS a FROM range(10000) r(i)")
    run = read(folder, "a.parquet", args=("-n", 3, "-si", 5000)).expect(0)
    assert [r["a"] for r in plain(run)] == [5000, 5001, 5002]


# --- going on ----------------------------------------------------------------------------------------------------------------


def inputs(folder, n):
    """The same rows in each form: file_path to the data_config's name for them."""
    rows = [(i, f"question {i}") for i in range(n)]
    csv = "id,q\n" + "".join(f"{i},{q}\n" for i, q in rows)
    half = n // 2
    (folder / "parts").mkdir(parents=True)
    (folder / "one.csv").write_text(csv)
    (folder / "packed.csv.gz").write_bytes(gzip.compress(csv.encode()))
    (folder / "parts/1.csv").write_text("id,q\n" + "".join(f"{i},{q}\n" for i, q in rows[:half]))
    (folder / "parts/2.jsonl").write_text("".join(json.dumps({"id": i, "q": q}) + "\n" for i, q in rows[half:]))
    parquet(folder / "table.parquet", f"SELECT i AS id, 'question ' || i AS q FROM range({n}) r(i)")
    return "one.csv", "packed.csv.gz", "parts/*", "table.parquet"


def test_killed_runs_over_every_form_go_on_to_the_same_bytes(folder):
    with Mock("--latency_ms", 20, "--sigma", 1) as mock:
        for i, name in enumerate(inputs(folder / "in", 150)):
            graph = line("echo").replace("data.jsonl", f'"{folder}/in/{name}"')
            Task(folder / f"whole{i}", graph, mock.url).run("-n", 0, "-b", 10).expect(0)
            Task(folder / f"killed{i}", graph, mock.url)
            kill_after(folder / f"killed{i}", 30, "-n", 0, "-b", 10)
            run = resume(folder / f"killed{i}").expect(0)
            assert (folder / f"killed{i}/output.json").read_bytes() == (folder / f"whole{i}/output.json").read_bytes(), name
            assert [r["id"] for r in run.records()] == [*range(150)], name


def test_changed_input_of_every_form_is_refused_and_a_copy_is_not(folder):
    changes = {"one.csv": lambda p: p.write_text(p.read_text().replace("question 1\n", "Question 1\n")),
               "packed.csv.gz": lambda p: p.write_bytes(gzip.compress(gzip.decompress(p.read_bytes()).replace(b"question 1\n", b"Question 1\n"))),
               "parts/*": lambda p: (p.parent / "0.csv").write_text("id,q\n999,before\n"),
               "table.parquet": lambda p: parquet(p, "SELECT i AS id, 'Question ' || i AS q FROM range(150) r(i)")}
    with Mock("--latency_ms", 20) as mock:
        for i, name in enumerate(inputs(folder / "in", 150)):
            task = folder / f"t{i}"
            Task(task, line("echo").replace("data.jsonl", f'"{folder}/in/{name}"'), mock.url)
            kill_after(task, 30, "-n", 0, "-b", 10)
            path, kept = folder / "in" / name, folder / "kept"
            shutil.copytree(folder / "in", kept)
            changes[name](path)
            says(resume(task).expect(1), "the input has changed since")
            shutil.rmtree(folder / "in")
            shutil.copytree(kept, folder / "in")  # other inodes and times, the same bytes
            shutil.rmtree(kept)
            assert len(resume(task).expect(0).records()) == 150, name


# --- samplers that draw from columns -------------------------------------------------------------------------------------------


DRAW = """
    data_config:
      source: {type: disk, file_path: data.jsonl}
    graph_config:
      nodes:
        pick:
          node_type: weighted_sampler
          attributes:
            name: {values: {source: {type: disk, file_path: "people.FORM"}, column: name}}
            city: {values: {source: {type: disk, file_path: "people.FORM"}, column: city}}
            any: {values: {source: {type: disk, file_path: "people.FORM"}, column: [name, city], order: random}}
        ask:
          node_type: llm
          model: {name: echo}
          prompt: [{user: "{name}"}]
          output_keys: answer
      edges: [{from: START, to: pick}, {from: pick, to: ask}, {from: ask, to: END}]
    output_config:
      output_map: {id: {from: id}, name: {from: name}, city: {from: city}, any: {from: any}, answer: {from: answer}}
    """
PEOPLE = [{"name": f"name {i}", "city": f"city {i}"} for i in range(7)]


def draw_task(folder, url, form="csv", n=20):
    task = Task(folder, DRAW.replace("FORM", form), url, [{"id": i} for i in range(n)])
    task.write("people.csv", "name,city\n" + "".join(f"{p['name']},{p['city']}\n" for p in PEOPLE))
    task.write("people.jsonl", "".join(json.dumps(p) + "\n" for p in PEOPLE))
    return task


def test_a_sampler_reads_a_column_row_by_row_and_at_random_by_the_seed(folder):
    with Mock() as mock:
        task = draw_task(folder, mock.url)
        records = task.run("-n", 0, "-b", 7).expect(0).records()
        assert [r["name"] for r in records] == [f"name {i % 7}" for i in range(20)]
        assert all(r["city"][5:] == r["name"][5:] for r in records), "attributes that read one source see one row"
        drawn = [r["any"] for r in records]
        assert {d.split()[0] for d in drawn} == {"name", "city"} and len(set(drawn)) > 5
        assert drawn == [r["any"] for r in task.run("-n", 0, "-b", 1).expect(0).records()]
        assert drawn[5:9] == [r["any"] for r in task.run("-n", 4, "-si", 5).expect(0).records()], "where a run begins does not matter"
        parquet(folder / "people.parquet", "SELECT 'name ' || i AS name, 'city ' || i AS city FROM range(7) r(i)")
        for form in ("jsonl", "parquet"):
            task.write("graph_config.yaml", DRAW.replace("FORM", form))
            assert task.run("-n", 0).expect(0).records() == records, form


def test_a_run_with_drawn_columns_goes_on_to_the_same_bytes_unless_they_have_changed(folder):
    with Mock("--latency_ms", 20) as mock:
        draw_task(folder / "a", mock.url, n=100).run("-n", 0, "-b", 5).expect(0)
        draw_task(folder / "b", mock.url, n=100)
        kill_after(folder / "b", 20, "-n", 0, "-b", 5)
        people = folder / "b/people.csv"
        text = people.read_text()
        people.write_text(text.replace("city 3", "City 3"))
        says(resume(folder / "b").expect(1), "the file that it draws from")
        people.write_text(text)
        resume(folder / "b").expect(0)
    assert (folder / "a/output.json").read_bytes() == (folder / "b/output.json").read_bytes()


def test_a_column_that_cannot_be_drawn_from_is_told_before_the_first_call(folder):
    with Mock() as mock:
        for data, part in {"name,town\na,b\n": "no row has a column `city`", "name,city\n": "no rows to draw from",
                           "name,city\na,b\nc\n": "people.csv:3", "name,city\na," + "x" * (66 << 20) + "\n": "too long"}.items():
            task = draw_task(folder, mock.url)
            task.write("people.csv", data)
            says(task.run("-n", 0).expect(1), part)
        assert mock.stats()["requests"] == 0
