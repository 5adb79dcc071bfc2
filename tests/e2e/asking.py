# SPDX-License-Identifier: Apache-2.0
"""Looking into runs: records, sql, export and why, of runs that have ended, died, or live."""
import csv
import hashlib
import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

from lib import BIN, ENV, Mock, Task, line
from resume import kill_after, living, rows, says, sygra, wait_for
from screen import Terminal

CHAIN = """
    data_config: {source: {type: disk, file_path: data.jsonl}}
    graph_config:
      nodes:
        tone: {node_type: weighted_sampler, attributes: {tone: {values: [plain, "très drôle"]}}}
        draft: {node_type: llm, model: {name: echo}, prompt: [{system: "be {tone}"}, {user: "draft {q}"}], output_keys: draft}
        count: {node_type: lambda, lambda: {jq: "{n: ((.n // 0) + 1), text: (.draft + \\"!\\")}"}, output_keys: [n, text]}
        ask: {node_type: llm, model: {name: echo}, prompt: [{user: "better: {text} {n}"}], output_keys: answer}
      edges:
        - {from: START, to: tone}
        - {from: tone, to: draft}
        - {from: draft, to: count}
        - {from: count, condition: {jq: "if .n < 2 then \\"more\\" else \\"ask\\" end"}, path_map: {more: draft, ask: ask}}
        - {from: ask, to: END}
    output_config: {output_map: {id: {from: id}, answer: {from: answer}, n: {from: n, transform: {jq: ". * 10"}}}}
    """

ODD = [{"id": 0, "q": 'comma, "quote"'}, {"id": 1, "q": "two\nlines"}, {"id": 2, "q": "naïve 🙂 名前"}, {"id": 3, "q": " "},
       {"id": 4, "q": "=1+1"}]

SAMPLED = """
    graph_config:
      nodes:
        draw: {node_type: weighted_sampler, attributes: {a: {values: [1, 2, 3]}}}
      edges: [{from: START, to: draw}, {from: draw, to: END}]
    output_config: {output_map: {a: {from: a}}}
    """


def objects(run):
    return [json.loads(text) for text in run.expect(0).out.splitlines()]


def sql(folder, statement, *more):
    return sygra("sql", folder / "output.run", statement, *more)


def query(folder, statement):
    return objects(sql(folder, statement, "--json"))


def why(place):
    return json.loads(sygra("why", place, "--json").expect(0).out)


def prints(folder):
    """What every file of a folder holds. The index of the log (-shm) and an empty log are SQLite's, whoever looks."""
    files = [p for p in sorted(pathlib.Path(folder).rglob("*")) if p.is_file() and not p.name.endswith("-shm")]
    return {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in files if p.stat().st_size or not p.name.endswith("-wal")}


def failing(folder, match='"5"'):
    """An endpoint that refuses questions with a 5 in them."""
    path = folder / "script"
    path.write_text('{"match": "5", "status": 400}\n')
    return Mock("--script", path, "--latency_ms", 5, "--sigma", 1)


def some_fail(folder, n=30, *args, graph=None):
    with failing(folder) as mock:
        Task(folder, graph or line("echo"), mock.url, rows(n)).run("-n", 0, "-b", 10, *args).expect(3)
    bad = [i for i in range(n) if "5" in str(i)]
    return [i for i in range(n) if i not in bad], bad


# --- records ------------------------------------------------------------------------------------------------------------------


def test_records_come_with_their_lines_calls_and_replies(folder):
    good, bad = some_fail(folder)
    run = folder / "output.run"
    ok = objects(sygra("records", run, "--ok", "--json"))
    assert [r["position"] for r in ok] == good and all(r["outcome"] == "ok" for r in ok)
    assert [r["output"] for r in ok] == json.loads((folder / "output.json").read_text())
    for r in ok:
        (call,) = r["calls"]
        assert (call["node"], call["state"], call["attempts"], call["reply"]) == ("ask", "answered", 1, f"say question {r['position']}")
    failed = objects(sygra("records", run, "--json"))
    assert [(r["position"], r["id"], r["line"], r["calls"][0]["status"]) for r in failed] == [(i, i, i + 1, 400) for i in bad]
    both = objects(sygra("records", run, "--ok", "--failed", "--json"))
    assert [r["position"] for r in both] == list(range(30))
    assert [r["position"] for r in objects(sygra("records", run, "--ok", "--json", "-n", 3))] == good[:3]


