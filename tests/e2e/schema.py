# SPDX-License-Identifier: Apache-2.0
"""Schema checks: invalid records are kept apart with the rule that they break, and seen in every place that counts records."""
import json
import signal
import subprocess
import textwrap
import time

from addresses import asked
from lib import BIN, ENV, Mock, Run, Server, Task, completion, line

GRAPH = """
    data_config:
      source: {type: disk, file_path: data.jsonl}
    graph_config:
      nodes:
        rate:
          node_type: lambda
          lambda: {jq: "{score: .n, note: .t, extra: (.n | tostring)}"}
          output_keys: [score, note, extra]
      edges: [{from: START, to: rate}]
    output_config:
      output_map:
        id: {from: id}
        score: {from: score}
        note: {from: note, transform: {jq: "ascii_upcase? // ."}}
    schema_config:
      fields:
        - {name: score, type: int, is_greater_than: 3}
        - {name: note, type: str, is_not_empty: true}
    """
ROWS = [{"id": 0, "n": 5, "t": "fine"}, {"id": 1, "n": 2, "t": "low"}, {"id": 2, "n": "x", "t": "no int"}, {"id": 3, "n": 9, "t": ""},
        {"id": 4, "n": 1, "t": "low again"}, {"id": 5, "n": 6, "t": None}, {"id": 6, "n": 7, "t": "fine, too"}]


def sygra(*args, status=0):
    done = subprocess.run([BIN, *map(str, args)], capture_output=True, text=True, timeout=60, env=ENV)
    assert done.returncode == status, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_invalid_records_stand_apart_with_rule_value_and_output(folder):
    run = Task(folder, GRAPH, rows=ROWS).run().expect(3)
    assert [r["id"] for r in run.records()] == [0, 6], run.records()
    assert run.records()[0]["note"] == "FINE"
    bad = run.records("output_invalid")
    assert [(b["id"], b["position"], b["line"], b["field"], b["rule"]) for b in bad] == [
        (1, 1, 2, "score", "is_greater_than"), (2, 2, 3, "score", "type"), (3, 3, 4, "note", "is_not_empty"),
        (4, 4, 5, "score", "is_greater_than"), (5, 5, 6, "note", "type")]
    assert all(b["error"] == "invalid" and b["node"] == "schema_config" and b["record"] == ROWS[b["position"]] for b in bad)
    assert bad[0] | {"record": 0} == {
        "id": 1, "position": 1, "line": 2, "node": "schema_config", "error": "invalid",
        "message": "field `score` must be greater than 3, but is 2", "field": "score", "rule": "is_greater_than",
        "expected": "greater than 3", "value": 2, "output": {"id": 1, "score": 2, "note": "LOW"}, "record": 0}
    assert bad[1]["message"] == 'field `score` must be of type int, but is "x"' and bad[1]["expected"] == "int"
    assert not run.failed()


def test_invalid_records_are_counted_and_their_causes_are_grouped(folder):
    task = Task(folder, GRAPH, rows=ROWS)
    run = task.run().expect(3)
    assert "2 ok, 0 failed, 5 invalid, 0 dropped" in run.out, run.out
    assert "  2 x invalid: field `score` must be greater than 3, but is 2\n" in run.out, run.out
    assert "output_invalid.jsonl" in run.out and "--invalid` shows what broke a rule" in run.out, run.out
    assert "record invalid" in run.err and run.err.count("is_greater_than") == 1, run.err
    listed = sygra("records", folder / "output", "--invalid")
    assert listed.count("schema_config") == 5 and "field `note` must not be empty" in listed, listed
    assert "2 ok, 0 failed, 5 invalid, 0 dropped" in sygra("status", folder / "output")
    assert "sound" in sygra("fsck", folder / "output")


def test_programs_see_the_causes_too(folder):
    run = Task(folder, GRAPH, rows=ROWS).run("--json").expect(3)
    events = [json.loads(text) for text in run.out.splitlines()]
    told = [e for e in events if e["event"] == "record_invalid"]
    assert [(e["record"], e["field"], e["rule"]) for e in told] == [
        (1, "score", "is_greater_than"), (2, "score", "type"), (3, "note", "is_not_empty"), (5, "note", "type")], told
    errors = [e for e in events if e["event"] == "progress"][-1]["errors"]
    assert {(e["node"], e["kind"], e["count"]) for e in errors} >= {("schema_config.score.is_greater_than", "invalid", 2)}, errors
    summary = events[-1]
    assert summary["invalid"] == 5 and summary["invalid_file"].endswith("output_invalid.jsonl"), summary


