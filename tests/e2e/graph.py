# SPDX-License-Identifier: Apache-2.0
"""Graphs: branches, joins, loops, conditions, subgraphs, messages, jq everywhere it may stand."""
import json
import subprocess

from lib import BIN, ENV, Mock, Task


def run_graph(folder, graph, rows=None, args=(), status=0, url=None, more=None):
    task = Task(folder, graph, url or "http://127.0.0.1:9/v1", rows)
    for name, text in (more or {}).items():
        task.write(name, text)
    return task.run(*(args or ("-n", 1 if rows is None else 0))).expect(status)


def test_branches_of_unequal_length_run_their_meeting_point_twice(folder):
    graph = """
        graph_config:
          nodes:
            a: {node_type: lambda, lambda: {jq: "{x: 1}"}, output_keys: x}
            b: {node_type: lambda, lambda: {jq: "{y: 1}"}, output_keys: y}
            c: {node_type: lambda, lambda: {jq: "{z: 1}"}, output_keys: z}
            meet: {node_type: lambda, lambda: {jq: "{n: ((.n // 0) + 1)}"}, output_keys: n}
          edges:
            - {from: START, to: [a, b]}
            - {from: a, to: meet}
            - {from: b, to: c}
            - {from: c, to: meet}
        output_config: {output_map: {n: {from: n}}}
        """
    assert run_graph(folder, graph).records() == [{"n": 2}]


def test_a_join_waits_for_all(folder):
    graph = """
        graph_config:
          nodes:
            a: {node_type: lambda, lambda: {jq: "{x: 1}"}, output_keys: x}
            b: {node_type: lambda, lambda: {jq: "{y: 1}"}, output_keys: y}
            c: {node_type: lambda, lambda: {jq: "{z: 1}"}, output_keys: z}
            meet: {node_type: lambda, lambda: {jq: "{n: ((.n // 0) + 1), all: [.x, .y, .z]}"}, output_keys: [n, all]}
          edges:
            - {from: START, to: [a, b]}
            - {from: b, to: c}
            - {from: [a, c], to: meet}
        output_config: {output_map: {n: {from: n}, all: {from: all}}}
        """
    assert run_graph(folder, graph).records() == [{"n": 1, "all": [1, 1, 1]}]


LOOP = """
    graph_config:
      nodes:
        again: {node_type: lambda, lambda: {jq: "{n: ((.n // 0) + 1)}"}, output_keys: n}
      edges:
        - {from: START, to: again}
        - {from: again, condition: {jq: "if .n >= TIMES then \\"END\\" else \\"more\\" end"}, path_map: {END: END, more: again}}
    output_config: {output_map: {n: {from: n}}}
    """


def test_99_rounds_of_a_loop_pass_and_100_fail(folder):
    assert run_graph(folder / "a", LOOP.replace("TIMES", "99")).records() == [{"n": 99}]
    failed = run_graph(folder / "b", LOOP.replace("TIMES", "100"), status=3).failed()
    assert failed[0]["error"] == "limit" and "100 steps" in failed[0]["message"], failed


def test_two_writers_in_one_step_are_an_error(folder):
    graph = """
        graph_config:
          nodes:
            a: {node_type: lambda, lambda: {jq: "{x: 1}"}, output_keys: x}
            b: {node_type: lambda, lambda: {jq: "{x: 1}"}, output_keys: x}
          edges: [{from: START, to: [a, b]}]
        """
    failed = run_graph(folder, graph, status=3).failed()
    assert failed[0]["error"] == "conflict" and failed[0]["node"] == "b" and "`x`" in failed[0]["message"], failed


def test_true_and_end_have_several_spellings(folder):
    graph = """
        data_config: {source: {type: disk, file_path: data.jsonl}}
        graph_config:
          nodes:
            a: {node_type: lambda, lambda: {jq: "{}"}}
            b: {node_type: lambda, lambda: {jq: "{y: 1}"}, output_keys: y}
          edges:
            - {from: START, to: a}
            - {from: a, condition: {jq: ".go"}, path_map: {true: b, END: END}}
        output_config: {output_map: {y: {from: y}}}
        """
    rows = [{"go": True}, {"go": "true"}, {"go": "True"}, {"go": "END"}, {"go": "__end__"}]
    assert [r["y"] for r in run_graph(folder, graph, rows).records()] == [1, 1, 1, None, None]