def test_one_record_is_found_by_id_and_by_position_in_every_keep(folder):
    for keep in ("calls", "all", "outputs"):
        place = folder / keep
        place.mkdir()
        good, bad = some_fail(place, 30, "--keep", keep)
        for find in (["--id", 7], ["--position", 7]):
            shown = sygra("records", place / "output.run", *find).expect(0).out
            assert "record 7" in shown and '"answer": "say question 7"' in shown, shown
            assert ("call of ask: answered" in shown) == (keep != "outputs"), shown
        assert "record 15" in sygra("records", place / "output.run", "--id", 15).expect(0).out
        assert [r["position"] for r in objects(sygra("records", place / "output.run", "--ok", "--json"))] == good
        says(sygra("records", place / "output.run", "--id", 99).expect(1), "no record of this run has the id 99")
        says(sygra("records", place / "output.run", "--position", 99).expect(1), "has not ended")


def test_ids_that_the_output_lacks_are_found_in_the_input(folder):
    with Mock() as mock:
        graph = line("echo").replace("id: {from: id}", "q: {from: q}")
        task = Task(folder, graph, mock.url, [{"id": f"r{i}", "q": f"question {i}"} for i in range(300)])
        task.run("-n", 0, "-si", 2, cwd=folder.parent).expect(0)
        (place,) = objects(sygra("records", f"{folder.name}/output.run", "--id", "r270", "--json", cwd=folder.parent))
        assert (place["position"], place["output"]["q"]) == (270, "question 270")
        says(sygra("records", folder / "output.run", "--id", "r1").expect(1), "no record of this run has the id r1")
        (folder / "data.jsonl").unlink()
        says(sygra("records", folder / "output.run", "--id", "r270").expect(1), "data.jsonl")


def test_the_slowest_come_first_and_a_run_without_times_says_so(folder):
    some_fail(folder)
    slow = objects(sygra("records", folder / "output.run", "--slow", "--json", "-n", 10))
    times = [r["seconds"] for r in slow]
    assert len(times) == 10 and times == sorted(times, reverse=True)
    assert times[0] == max(r["seconds"] for r in objects(sygra("records", folder / "output.run", "--ok", "--failed", "--json")))
    (folder / "b").mkdir()
    some_fail(folder / "b", 30, "--keep", "outputs")
    says(sygra("records", folder / "b/output.run", "--slow").expect(1), "--keep outputs")


def test_a_run_without_records_has_nothing_to_show(folder):
    Task(folder, line("echo"), rows=[]).run("-n", 0).expect(0)
    run = folder / "output.run"
    says(sygra("records", run).expect(0), "no record of this run failed")
    says(sygra("records", run, "--ok").expect(0), "no record of this run is ok")
    assert objects(sygra("records", run, "--ok", "--json")) == []
    assert query(folder, "select count(*) as n from outputs") == [{"n": 0}]
    for form, text in (("jsonl", ""), ("json", "[]"), ("csv", "")):
        sygra("export", run, "--to", folder / f"x.{form}").expect(0)
        assert (folder / f"x.{form}").read_text() == text, form
    says(sygra("export", run, "--to", folder / "x.parquet").expect(1), "no record")
    says(sygra("why", f"{folder}/output.json:1").expect(1), "no record 1")


# --- dead and living runs -------------------------------------------------------------------------------------------------------