def test_values_stay_what_they_are(folder):
    graph = GRAPH.replace("is_greater_than: 3", "description: x").replace("type: str, is_not_empty: true", "type: float")
    rows = [{"id": 0, "n": "5", "t": "1e3"}, {"id": 1, "n": True, "t": 7}, {"id": 2, "n": "7.0", "t": "nan"}]
    run = Task(folder, graph, rows=rows).run().expect(0)
    assert run.records() == [{"id": 0, "score": "5", "note": "1E3"}, {"id": 1, "score": True, "note": 7},
                             {"id": 2, "score": "7.0", "note": "NAN"}], run.records()


def test_against_state_looks_before_the_map_and_its_transforms(folder):
    graph = GRAPH.replace("    schema_config:\n", "    schema_config:\n      against: state\n").replace(
        "{name: note, type: str, is_not_empty: true}", "{name: note, type: str, is_equal_to: fine}")
    bad = Task(folder, graph, rows=ROWS[:1] + ROWS[6:]).run().expect(3).records("output_invalid")
    assert [(b["id"], b["field"], b["value"]) for b in bad] == [(6, "note", "fine, too")], bad


def test_keys_outside_the_map_are_looked_up_in_the_state_and_columns_count(folder):
    graph = GRAPH.replace("- {name: score, type: int, is_greater_than: 3}", '- {name: extra, type: str, is_equal_to: "5"}').replace(
        "- {name: note, type: str, is_not_empty: true}", "- {name: t, type: str}")
    run = Task(folder, graph, rows=ROWS[:2]).run().expect(3)
    assert [b["field"] for b in run.records("output_invalid")] == ["extra"]


def test_a_field_that_is_nowhere_makes_records_invalid_and_says_so(folder):
    graph = GRAPH.replace("{name: score, type: int, is_greater_than: 3}", "{name: colour, type: any}")
    bad = Task(folder, graph, rows=ROWS[:1]).run().expect(3).records("output_invalid")
    assert bad[0]["rule"] == "present" and "field `colour` is missing" in bad[0]["message"] and "value" not in bad[0], bad


def test_without_a_map_the_raw_state_is_checked(folder):
    graph = GRAPH[:GRAPH.index("    output_config:")] + GRAPH[GRAPH.index("    schema_config:"):]
    run = Task(folder, graph, rows=ROWS[:2]).run().expect(3)
    assert [r["id"] for r in run.records()] == [0]
    assert run.records("output_invalid")[0]["output"]["messages"] == []


def test_long_values_are_cut_in_messages_and_whole_in_the_output(folder):
    graph = GRAPH.replace("type: str, is_not_empty: true", 'type: "list[int]"')
    bad = Task(folder, graph, rows=[{"id": 0, "n": 5, "t": "x" * 5000}]).run().expect(3).records("output_invalid")[0]
    assert len(bad["message"]) < 150 and len(bad["value_starts"]) == 200 and bad["output"]["note"] == "X" * 5000, bad["message"]


def test_secrets_do_not_come_out_in_messages(folder):
    secret = "sk-very-secret-0123456789"  # a message holds 60 bytes of a value: the cut goes through it
    graph = line("echo").replace("    output_config:", "    schema_config:\n      fields: [{name: answer, type: int}]\n    output_config:")
    with Mock() as mock:
        run = Task(folder, graph, mock.url, [{"id": 0, "q": "x" * 40 + secret}], {"auth_token": secret}).run().expect(3)
    assert secret in run.records("output_invalid")[0]["output"]["answer"]
    assert secret[:8] not in run.out + run.err and secret[:8] not in run.records("output_invalid")[0]["message"]


def test_a_preview_shows_what_is_invalid(folder):
    Task(folder, GRAPH, rows=ROWS)
    assert "invalid: field `score` must be greater than 3, but is 2" in sygra("preview", folder, "-n", 2, status=3)
    events = [json.loads(text) for text in sygra("preview", folder, "-n", 2, "--json", status=3).splitlines()]
    ends = [e for e in events if e["event"] == "record_end"]
    assert ends[1]["outcome"] == "invalid" and ends[1]["error"] == "invalid" and "score" in ends[1]["message"], ends


