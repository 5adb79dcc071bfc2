# SPDX-License-Identifier: Apache-2.0
"""jq programs that misbehave: the call at fault fails, the run goes on."""
from lib import Task


def lambdas(folder, program, rows, status=3):
    graph = f"""
        data_config: {{source: {{type: disk, file_path: data.jsonl}}}}
        graph_config:
          nodes: {{a: {{node_type: lambda, lambda: {{jq: '{program}'}}, output_keys: y}}}}
          edges: [{{from: START, to: a}}]
        output_config: {{output_map: {{y: {{from: y}}}}}}
        """
    return Task(folder, graph, rows=rows).run("-n", 0, "-b", 8).expect(status)


ROWS = [{"bad": i == 5} for i in range(12)]


def one_fails(folder, program, error):
    run = lambdas(folder, program, ROWS)
    assert len(run.records()) == 11, run.err
    [f] = run.failed()
    assert f["position"] == 5 and f["node"] == "a" and f["error"] == error, f
    return f


def test_an_error_fails_its_record(folder):
    f = one_fails(folder, 'if .bad then error("no good") else {y: 1} end', "hook")
    assert "no good" in f["message"]


def test_a_program_that_never_ends_is_killed(folder):
    one_fails(folder, "def f: f; if .bad then f else {y: 1} end", "timeout")


def test_a_wrong_type_is_named(folder):
    f = one_fails(folder, "if .bad then 7 else {y: 1} end", "hook")
    assert "must return an object, not number" in f["message"]


def test_several_values_are_refused(folder):
    f = one_fails(folder, "if .bad then {y: 1}, {y: 2} else {y: 1} end", "hook")
    assert "2 values" in f["message"]


def test_a_program_that_does_not_compile_is_a_mistake_of_the_task(folder):
    task = Task(folder, """
        graph_config:
          nodes: {a: {node_type: lambda, lambda: {jq: "{y: "}, output_keys: y}}
          edges: [{from: START, to: a}]
        """)
    for run in (task.run("-n", 1), task.check()):
        run.expect(1)
        assert "graph_config.yaml:3" in run.err and "jq" in run.err, run.err


def test_the_environment_is_hidden(folder):
    for i, program in enumerate(["{y: (env|tostring)}", "{y: ($ENV|tostring)}"]):
        lambdas(folder / str(i), 'try ' + program + ' catch {y: "hidden"}', [{"bad": 1}], 0)
        text = (folder / str(i) / "output.json").read_text()
        assert "HOME" not in text and "PATH" not in text, text