def test_a_dead_run_is_read_whole_and_is_not_changed(folder):
    with Mock("--latency_ms", 20, "--sigma", 1.5) as mock:
        Task(folder, line("echo"), mock.url, rows(3000))
        kill_after(folder, 200, "-n", 0, "-b", 40)
    before = prints(folder)
    in_order = json.loads(sygra("status", folder / "output.run", "--json").expect(0).out)["in_order"]
    found = query(folder, "select position, json ->> '$.id' as id, json ->> '$.answer' as answer from outputs")
    assert all(f["id"] == f["position"] and f["answer"] == f"say question {f['id']}" for f in found)
    assert [f["position"] for f in found][:in_order] == list(range(in_order))
    assert len(found) > in_order, "no record waits for an earlier one: the test shows nothing"
    listed = objects(sygra("records", folder / "output.run", "--ok", "--json"))
    assert [r["position"] for r in listed] == [f["position"] for f in found]
    assert why(f"{folder}/output.part:{in_order}.answer")["exact"]
    out = folder.parent / f"{folder.name}-out"
    out.mkdir()
    says(sygra("export", folder / "output.run", "--to", out / "x.jsonl").expect(0), "dead", f"first {in_order} records")
    assert [json.loads(t)["id"] for t in (out / "x.jsonl").read_text().splitlines()] == list(range(in_order))
    shutil.rmtree(out)
    assert prints(folder) == before, set(prints(folder).items()) ^ set(before.items())


def test_a_living_run_answers_and_goes_on(folder):
    with Mock("--latency_ms", 20, "--sigma", 1) as mock:
        Task(folder, line("echo"), mock.url, rows(2000))
        seen = 0
        with living(folder, "-n", 0, "-b", 40) as p:
            wait_for(lambda: (folder / "output.run/run.db").exists(), "run.db")
            while p.poll() is None:
                found = sql(folder, "select count(*) as n, sum(json is null) as waits, sum(json ->> '$.id' <> position) as wrong"
                            " from outputs", "--json").expect(0)
                got = json.loads(found.out)
                assert not got["wrong"] and got["n"] >= seen, got
                seen = got["n"]
                done = sygra("export", folder / "output.run", "--to", folder / "x.jsonl", "--json").expect(0)
                n = json.loads(done.out)["records"]
                assert [json.loads(t)["id"] for t in (folder / "x.jsonl").read_text().splitlines()] == list(range(n))
            assert p.returncode == 0
    assert seen > 0
    assert (folder / "output.json").exists()


def test_an_array_that_has_become_lines_is_read_on(folder):
    Task(folder, SAMPLED).run("-n", 25500).expect(0)
    values = [json.loads(t)["a"] for t in (folder / "output.jsonl").read_text().splitlines()]
    assert query(folder, "select json ->> '$.a' as a from outputs where position in (0, 24999, 25499)") == [
        {"a": values[0]}, {"a": values[24999]}, {"a": values[25499]}]
    assert why(f"{folder}/output.jsonl:25500.a")["fields"][0]["value"] == values[25499]


def test_lines_are_found_by_counting_wherever_records_failed(folder):
    graph = SAMPLED.replace("graph_config:", "data_config: {source: {type: disk, file_path: data.jsonl}}\n    graph_config:", 1).replace(
        "{node_type: weighted_sampler, attributes: {a: {values: [1, 2, 3]}}}",
        """{node_type: lambda, lambda: {jq: 'if .n % 7 == 3 then error("seven") else {a: .n} end'}, output_keys: a}""")
    good, bad = [n for n in range(1900) if n % 7 != 3], [n for n in range(1900) if n % 7 == 3]
    for keep in ("calls", "outputs"):
        place = folder / keep
        Task(place, graph, rows=[{"n": n} for n in range(1900)]).run("-n", 0, "-si", 5, "--keep", keep, "-b", 50).expect(3)
        for seed in (1899, 5, 1000, 513, 511, 1535, 700, 10):
            (found,) = query(place, f"select outcome, json ->> '$.a' as a, json ->> '$.position' as p from outputs where position = {seed}")
            assert found == ({"outcome": "failed", "a": None, "p": seed} if seed % 7 == 3 else {"outcome": "ok", "a": seed, "p": None}), found
        assert [f["a"] for f in query(place, "select json ->> '$.a' as a from outputs where outcome = 'ok'")] == [n for n in good if n >= 5]
        assert [f["p"] for f in query(place, "select json ->> '$.position' as p from outputs where outcome = 'failed' order by position desc")
                ] == [n for n in bad if n >= 5][::-1]
        assert why(f"{place}/output.json:1500.a")["position"] == [n for n in good if n >= 5][1499]
        assert why(f"{place}/output_failed.jsonl:200")["position"] == [n for n in bad if n >= 5][199]


# --- sql ------------------------------------------------------------------------------------------------------------------------