def test_a_killed_run_goes_on_to_the_same_invalid_records(folder):
    graph = line("m").replace("    output_config:",
                              "    schema_config:\n      fields: [{name: id, type: int, is_less_than: 30}]\n    output_config:")
    rows = [{"id": i * 7 % 60, "q": "?"} for i in range(60)]
    with Mock("--latency_ms", 20) as mock:
        whole = Task(folder / "whole", graph, mock.url, rows).run("-n", 0, "-b", 4).expect(3)
        task = Task(folder / "killed", graph, mock.url, rows)
        process = subprocess.Popen([BIN, "run", str(task.folder), "--output_with_ts", "False", "--seed", "7", "-n", "0", "-b", "4"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENV)
        part = task.folder / "output_invalid.jsonl"
        until = time.monotonic() + 60
        while not part.exists() and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        resumed = sygra("resume", task.folder / "output", status=3)
    assert "30 ok, 0 failed, 30 invalid" in resumed, resumed
    assert Run(subprocess.CompletedProcess([], 0, "", ""), task.folder).records("output_invalid") == whole.records("output_invalid")
    assert "sound" in sygra("fsck", task.folder / "output")


def test_changed_checks_are_noticed_by_resume(folder):
    task = Task(folder, GRAPH, rows=ROWS)
    task.run("-n", 3).expect(3)
    task.write("graph_config.yaml", GRAPH.replace("is_greater_than: 3", "is_greater_than: 1"))
    done = subprocess.run([BIN, "resume", str(folder / "output"), "-n", "0"], capture_output=True, text=True, timeout=60, env=ENV)
    assert done.returncode == 1 and "schema_config" in done.stderr, done.stderr


# --- invalid records, and checks that change, later ------------------------------------------------------------------------

CHECKED = """
    data_config:
      source: {type: disk, file_path: data.jsonl}
    graph_config:
      nodes:
        ask: {node_type: llm, model: {name: m}, prompt: [{user: "{q}"}], output_keys: answer}
      edges:
        - {from: START, to: ask}
        - {from: ask, to: END}
    output_config: {output_map: {id: {from: id}, answer: {from: answer}}}
    schema_config:
      fields:
        - {name: answer, type: str, is_equal_to: good}
    """


def test_retry_runs_invalid_records_again_and_keeps_the_order(folder):
    asked_for = []

    def answer(peer, data):
        question = asked(peer, data)[1]["messages"][0]["content"]
        asked_for.append(question)
        first = asked_for.count(question) == 1
        peer.sendall(completion("bad" if first and question in ("q1", "q3") else "good"))
    server = Server(answer)
    try:
        task = Task(folder, CHECKED, server.url, rows=[{"id": i, "q": f"q{i}"} for i in range(5)])
        run = task.run().expect(3)
        assert [r["id"] for r in run.records()] == [0, 2, 4] and len(run.records("output_invalid")) == 2
        sygra("retry", folder / "output.run", "--failed")
        assert len(asked_for) == 5, asked_for
        sygra("retry", folder / "output.run", "--invalid")
        assert sorted(asked_for[5:]) == ["q1", "q3"], asked_for
        assert json.loads((folder / "output.json").read_text()) == [{"id": i, "answer": "good"} for i in range(5)]
        assert not (folder / "output_invalid.jsonl").exists()
        assert "sound" in sygra("fsck", folder / "output")
        spent = json.loads(sygra("report", folder / "output", "--json"))
        assert spent["calls"]["answered"] == 7, spent["calls"]
    finally:
        server.close()


def test_a_changed_check_judges_finished_records_again_and_asks_nothing(folder):
    with Mock() as mock:
        task = Task(folder, CHECKED.replace("is_equal_to: good", "is_not_empty: true"), mock.url, rows=[{"id": i, "q": f"q{i}"} for i in range(6)])
        task.run().expect(0)
        before = mock.stats()["requests"]
        task.write("graph_config.yaml", textwrap.dedent(CHECKED))
        assert "--accept-changes" in sygra("resume", folder / "output.run")
        said = sygra("resume", folder / "output.run", "--accept-changes", status=3)
        assert "6 of these records in this life of the run (2); 0 steps and 6 answers were there already\n" in said, said
        assert mock.stats()["requests"] == before, mock.stats()
        assert len((folder / "output_invalid.jsonl").read_text().splitlines()) == 6
        assert "sound" in sygra("fsck", folder / "output")
        calls = json.loads(sygra("report", folder / "output", "--json"))["calls"]
        assert calls["answered"] == 6 and calls["repeated"] == 0, calls
