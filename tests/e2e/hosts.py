# SPDX-License-Identifier: Apache-2.0
"""Hook hosts from outside: what becomes of the records when user code in Python crashes, hangs or grows, and what a host may
know. What hooks are called with is in python_hooks.py and tests/hooks."""
import json
import subprocess
import sys

import panel
from lib import BIN, ENV, Task

GRAPH = """
    data_config:
      source: {type: disk, file_path: data.jsonl}
    graph_config:
      nodes:
        work: {node_type: lambda, lambda: host_hooks.work, output_keys: [answer]}
      edges:
        - {from: START, to: work}
        - {from: work, to: END}
    output_config:
      output_map:
        id: {from: id}
        answer: {from: answer}
    """
ROWS = [{"id": i} for i in range(40)]
SPECIAL = 17


def task_with(folder, body):
    task = Task(folder, GRAPH, rows=ROWS)
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    task.write("host_hooks.py", f"import os, signal, sys, time\n\ndef work(config, state):\n{lines}    return {{'answer': state['id']}}\n")
    return task


def run(task, *args, **more):
    return task.run("-n", 0, "--json", "--python", sys.executable, *args, cwd=task.folder, **more)


def expect_one_failure(done, text):
    done.expect(3)
    assert [r["id"] for r in done.records()] == [i for i in range(40) if i != SPECIAL], done.records()
    (failed,) = done.failed()
    assert failed["id"] == SPECIAL and text in failed["message"], failed
    return done


def hosts_of(done):
    (hosts,) = done.summary()["hosts"]
    assert hosts["kind"] == "python", hosts
    return hosts


def test_a_segfault_costs_its_record_and_is_told_with_its_line(folder):
    done = run(task_with(folder, f"time.sleep(0.005)\nif state['id'] == {SPECIAL}:\n    signal.raise_signal(signal.SIGSEGV)"))
    expect_one_failure(done, "signal 11 (Segmentation fault): File")
    assert "host_hooks.py" in done.failed()[0]["message"], done.failed()
    assert hosts_of(done)["died"] >= 1
    traces = [e for e in map(json.loads, done.out.splitlines()) if e["event"] == "hook_trace"]
    assert len(traces) == 1 and "in work" in traces[0]["trace"], traces


def test_a_hook_that_exits_costs_its_record(folder):
    done = run(task_with(folder, f"if state['id'] == {SPECIAL}:\n    os._exit(5)"))
    expect_one_failure(done, "its host ended with status 5")


def test_a_hook_that_hangs_fails_alone(folder):
    done = run(task_with(folder, f"if state['id'] == {SPECIAL}:\n    time.sleep(1000)"), "--hook_timeout", 1.5)
    expect_one_failure(done, "the hook ran longer than 1500 ms")
    assert hosts_of(done)["timeouts"] == 1


def test_a_host_that_has_grown_is_replaced(folder):
    done = run(task_with(folder, "global held\nheld = globals().get('held', 0) or bytearray(120 << 20)\ntime.sleep(0.05)"),
               "--host_memory", 100, "-b", 1).expect(0)
    assert len(done.records()) == 40
    hosts = hosts_of(done)
    assert hosts["replaced"] >= 1 and hosts["died"] == 0 and hosts["peak_bytes"] > 120 << 20, hosts


def test_hooks_see_no_tokens_but_those_that_are_let_through(folder):
    env = {"SYGRA_M_TOKEN": "first-secret-value", "OTHER_TOKEN": "second-secret-value", "LET_TOKEN": "let"}
    body = "return {'answer': [k for k in sorted(os.environ) if 'TOKEN' in k]}"
    done = run(task_with(folder, body), "--host_env", "LET_TOKEN", env=env).expect(0)
    assert done.records()[0]["answer"] == ["LET_TOKEN"], done.records()[0]


def test_names_that_end_like_a_secret_are_one(folder):
    env = {"OPENAI_KEY": "1", "DB_PASS": "2", "GIT_PAT": "3", "KEY_OF_A_COLUMN": "4", "COMPASS": "5"}
    body = f"return {{'answer': [k for k in sorted(os.environ) if k in {list(env)}]}}"
    done = run(task_with(folder, body), env=env).expect(0)
    assert done.records()[0]["answer"] == ["COMPASS", "KEY_OF_A_COLUMN"], done.records()[0]


def test_modules_are_found_from_a_working_directory_below_tasks(folder):
    inner = folder / "tasks" / "group" / "one"
    task = Task(inner, GRAPH.replace("host_hooks.work", "tasks.group.one.code.work"), rows=ROWS)
    task.write("code.py", "def work(config, state):\n    return {'answer': state['id'] + 1}\n")
    for name, place in ((".", inner), ("one", inner.parent), ("group/one", inner.parent.parent)):
        done = subprocess.run([BIN, "run", name, "--output_with_ts", "False"], cwd=place, env=ENV, capture_output=True, text=True)
        assert done.returncode == 0, (name, done.stderr)


def test_an_interpreter_that_is_not_there_is_named(folder):
    task = task_with(folder, "pass")
    done = task.run("--python", "/nowhere/python3", cwd=folder).expect(1)
    assert "--python /nowhere/python3: there is no such program" in done.err, done.err


def test_options_out_of_range_are_refused(folder):
    task = task_with(folder, "pass")
    for option, value in (("--hosts", 0), ("--hosts", 1000), ("--hook_timeout", 0), ("--host_memory", 0)):
        done = task.run(option, value).expect(2)
        assert option in done.err, done.err


def test_events_of_hosts_are_as_their_page_says(folder):
    task = task_with(folder, f"print('seen')\nif state['id'] == {SPECIAL}:\n    raise ValueError('oops')")
    done = run(task, "--debug", "True").expect(3)
    events = [json.loads(line) for line in done.out.splitlines()]
    for event in events:
        panel.check_event(event)
    assert {"host_started", "hook_print", "hook_trace", "summary"} <= {e["event"] for e in events}
    (trace,) = [e for e in events if e["event"] == "hook_trace"]
    assert trace["record"] == SPECIAL and trace["node"] == "work" and "raise ValueError('oops')" in trace["trace"], trace


def test_the_summary_counts_hosts_for_people(folder):
    task = task_with(folder, "pass")
    done = task.run("-n", 0, "--python", sys.executable, cwd=folder).expect(0)
    assert "python   40 calls of hooks, 0 failed;" in done.out and "0 died" in done.out, done.out


def test_a_resumed_run_has_the_hosts_of_its_beginning(folder):
    task = task_with(folder, "return {'answer': [sys.executable, os.environ.get('LET_TOKEN')]}")
    env = {**ENV, "LET_TOKEN": "let"}
    python = folder / "python"
    python.symlink_to(sys.executable)
    task.run("-n", 5, "--python", "./python", "--host_env", "LET_TOKEN", cwd=folder, env=env).expect(0)
    done = subprocess.run([BIN, "resume", str(folder / "output.run"), "-n", "10"], cwd="/", env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    answers = [r["answer"] for r in json.loads((folder / "output.json").read_text())]
    assert len(answers) == 10 and all(a == [str(python), "let"] for a in answers), answers


def test_a_descriptor_that_is_no_process_is_refused(folder):
    closure = Task(folder, GRAPH.replace("host_hooks.work", "{closure: work}"), rows=ROWS)
    for option, text in ((("--attach", 77), "descriptor 77"), (("--attach", 1), "descriptor 1"),
                         ((), "serves no hooks to this run")):
        done = closure.run(*option).expect(1)
        assert text in done.err, done.err