def test_rows_and_bodies_are_asked_together(folder):
    good, bad = some_fail(folder)
    found = query(folder, "select o.position, r.node, r.reply, json ->> '$.answer' as answer from outputs o join replies r using (position)"
                          " where o.outcome = 'ok' order by o.position")
    assert [(f["position"], f["node"], f["reply"]) for f in found] == [(i, "ask", f"say question {i}") for i in good]
    assert all(f["reply"] == f["answer"] for f in found)
    assert [f["position"] for f in query(folder, "select position from outputs where outcome = 'failed' order by position desc")] == bad[::-1]
    assert query(folder, "select count(*) as n from outputs where position > 3 and position <= 9 and position <> 5") == [{"n": 5}]
    assert query(folder, "select body(segment, offset, length) as b from calls where position = 3") == [{"b": "say question 3"}]
    assert query(folder, "select position from outputs where position = 'x' or position = 2.5 or position is null") == []


def test_numbers_keep_their_text_and_forms_their_rules(folder):
    with Mock() as mock:
        task = Task(folder, line("echo").replace("answer: {from: answer}", "answer: {from: answer}\n        price: {from: price}"), mock.url, [])
        task.write("data.jsonl", '{"id": 1, "q": "a", "price": 1.10}\n{"id": 12345678901234567890, "q": "b", "price": null}\n')
        task.run("-n", 0).expect(0)
    found = sql(folder, "select json -> '$.price' as p, json -> '$.id' as i, length(json) as n, null as x, '' as e from outputs", "--csv")
    n = [len(t) for t in ('{"id":1,"answer":"say a","price":1.10}', '{"id":12345678901234567890,"answer":"say b","price":null}')]
    assert found.expect(0).out == f'p,i,n,x,e\n1.10,1,{n[0]},,""\nnull,12345678901234567890,{n[1]},,""\n', found.out
    assert objects(sql(folder, "select 1.5 as r, 9007199254740993 as i, null as x, 'a\"\nb' as t, 9e999 as inf", "--json")) == [
        {"r": 1.5, "i": 9007199254740993, "x": None, "t": 'a"\nb', "inf": None}]


def test_a_run_cannot_be_changed_by_a_query(folder):
    some_fail(folder, 6)
    before = prints(folder)
    for statement in ("delete from calls", "update meta set value = 1", "create table x(a)", "create temp table x(a)", "drop table calls",
                      f"attach '{folder}/x.db' as x", "pragma user_version = 9", "pragma journal_mode = delete", "vacuum", "begin",
                      f"vacuum into '{folder}/y.db'", "select load_extension('x')", "select 1; delete from calls", "", " ",
                      "create virtual table o using outputs", "insert into outputs values (1, 'ok', '{}')"):
        refused = sygra("sql", folder / "output.run", statement + " ")
        assert refused.status in (1, 2), f"{statement}: {refused.status}\n{refused.out}{refused.err}"
    assert prints(folder) == before, set(prints(folder).items()) ^ set(before.items())


def test_a_wrong_query_is_shown_with_what_there_is(folder):
    some_fail(folder, 6)
    wrong = sql(folder, "select latency, nodes from calls").expect(2)
    says(wrong, "no such column: nodes", "select latency, nodes from calls", "columns of calls: position, node, visit")
    assert wrong.err.splitlines()[2].index("^") == 2 + len("select latency, "), wrong.err
    says(sql(folder, "select * from call").expect(2), "no such table: call", "tables: records, outputs, calls, replies")
    says(sql(folder, "selekt 1").expect(2), "syntax error", "^")
    says(sygra("sql", folder / "output.run").expect(0), "outputs: position, outcome, json", "calls: position, node")
    says(sygra("sql", folder / "no.run", "select 1").expect(1), "no run")


def test_a_table_fits_a_terminal_of_40_columns(folder):
    with Mock() as mock:
        Task(folder, line("echo"), mock.url, ODD).run("-n", 0).expect(0)
    for statement in ("select position, outcome, json from outputs", "select * from calls"):
        with Terminal([BIN, "sql", str(folder / "output.run"), statement], 40, 200, env={**ENV, "TERM": "xterm", "LANG": "C.UTF-8"}) as t:
            assert t.finish(60) == 0
            shown = t.screen.text()
        assert t.bytes.count(b"\x1b") == 0
        lines = shown.splitlines()
        assert max(len(text.rstrip()) for text in lines) <= 40, shown
        assert sum("ok" in text for text in lines) >= 5 or "latency" in shown, shown