def test_an_unmapped_result_fails_the_record_and_names_the_keys(folder):
    graph = """
        graph_config:
          nodes: {a: {node_type: lambda, lambda: {jq: "{}"}}}
          edges:
            - {from: START, to: a}
            - {from: a, condition: {jq: '"nowhere"'}, path_map: {x: END, y: a}}
        """
    failed = run_graph(folder, graph, status=3).failed()
    assert "`nowhere`" in failed[0]["message"] and "`x`" in failed[0]["message"], failed


def test_a_condition_at_start_and_a_fan_out(folder):
    graph = """
        graph_config:
          nodes:
            a: {node_type: lambda, lambda: {jq: "{x: 1}"}, output_keys: x}
            b: {node_type: lambda, lambda: {jq: "{y: 2}"}, output_keys: y}
          edges: [{from: START, condition: {jq: '"a", "b"'}, path_map: {a: a, b: b}}]
        output_config: {output_map: {x: {from: x}, y: {from: y}}}
        """
    assert run_graph(folder, graph).records() == [{"x": 1, "y": 2}]


def test_messages_of_one_node_follow_the_prompt_of_the_next(folder):
    graph = """
        data_config: {source: {type: disk, file_path: data.jsonl}}
        graph_config:
          nodes:
            first: {node_type: llm, model: {name: echo}, prompt: [{user: "one {q}"}]}
            second: {node_type: llm, model: {name: echo}, output_role: user, prompt: [{user: "two"}]}
          edges: [{from: START, to: first}, {from: first, to: second}]
        output_config: {output_map: {messages: {from: messages}}}
        """
    with Mock("--log", folder / "log") as mock:
        [record] = run_graph(folder, graph, [{"q": "x"}], url=mock.url).records()
    assert record["messages"] == [{"role": "assistant", "content": "one x", "name": "first"},
                                  {"role": "user", "content": "two", "name": "second"}]


def test_a_hook_that_returns_the_whole_state_does_not_double_messages(folder):
    graph = """
        graph_config:
          nodes:
            first: {node_type: llm, model: {name: echo}, prompt: [{user: "one"}]}
            all: {node_type: lambda, lambda: {jq: ". + {x: 1}"}, output_keys: x}
          edges: [{from: START, to: first}, {from: first, to: all}]
        output_config: {output_map: {messages: {from: messages}}}
        """
    with Mock() as mock:
        [record] = run_graph(folder, graph, url=mock.url).records()
    assert len(record["messages"]) == 1


def test_a_node_that_says_the_same_again_is_heard_again(folder):
    graph = """
        graph_config:
          nodes:
            say: {node_type: llm, model: {name: echo}, prompt: [{user: "one"}]}
          edges:
            - {from: START, to: say}
            - {from: say, condition: {jq: "if (.messages|length) < 3 then \\"again\\" else \\"END\\" end"}, path_map: {again: say, END: END}}
        output_config: {output_map: {messages: {from: messages}}}
        """
    with Mock() as mock:
        [record] = run_graph(folder, graph, url=mock.url).records()
    assert [m["content"] for m in record["messages"]] == ["one", "one", "one"]


def test_processors_see_and_change_what_they_should(folder):
    graph = r"""
        data_config: {source: {type: disk, file_path: data.jsonl}}
        graph_config:
          nodes:
            ask:
              node_type: llm
              model: {name: echo}
              pre_process: {jq: ". + {q: (.q | ascii_upcase), hidden: 5}"}
              prompt: [{user: "{q}"}]
              output_keys: [answer, role]
              post_process: {jq: "{answer: (.response.content + \"/\" + .state.q + \"/\" + (.state.hidden|tostring)), role: .response.role}"}
          edges: [{from: START, to: ask}]
        output_config: {output_map: {q: {from: q}, answer: {from: answer}, role: {from: role}}}
        """
    with Mock() as mock:
        [record] = run_graph(folder, graph, [{"q": "abc"}], url=mock.url).records()
    assert record == {"q": "abc", "answer": "ABC/ABC/5", "role": "assistant"}


