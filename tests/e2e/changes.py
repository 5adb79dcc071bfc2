# SPDX-License-Identifier: Apache-2.0
"""Runs whose task has changed: what is told, what is run again when that is accepted, and what is not asked again."""
import json
import re
import sqlite3

from lib import Mock, Task
from resume import ARGS, die, fsck, living, resume, rows, says, sygra, wait_for

# Three calls a record; the third sees nothing of the others.
THREE = """
    data_config:
      source: {type: disk, file_path: data.jsonl}
    graph_config:
      nodes:
        first: {node_type: llm, model: {name: echo}, prompt: [{user: "one {q}"}], output_keys: one}
        second: {node_type: llm, model: {name: m, model: echo}, prompt: [{user: "two {one}"}], output_keys: two}
        third: {node_type: llm, model: {name: echo}, prompt: [{user: "three {q}"}], output_keys: three}
      edges:
        - {from: START, to: first}
        - {from: first, to: second}
        - {from: second, to: third}
        - {from: third, to: END}
    output_config: {output_map: {id: {from: id}, two: {from: two}, three: {from: three}}}
    """

# Records with an odd number go through `odd`, the others through `even`.
BRANCH = """
    data_config:
      source: {type: disk, file_path: data.jsonl}
    graph_config:
      nodes:
        first: {node_type: llm, model: {name: echo}, prompt: [{user: "one {q}"}], output_keys: one}
        odd: {node_type: llm, model: {name: echo}, prompt: [{user: "odd {one}"}], output_keys: two}
        even: {node_type: llm, model: {name: echo}, prompt: [{user: "even {one}"}], output_keys: two}
        last: {node_type: llm, model: {name: echo}, prompt: [{user: "last {two}"}], output_keys: last}
      edges:
        - {from: START, to: first}
        - {from: first, condition: {jq: "if .id % 2 == 1 then \\"odd\\" else \\"even\\" end"}, path_map: {odd: odd, even: even}}
        - {from: odd, to: last}
        - {from: even, to: last}
        - {from: last, to: END}
    output_config: {output_map: {id: {from: id}, last: {from: last}}}
    """


def three(n, first="one", second="two", third="three"):
    return [{"id": i, "two": f"{second} {first} question {i}", "three": f"{third} question {i}"} for i in range(n)]


def killed_at(folder, mock, graph, n, requests):
    """A run that was killed when so many requests had been made, and what its folder knew then is on disk."""
    task = Task(folder, graph, mock.url, rows(n))
    with living(folder, "-n", 0, "-b", 6) as p:
        wait_for(lambda: mock.stats()["requests"] >= requests, "requests")
        die(p)
    return task


def query(folder, sql):
    with sqlite3.connect(folder / "output.run/run.db") as db:
        return db.execute(sql).fetchall()


def answered(folder):
    return query(folder, "SELECT count(*) FROM calls WHERE state=1")[0][0]


def named(run):
    """What the message says: finished records, half done ones, calls that are asked again."""
    text = run.out + run.err
    finished, half = re.search(r"finished records that run again: (\d+).*; half done: (\d+)", text).groups()
    return int(finished), int(half), int(re.search(r"(\d+) of their calls (?:is|are) asked again", text)[1])


def output(folder):
    return json.loads((folder / "output.json").read_text())


def requests_of(mock, work):
    before = mock.stats()["requests"]
    work()
    return mock.stats()["requests"] - before


def test_a_changed_prompt_in_the_middle_of_a_run_runs_exactly_what_was_named(folder):
    n = 60
    with Mock("--latency_ms", 40) as mock:
        task = killed_at(folder, mock, THREE, n, 90)
        had = answered(folder)
        seconds = query(folder, "SELECT count(*) FROM calls JOIN nodes ON nodes.id=calls.node WHERE state=1 AND name='second'")[0][0]
        task.write("graph_config.yaml", THREE.replace("two {one}", "zwei {one}"))
        run = resume(folder).expect(1)
        says(run, "changed `second`: its requests", "--accept-changes", "`m` has no price", f"{seconds} of `second`")
        finished, half, again = named(run)
        assert again == seconds > 0 and finished > 0, (finished, half, again)
        fsck(folder).expect(0)
        asked = requests_of(mock, lambda: resume(folder, "--accept-changes").expect(0))
        assert asked == 3 * n - had + again, (asked, had, again)
        assert output(folder) == three(n, second="zwei")
        fsck(folder).expect(0)
        says(resume(folder).expect(0), "finished")