def test_a_query_that_never_ends_is_ended_by_ctrl_c(folder):
    some_fail(folder, 6)
    endless = "with recursive n(x) as (select 1 union all select x + 1 from n) select sum(x) from n"
    with subprocess.Popen([BIN, "sql", str(folder / "output.run"), endless], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env=ENV) as p:
        time.sleep(1)
        p.send_signal(signal.SIGINT)
        _, err = p.communicate(timeout=60)
    assert p.returncode == 130 and "interrupted" in err, (p.returncode, err)


# --- export ---------------------------------------------------------------------------------------------------------------------


def exported(folder, form, *more):
    done = json.loads(sygra("export", folder / "output.run", "--to", folder / f"x.{form}", "--json", *more).expect(0).out)
    return done, (folder / f"x.{form}").read_text() if form != "parquet" else None


def test_every_form_holds_the_same_records(folder):
    with Mock() as mock:
        Task(folder, line("echo"), mock.url, ODD).run("-n", 0).expect(0)
    wanted = json.loads((folder / "output.json").read_text())
    assert exported(folder, "json")[1] == (folder / "output.json").read_text()
    assert [json.loads(t) for t in exported(folder, "jsonl")[1].splitlines()] == wanted
    read = list(csv.DictReader(io.StringIO(exported(folder, "csv")[1], newline="")))
    assert [(int(r["id"]), r["answer"]) for r in read] == [(r["id"], r["answer"]) for r in wanted]
    done, _ = exported(folder, "parquet")
    assert done["records"] == len(wanted) and done["json_columns"] == ""
    back = Task(folder / "back", line("echo").replace("data.jsonl", "../x.parquet").replace("say {q}", "{answer}"), rows=None)
    with Mock() as mock:
        Task(folder / "back", line("echo").replace("data.jsonl", str(folder / "x.parquet")).replace("say {q}", "{answer}"), mock.url)
        assert [r["id"] for r in back.run("-n", 0).expect(0).records()] == [r["id"] for r in wanted]
        assert [r["answer"] for r in back.run("-n", 0).records()] == [r["answer"].strip() for r in wanted]


def test_what_a_column_has_no_type_for_is_text_and_exact(folder):
    data = ['{"id": 1, "i": 1, "r": 1.10, "b": true, "big": 12345678901234567890, "mix": 1, "list": [1, {"a": 2.50}], "s": "x"}',
            '{"id": 2, "i": -9007199254740993, "r": 2, "b": null, "big": 1, "mix": "1", "list": null, "s": "", "deep": 0.12345678901234567890}']
    fields = ("id", "i", "r", "b", "big", "mix", "list", "s", "deep")
    task = Task(folder, SAMPLED.replace("graph_config:", "data_config: {source: {type: disk, file_path: data.jsonl}}\n    graph_config:", 1)
                .replace("a: {from: a}", ", ".join(f"{f}: {{from: {f}}}" for f in fields)), rows=[])
    task.write("data.jsonl", "\n".join(data) + "\n")
    task.run("-n", 0).expect(0)
    done, _ = exported(folder, "parquet")
    assert done["json_columns"] == "big, mix, list, deep", done
    head, one, two = csv.reader(io.StringIO(exported(folder, "csv")[1]))
    assert head == list(fields)
    assert one == ["1", "1", "1.10", "true", "12345678901234567890", "1", '[1,{"a":2.50}]', "x", ""], one
    assert two == ["2", "-9007199254740993", "2", "", "1", "1", "", "", "0.12345678901234567890"], two
    back = Task(folder / "back", SAMPLED.replace("graph_config:", "data_config: {source: {type: disk, file_path: %s}}\n    graph_config:"
                                                 % (folder / "x.parquet"), 1)
                .replace("a: {from: a}", ", ".join(f"{f}: {{from: {f}}}" for f in fields)))
    back.run("-n", 0).expect(0)
    first, second = json.loads((folder / "back/output.json").read_text())
    assert (first["i"], first["r"], first["b"], first["big"], first["mix"], first["list"], first["s"], first["deep"]) == (
        1, 1.1, True, "12345678901234567890", "1", '[1,{"a":2.50}]', "x", None)
    assert (second["i"], second["r"], second["b"], second["mix"], second["s"]) == (-9007199254740993, 2, None, '"1"', "")
    assert second["deep"] == "0.12345678901234567890"