def test_the_output_map_takes_values_paths_and_transforms(folder):
    graph = """
        data_config: {source: {type: disk, file_path: data.jsonl}}
        graph_config:
          nodes: {a: {node_type: weighted_sampler, attributes: {c: {values: [red]}}}}
          edges: [{from: START, to: a}]
        output_config:
          output_map:
            fixed: {value: {deep: [1, 2.50]}}
            path: {value: "$graph_config.nodes.a.attributes.c.values[0]"}
            missing: {from: nothing}
            made: {from: q, transform: {jq: "ascii_upcase + $state.c"}}
        """
    [record] = run_graph(folder, graph, [{"q": "x"}]).records()
    assert record == {"fixed": {"deep": [1, "2.5"]}, "path": "red", "missing": None, "made": "Xred"}, record


SUB = {
    "inner/graph_config.yaml": """
        graph_config:
          nodes:
            ask: {node_type: llm, model: {name: echo}, prompt: [{user: "inner {topic}"}], output_keys: said}
            more: {node_type: lambda, lambda: {jq: "{said: (.said + \\"!\\")}"}, output_keys: said}
          edges:
            - {from: START, to: ask}
            - {from: ask, condition: {jq: ".long"}, path_map: {true: more, false: END}}
            - {from: more, to: END}
        """,
}
OUTER = """
    data_config: {source: {type: disk, file_path: data.jsonl}}
    graph_config:
      nodes:
        s:
          node_type: subgraph
          subgraph: FOLDER/inner
          node_config_map: {ask: {prompt_placeholder_map: {topic: q}, model: {parameters: {temperature: 1}}}}
        after: {node_type: lambda, lambda: {jq: "{done: true}"}, output_keys: done}
      edges: [{from: START, to: s}, {from: s, to: after}, {from: after, to: END}]
    output_config: {output_map: {said: {from: said}, done: {from: done}}}
    """


def test_a_subgraph_runs_inside_its_parent(folder):
    with Mock() as mock:
        records = run_graph(folder, OUTER.replace("FOLDER", str(folder)), [{"q": "a", "long": True}, {"q": "b", "long": False}],
                            url=mock.url, more=SUB).records()
    assert records == [{"said": "inner a!", "done": True}, {"said": "inner b", "done": True}]


def test_the_plan_is_printed_as_text_and_json(folder):
    task = Task(folder, OUTER.replace("FOLDER", str(folder)), rows=[{"q": "a"}])
    for name, text in SUB.items():
        task.write(name, text)
    text = subprocess.run([BIN, "graph", str(folder)], capture_output=True, text=True, env=ENV)
    assert text.returncode == 0 and "s.ask (llm)" in text.stdout and "s.connector_node" in text.stdout, text.stdout + text.stderr
    plan = json.loads(subprocess.run([BIN, "graph", str(folder), "--json"], capture_output=True, text=True, env=ENV).stdout)
    assert [n["name"] for n in plan["nodes"]] == ["after", "s.ask", "s.connector_node", "s.more"]
    assert all(len(n["hash"]) == 64 for n in plan["nodes"])


def test_template_values_print_as_python_prints_them(folder):
    graph = """
        data_config: {source: {type: disk, file_path: data.jsonl}}
        graph_config:
          nodes: {a: {node_type: llm, model: {name: echo}, prompt: [{user: "{v} {v!r} {f:.2f} {s:>6}"}], output_keys: o}}
          edges: [{from: START, to: a}]
        output_config: {output_map: {o: {from: o}}}
        """
    rows = [{"v": None, "f": 1, "s": "ü"}, {"v": [True, "it's", 1.0], "f": 2.345, "s": "abc"}, {"v": {"a": "{b}"}, "f": 0, "s": ""}]
    with Mock() as mock:
        records = run_graph(folder, graph, rows, url=mock.url).records()
    assert [r["o"] for r in records] == [f"{r['v']} {r['v']!r} {r['f']:.2f} {r['s']:>6}".strip() for r in rows]


def test_a_missing_key_fails_its_record_and_is_named(folder):
    graph = """
        data_config: {source: {type: disk, file_path: data.jsonl}}
        graph_config:
          nodes: {a: {node_type: llm, model: {name: echo}, prompt: [{user: "{v} and {w}"}], output_keys: o}}
          edges: [{from: START, to: a}]
        output_config: {output_map: {o: {from: o}}}
        """
    with Mock() as mock:
        run = run_graph(folder, graph, [{"v": 1, "w": 2}, {"v": 1}], url=mock.url, status=3)
    assert run.records() == [{"o": "1 and 2"}]
    [f] = run.failed()
    assert f["error"] == "missing" and "`w`" in f["message"] or "w" in f["message"], f