def test_a_changed_prompt_of_a_finished_run_asks_that_node_again_and_what_it_feeds(folder):
    n = 12
    with Mock() as mock:
        task = Task(folder, THREE, mock.url, rows(n))
        task.run("-n", 0).expect(0)
        task.write("graph_config.yaml", THREE.replace("one {q}", "eins {q}"))
        says(resume(folder).expect(0), "finished")  # without the flag there is nothing to do
        asked = requests_of(mock, lambda: says(resume(folder, "--accept-changes").expect(0), "at most 24 of their calls are asked again",
                                               "12 of `first`, 12 of `second`, for what it is given",
                                               "answers were there already, 24 calls were asked again"))
        assert asked == 2 * n
        assert output(folder) == three(n, first="eins")


def test_a_changed_parameter_in_models_yaml_is_a_change_of_the_nodes_that_use_it(folder):
    n = 10
    with Mock() as mock:
        task = Task(folder, THREE, mock.url, rows(n))
        task.run("-n", 0).expect(0)
        models = json.loads((folder / "models.yaml").read_text())
        models["m"]["parameters"]["temperature"] = 0.5
        task.write("models.yaml", json.dumps(models))
        asked = requests_of(mock, lambda: says(resume(folder, "--accept-changes").expect(0), "changed `second`: its requests", "10 of `second`"))
        assert asked == n and output(folder) == three(n)


def test_a_changed_node_behind_a_branch_concerns_the_records_that_went_there(folder):
    n = 20
    with Mock() as mock:
        task = Task(folder, BRANCH, mock.url, rows(n))
        task.run("-n", 0).expect(0)
        before = output(folder)
        task.write("graph_config.yaml", BRANCH.replace("odd {one}", "uneven {one}"))
        asked = requests_of(mock, lambda: says(resume(folder, "--accept-changes").expect(0), "finished records that run again: 10; half done: 0",
                                               "at most 20 of their calls", "10 of `odd`", "10 of `last`, for what it is given"))
        assert asked == 20, "odd, and last for what it is given, of every other record"
        after = output(folder)
        assert [r["last"] for r in after] == [b["last"].replace("odd", "uneven") for b in before]


def test_a_changed_output_map_asks_nothing(folder):
    n = 15
    with Mock() as mock:
        task = Task(folder, THREE, mock.url, rows(n))
        task.run("-n", 0).expect(0)
        task.write("graph_config.yaml", THREE.replace("three: {from: three}", "drei: {from: three}, q: {from: q}"))
        asked = requests_of(mock, lambda: says(resume(folder, "--accept-changes").expect(0), "changed `output_config`",
                                               "finished records that run again: 15", "0 of their calls are asked again"))
        assert asked == 0
        assert output(folder) == [{"id": r["id"], "two": r["two"], "drei": r["three"], "q": f"question {r['id']}"} for r in three(n)]


def test_nodes_may_come_and_go(folder):
    """A new node that sorts before the others gives them other numbers; what they were answered is found all the same."""
    n = 12
    graph = THREE.replace("        first:", '        aaa: {node_type: llm, model: {name: echo}, prompt: [{user: "new {q}"}], output_keys: new}\n        first:')
    graph = graph.replace("{from: START, to: first}", "{from: START, to: aaa}\n        - {from: aaa, to: first}")
    with Mock() as mock:
        task = Task(folder, THREE, mock.url, rows(n))
        task.run("-n", 0).expect(0)
        task.write("graph_config.yaml", graph)
        asked = requests_of(mock, lambda: says(resume(folder, "--accept-changes").expect(0), "new `aaa`", "changed `START`", "12 (all)"))
        assert asked == n and output(folder) == three(n)
        fsck(folder).expect(0)
        task.write("graph_config.yaml", THREE)
        asked = requests_of(mock, lambda: says(resume(folder, "--accept-changes").expect(0), "gone `aaa`"))
        assert asked == 0 and output(folder) == three(n)


def test_a_run_may_grow_and_change_at_once(folder):
    with Mock() as mock:
        task = Task(folder, THREE, mock.url, rows(30))
        task.run("-n", 10).expect(0)
        task.write("graph_config.yaml", THREE.replace("three {q}", "drei {q}"))
        run = resume(folder, "-n", 25).expect(1)
        assert named(run) == (10, 0, 10), named(run)
        asked = requests_of(mock, lambda: resume(folder, "-n", 25, "--accept-changes").expect(0))
        assert asked == 10 + 15 * 3
        assert output(folder) == three(25, third="drei")