def test_failed_records_are_exported_and_own_files_are_not_overwritten(folder):
    good, bad = some_fail(folder)
    done, text = exported(folder, "jsonl", "--failed")
    assert text == (folder / "output_failed.jsonl").read_text() and done["records"] == len(bad)
    before = prints(folder)
    for name in ("output.json", "output.jsonl", "output.part", "output_failed.jsonl", "../%s/output.json" % folder.name):
        says(sygra("export", folder / "output.run", "--to", folder / name).expect(2), "own file" if "part" not in name else "must end in")
    says(sygra("export", folder / "output.run", "--to", folder / "x.xml").expect(2), ".parquet")
    says(sygra("export", folder / "output.run").expect(2), "--to")
    says(sygra("export", folder / "output.run", "--to", folder / "no/x.json").expect(1), "cannot be made")
    assert prints(folder) == before, set(prints(folder).items()) ^ set(before.items())


def test_a_damaged_segment_is_named_and_what_is_sound_is_shown(folder):
    some_fail(folder, 6)
    (segment,) = (folder / "output.run/segments").iterdir()
    data = bytearray(segment.read_bytes())
    at = data.index(b"say question 3")
    data[at] ^= 1
    segment.write_bytes(data)
    says(sygra("records", folder / "output.run", "--position", 3, "--json").expect(1), "000001.seg", "damaged")
    says(sql(folder, "select reply from replies where position = 3").expect(2), "000001.seg", "damaged")
    says(sygra("why", f"{folder}/output.json:4.answer", "--json"), "000001.seg")
    assert query(folder, "select reply from replies where position = 4") == [{"reply": "say question 4"}]
    assert query(folder, "select json ->> '$.id' as id from outputs where position = 3") == [{"id": 3}]
    segment.unlink()
    assert query(folder, "select reply from replies where position = 4") == [{"reply": None}]


# --- why ------------------------------------------------------------------------------------------------------------------------


def test_why_shows_the_prompt_as_it_was_sent_and_the_reply(folder):
    good, bad = some_fail(folder)
    for number, position in enumerate(good, 1):
        if number % 7 and number != len(good):
            continue
        made = why(f"{folder}/output.json:{number}.answer")
        assert (made["position"], made["exact"], made["outcome"]) == (position, True, "ok"), made
        assert made["fields"] == [{"name": "answer", "value": f"say question {position}", "key": "answer",
                                   "from": {"node": "ask", "step": 1, "visit": 0}}]
        (node,) = made["nodes"]
        (call,) = node["calls"]
        assert call["as_sent"] and call["messages"] == [{"role": "user", "content": f"say question {position}"}], call
        assert (call["reply"], call["model"], call["state"], call["attempts"]) == (f"say question {position}", "echo", "answered", 1)
        assert made["input"] == {"q": f"question {position}"}
    text = sygra("why", f"{folder}/output:1.answer").expect(0).out
    says(sygra("why", f"{folder}/output:1.answer"), "as sent", "say question 0", "ask (llm), step 1", "line 1")
    assert "output_failed" not in text
    failed = why(f"{folder}/output_failed.jsonl:2")
    assert (failed["position"], failed["outcome"], failed["failure"]["node"]) == (bad[1], "failed", "ask")
    assert failed["nodes"][0]["calls"][0]["state"] == "failed" and failed["nodes"][0]["calls"][0]["as_sent"]