def test_where_no_calls_are_kept_all_records_are_concerned_and_that_is_said(folder):
    n = 9
    with Mock() as mock:
        task = Task(folder, THREE, mock.url, rows(n))
        task.run("-n", 0, "--keep", "outputs").expect(0)
        task.write("graph_config.yaml", THREE.replace("three {q}", "drei {q}"))
        run = resume(folder, "-n", 0, "--accept-changes").expect(0)
        says(run, "9 (all)", "27 of their calls are asked again", "this run keeps no calls")
        assert mock.stats()["requests"] == 2 * 3 * n
        assert output(folder) == three(n, third="drei")


def test_a_changed_program_concerns_the_records_whose_way_it_is_on(folder):
    n = 10
    with Mock() as mock:
        task = Task(folder, BRANCH, mock.url, rows(n))
        task.run("-n", 0).expect(0)
        task.write("graph_config.yaml", BRANCH.replace(".id % 2 == 1", ".id % 2 == 0"))
        run = resume(folder, "--accept-changes").expect(0)
        says(run, "changed `first`: what follows it", "finished records that run again: 10")
        assert [r["last"] for r in output(folder)] == [f"last {'even' if i % 2 else 'odd'} one question {i}" for i in range(n)]


def test_what_was_accepted_stays_accepted_after_a_kill(folder):
    n = 40
    with Mock("--latency_ms", 40) as mock:
        task = killed_at(folder, mock, THREE, n, 60)
        task.write("graph_config.yaml", THREE.replace("two {one}", "zwei {one}"))
        before = mock.stats()["requests"]
        with living(folder / "output.run", "--accept-changes", verb="resume") as p:
            wait_for(lambda: mock.stats()["requests"] >= before + 20, "requests")
            die(p)
        resume(folder).expect(0)
        assert output(folder) == three(n, second="zwei")
        fsck(folder).expect(0)


def test_another_source_cannot_be_accepted(folder):
    with Mock() as mock:
        task = Task(folder, THREE, mock.url, rows(10))
        task.run("-n", 5).expect(0)
        task.write("other.jsonl", (folder / "data.jsonl").read_text())
        task.write("graph_config.yaml", THREE.replace("data.jsonl", "other.jsonl"))
        run = resume(folder, "-n", 8, "--accept-changes").expect(1)
        says(run, "other.jsonl", "start a new run")
        assert "--accept-changes" not in run.err
        assert len(output(folder)) == 5 and mock.stats()["requests"] == 15


def test_machines_are_told_the_same(folder):
    with Mock() as mock:
        task = Task(folder, THREE, mock.url, rows(6))
        task.run("-n", 4).expect(0)
        task.write("graph_config.yaml", THREE.replace("two {one}", "zwei {one}"))
        run = resume(folder, "-n", 0, "--json").expect(1)
        [event] = [e for e in map(json.loads, run.out.splitlines()) if e["event"] == "task_changed"]
        assert event["changes"] == [{"what": "changed", "name": "second", "of": "its requests"}], event
        assert (event["finished"], event["half_done"], event["calls"], event["by_node"], event["cost_usd"]) == (4, 0, 4, {"second": 4}, None), event


def test_a_run_with_resume_takes_changes_too(folder):
    with Mock("--latency_ms", 40) as mock:
        task = killed_at(folder, mock, THREE, 20, 20)
        task.write("graph_config.yaml", THREE.replace("three {q}", "drei {q}"))
        says(sygra("run", folder, *ARGS, "-n", 0, "--resume", "True", folder=folder).expect(1), "changed `third`")
        sygra("run", folder, *ARGS, "-n", 0, "--resume", "True", "--accept-changes", folder=folder).expect(0)
        assert output(folder) == three(20, third="drei")


def test_a_retry_of_a_changed_task_is_refused_before_anything_is_taken_back(folder):
    with Mock("--fail_rate", 0.4, "--fail_status", "400:1") as mock:
        task = Task(folder, THREE, mock.url, rows(20))
        task.run("-n", 0).expect(3)
        whole, failed = (folder / "output.json").read_bytes(), (folder / "output_failed.jsonl").read_bytes()
    with Mock() as mock:
        task = Task(folder, THREE.replace("two {one}", "zwei {one}"), mock.url, rows(20))
        says(sygra("retry", folder / "output.run").expect(1), "changed `second`")
        assert (folder / "output.json").read_bytes() == whole and (folder / "output_failed.jsonl").read_bytes() == failed
        sygra("retry", folder / "output.run", "--accept-changes").expect(0)
        assert output(folder) == three(20, second="zwei")
        assert not (folder / "output_failed.jsonl").exists()