def test_why_goes_back_through_loops_programs_and_draws(folder):
    with Mock() as mock:
        Task(folder, CHAIN, mock.url, rows(6)).run("-n", 0).expect(0)
        asked = mock.stats()["requests"]
        made = why(f"{folder}/output.json:4.answer")
        assert mock.stats()["requests"] == asked, "nothing is sent"
    assert made["exact"]
    assert [(n["node"], n["step"], n["visit"]) for n in made["nodes"]] == [
        ("ask", 6, 0), ("count", 5, 1), ("draft", 4, 1), ("count", 3, 0), ("draft", 2, 0), ("tone", 1, 0)]
    assert all(c["as_sent"] for n in made["nodes"] for c in n["calls"])
    assert made["nodes"][0]["calls"][0]["messages"][0]["content"] == "better: draft question 3! 2"
    assert {(r["key"], r["from"]["node"]) for r in made["nodes"][0]["reads"]} == {("text", "count"), ("n", "count")}
    assert made["input"] == {"q": "question 3"}
    n = why(f"{folder}/output.json:4.n")
    assert n["fields"][0]["transform"] == ". * 10" and n["fields"][0]["value"] == 20
    assert "ask" not in [x["node"] for x in n["nodes"]]
    assert [x["node"] for x in why(f"{folder}/output.json:4.id")["nodes"]] == []


def test_why_says_when_a_prompt_cannot_be_shown_as_it_was_sent(folder):
    with Mock() as mock:
        task = Task(folder, line("echo"), mock.url, rows(3))
        task.run("-n", 0).expect(0)
    task.write("graph_config.yaml", line("echo").replace("say {q}", "tell me {q}"))
    made = why(f"{folder}/output.json:2.answer")
    call = made["nodes"][0]["calls"][0]
    assert not call["as_sent"] and "ask" in call["note"] and "NOT as sent" in call["note"], call
    assert call["messages"][0]["content"] == "tell me question 1" and call["reply"] == "say question 1"
    task.write("graph_config.yaml", line("echo"))
    task.write("data.jsonl", "".join(json.dumps({"id": i, "q": f"another {i}"}) + "\n" for i in range(3)))
    says(sygra("why", f"{folder}/output.json:2.answer").expect(0), "NOT as sent: the input")
    task.write("graph_config.yaml", "nothing: {}")
    says(sygra("why", f"{folder}/output.json:2.answer").expect(1), "cannot be loaded", "--position 1")


def test_why_of_a_run_that_kept_outputs_ends_at_the_first_call(folder):
    with Mock() as mock:
        Task(folder, CHAIN, mock.url, rows(3)).run("-n", 0, "--keep", "outputs").expect(0)
    shown = sygra("why", f"{folder}/output.json:2.answer").expect(0)
    says(shown, "--keep outputs", "draft question 1", "not compared")


def test_why_tells_what_is_wrong_with_what_it_was_asked(folder):
    some_fail(folder, 6)
    for place, text in ((f"{folder}/output.json", "FILE:ROW"), (f"{folder}/output.json:0", "the first record of a file is 1"),
                        (f"{folder}/output.json:1.", "FILE:ROW"), (":1", "FILE:ROW")):
        says(sygra("why", place).expect(2), text)
    says(sygra("why", f"{folder}/output.json:6").expect(1), "no record 6", "5 are in the output")
    says(sygra("why", f"{folder}/output.json:1.nope").expect(1), "id, answer")
    says(sygra("why", f"{folder}/nothing.json:1").expect(1), "no run")
    sygra("why").expect(2)


def test_why_finds_columns_that_the_first_record_lacks_as_the_run_did(folder):
    with Mock() as mock:
        task = Task(folder, line("echo"), mock.url, [{"id": 0, "q": "a"}, {"id": 1, "q": "b", "extra": "c"}])
        task.run("-n", 0, "-si", 0).expect(0)
    assert why(f"{folder}/output.json:2")["exact"]


def test_why_asks_each_model_of_an_ensemble(folder):
    graph = line("echo").replace("node_type: llm", "node_type: multi_llm").replace("model: {name: echo}",
                                                                                  "models: {a: {name: echo}, b: {name: m}}")
    with Mock() as mock:
        Task(folder, graph, mock.url, rows(3)).run("-n", 0).expect(0)
    made = why(f"{folder}/output.json:3.answer")
    assert made["exact"] and [c["ordinal"] for c in made["nodes"][0]["calls"]] == [0, 1]
    assert all(c["as_sent"] for c in made["nodes"][0]["calls"])
