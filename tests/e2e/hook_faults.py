# SPDX-License-Identifier: Apache-2.0
"""Python hooks that go wrong, at every place where one may stand: the record and node at fault say so in words that help, and
nothing else is touched. Faults that show before the first record are mistakes of the task.

Each storm is one run: most of its records are good, the others carry the name of a fault, which the hook then commits.
"""
import json
import re
import sys

from lib import Mock, Task

PREFACE = """\
import asyncio, ctypes, os, random, sys, threading, time

from sygra.processors.output_record_generator import BaseOutputGenerator

ME = os.getpid()


def calls_back(state):
    if state["fault"] == "raises":
        raise ValueError("no good: " + state["fault"])
    if state["fault"] == "raises binary":
        raise RuntimeError("a\\x00b\\x1b[31m\\ud800 line\\nand another")
    if state["fault"] == "sys.exit":
        sys.exit(3)
    if state["fault"] == "os._exit":
        os._exit(3)
    if state["fault"] == "segfault":
        ctypes.string_at(0)
    if state["fault"] == "abort":
        os.abort()
    if state["fault"] == "sleeps":
        time.sleep(1000)
    if state["fault"] == "recursion":
        return calls_back(state)
    if state["fault"] == "stdout":
        os.write(1, bytes(range(256)) + b"\\n")
        sys.stdout.buffer.write(bytes(range(256)))
    if state["fault"] == "closes":
        sys.stdout.close()
        sys.stderr.close()
    if state["fault"] == "forks":
        os.fork()
    if state["fault"] == "forks and ends":
        if os.fork() == 0:
            os._exit(0)
        os.wait()
    if state["fault"] == "changes":
        os.chdir("/")
        os.environ.clear()
        sys.path.clear()
        random.seed(1)
        sys.argv = None
        threading.stack_size(1 << 20)
        sys.setrecursionlimit(500)
    if state["fault"] == "stack of threads":
        threading.Thread(target=lambda: 1 / 0).start()
    return None


def result(state, good):
    calls_back(state)
    return {
        "nothing": None, "wrong type": 5, "wrong kind": ["a"], "unpicklable": {"x": threading.Lock()}, "key": {7: 1},
        "nan": {"x": float("nan")}, "surrogate": {"x": "\\ud800"}, "loop": LOOP, "megabyte": {**good, "x": "m" * 1000000},
    }.get(state["fault"], good)


LOOP = {}
LOOP["x"] = LOOP
"""

HOOKS = PREFACE + """

def lambda_(node, state):
    return result(state, {"x": "good"})


def pre(state):
    given = result(state, dict(state))
    return {**state, **given} if state["fault"] == "megabyte" else given


def post(response, state):
    return result(state, {"x": "good"})


def condition(state):
    if state["fault"] == "wrong type":
        return {"a": 1}
    if state["fault"] == "nothing":
        return None
    if state["fault"] == "unpicklable":
        return threading.Lock()
    calls_back(state)
    return "z" * 1000000 if state["fault"] == "megabyte" else "good"


class Generator(BaseOutputGenerator):
    def generate(self, state):
        return result(state, {"id": state["id"], "x": "good"})


async def slow(node, state):
    if state["fault"] == "sleeps":
        await asyncio.sleep(1000)
    return lambda_(node, state)
"""

# What the failed record says, by the fault: the kind of error and words of its message.
FAILS = {
    "raises": ("hook", r"ValueError: no good: raises \(hooks\.py:10\)"),
    "raises binary": ("hook", r"RuntimeError: a.*b.* line and another \(hooks\.py:12\)"),
    "sys.exit": ("hook", r"SystemExit: 3 \(hooks\.py:14\)"),
    "os._exit": ("host", r"status 3"),
    "segfault": ("host", r"[Ss]egmentation|SIGSEGV|signal 11"),
    "abort": ("host", r"[Aa]bort|SIGABRT|signal 6"),
    "sleeps": ("timeout", r"longer than 4 s"),
    "recursion": ("hook", r"RecursionError"),
}
BY_VALUE = {
    "wrong type": ("hook", r"returned a int: 5; it must return a dict"),
    "wrong kind": ("hook", r"returned a list: \['a'\]; it must return a dict"),
    "unpicklable": ("hook", r"result\['x'\] is a _thread\.lock, which is neither JSON nor can be pickled"),
    "key": ("hook", r"a key that is no text: 7"),
    "nan": ("hook", r"result\['x'\] is nan, and JSON has no such number"),
    "surrogate": ("hook", r"result\['x'\] is a text with half a surrogate pair"),
    "loop": ("limit", r"nested too deep, or holds itself"),
}
HARMLESS = ("stdout", "closes", "forks", "forks and ends", "changes", "stack of threads")


def rows(faults):
    """A good record before and behind each of the others."""
    out = []
    for fault in faults:
        out += [{"id": len(out), "fault": "none"}, {"id": len(out) + 1, "fault": fault}, {"id": len(out) + 2, "fault": "none"}]
    return out


def graph(nodes, edges, output):
    return json.dumps({"data_config": {"source": {"type": "disk", "file_path": "data.jsonl"}, "id_column": "id"},
                       "graph_config": {"nodes": nodes, "edges": edges}, "output_config": output})


MAP = {"output_map": {"id": {"from": "id"}, "x": {"from": "x"}}}
LINE = [{"from": "START", "to": "work"}, {"from": "work", "to": "END"}]
PASS = {"node_type": "lambda", "lambda": {"jq": "{x: \"good\"}"}, "output_keys": "x"}


def asking(**hooks):
    return {"node_type": "llm", "model": {"name": "m"}, "prompt": [{"user": "{id} {fault}"}], "output_keys": ["x"], **hooks}


PLACES = {
    "lambda": graph({"work": {"node_type": "lambda", "lambda": "hooks.lambda_", "output_keys": "x"}}, LINE, MAP),
    "async": graph({"work": {"node_type": "lambda", "lambda": "hooks.slow", "output_keys": "x"}}, LINE, MAP),
    "pre": graph({"work": asking(pre_process="hooks.pre", post_process={"jq": "{x: \"good\"}"})}, LINE, MAP),
    "post": graph({"work": asking(post_process="hooks.post")}, LINE, MAP),
    "condition": graph({"work": PASS},
                       [LINE[0], {"from": "work", "condition": "hooks.condition", "path_map": {"good": "END"}}], MAP),
    "generator": graph({"work": PASS}, LINE, {"generator": "hooks.Generator", **MAP}),
}


def storm(folder, place, faults, *args):
    with Mock() as mock:
        task = Task(folder, PLACES[place], mock.url, rows(faults))
        task.write("hooks.py", HOOKS)
        run = task.run("-n", 0, "--python", sys.executable, "--hook_timeout", 4, "--hosts", 2, *args, timeout=300)
    run.expect(3 if any(fault not in HARMLESS + ("megabyte",) for fault in faults) else 0)
    return run


def check(run, faults, node, passed=()):
    """`faults`: name to (kind, words) of what fails."""
    given = {row["id"]: row["fault"] for row in rows(list(faults) + list(passed))}
    failed = {f["id"]: f for f in run.failed()}
    assert {given[i] for i in failed} == set(faults), ({given[i] for i in failed} ^ set(faults), run.err)
    for i, f in failed.items():
        kind, words = faults[given[i]]
        assert f["error"] == kind and re.search(words, f["message"]), (given[i], f)
        assert f["node"] == node, (given[i], f)
        assert f["message"].isprintable(), f["message"]
    records = run.records()
    assert [r["id"] for r in records] == [i for i in given if i not in failed]
    for r in records:
        if given[r["id"]] != "megabyte":
            assert r["x"] == "good", (given[r["id"]], r)
    return {given[r["id"]]: r for r in records}


def test_a_lambda_that_goes_wrong_fails_its_record_only(folder):
    faults = {**FAILS, **BY_VALUE}
    passed = [*HARMLESS, "megabyte"]
    records = check(storm(folder, "lambda", [*faults, *passed]), faults, "work", passed)
    assert records["megabyte"]["x"] == "m" * 1000000


def test_an_async_lambda_that_goes_wrong_fails_its_record_only(folder):
    faults = {k: v for k, v in {**FAILS, **BY_VALUE}.items() if k not in ("segfault", "abort")}
    check(storm(folder, "async", [*faults, "stdout"]), faults, "work", ["stdout"])


def test_a_pre_processor_that_goes_wrong_fails_its_record_only(folder):
    faults = {**FAILS, **BY_VALUE, "nothing": ("hook", r"returned nothing \(None\); it must return the state")}
    passed = [*HARMLESS, "megabyte"]
    check(storm(folder, "pre", [*faults, *passed]), faults, "work", passed)


def test_a_post_processor_that_goes_wrong_fails_its_record_only(folder):
    faults = {**FAILS, **BY_VALUE}
    passed = [*HARMLESS, "megabyte"]
    records = check(storm(folder, "post", [*faults, *passed]), faults, "work", passed)
    assert records["megabyte"]["x"] == "m" * 1000000


def test_a_condition_that_goes_wrong_fails_its_record_only(folder):
    faults = {**FAILS, "wrong type": ("hook", r"returned a dict: \{'a': 1\}; it must return a key of path_map"),
              "unpicklable": ("hook", r"returned a lock: .*; it must return a key of path_map"),
              "nothing": ("hook", r"returned `(null|None)`, which is not in its path_map"),
              "megabyte": ("hook", r"returned `z{80}`, which is not in its path_map")}
    check(storm(folder, "condition", [*faults, *HARMLESS]), faults, "work", HARMLESS)


def test_a_generator_that_goes_wrong_fails_its_record_only(folder):
    faults = {**FAILS, **{k: v for k, v in BY_VALUE.items() if k != "key"}}
    run = storm(folder, "generator", [*faults, *HARMLESS, "megabyte"])
    failed = {f["id"]: f["node"] for f in run.failed()}
    records = check(run, faults, next(iter(failed.values())), [*HARMLESS, "megabyte"])
    assert records["megabyte"]["x"] == "m" * 1000000


def test_a_lambda_that_returns_nothing_writes_nothing_and_a_generator_that_does_drops_the_record(folder):
    run = Task(folder / "a", PLACES["lambda"], rows=[{"id": 1, "fault": "nothing"}])
    run.write("hooks.py", HOOKS)
    assert run.run("-n", 0, "--python", sys.executable).expect(0).records() == [{"id": 1, "x": None}]
    run = Task(folder / "b", PLACES["generator"], rows=rows(["nothing"]))
    run.write("hooks.py", HOOKS)
    done = run.run("-n", 0, "--python", sys.executable, "--json").expect(0)
    assert [r["id"] for r in done.records()] == [0, 2] and done.summary()["dropped"] == 1


def test_what_a_hook_prints_is_in_the_log_with_its_record_and_node_and_binary_is_escaped(folder):
    run = storm(folder, "lambda", ["stdout"])
    log = [json.loads(line) for line in (folder / "output.run/log.jsonl").read_text().splitlines()]
    printed = [e for e in log if e["event"] == "hook_print"]
    assert any(e.get("record") == 1 and e.get("node") == "work" and "\\xff" in e["text"] for e in printed), printed
    assert "\x1b" not in run.err and "\x00" not in run.err


def test_a_traceback_is_shown_once_with_the_users_own_lines(folder):
    run = storm(folder, "lambda", ["raises"] * 5)
    assert run.err.count("raise ValueError") == 1, run.err
    assert "hooks.py" in run.err and "in lambda_" in run.err


# --- before the first record ----------------------------------------------------------------------------------------------------

REFUSED = {
    "nowhere.f": r"there is no module 'nowhere'.*looked in",
    "hooks.nothing": r"hooks has no 'nothing'",
    "hooks.lambdas": r"hooks has no 'lambdas'; did you mean 'lambda_'\?",
    "broken.f": r"importing broken fails: SyntaxError: .*\(broken\.py:2\)",
    "raising.f": r"importing raising fails: ZeroDivisionError: division by zero \(raising\.py:1\)",
    "lacking.f": r"lacking imports 'no_such_package_at_all', which is not installed for .*pip install no_such_package_at_all",
    "leaving.f": r"importing leaving fails: SystemExit",
    "narrow.one": r"takes \(state\); it is called with \(node_config, state\) \(narrow\.py:1\)",
    "narrow.three": r"takes \(a, b, c\); it is called with \(node_config, state\)",
    "narrow.Empty": r"class Empty has no method apply\(\)",
    "narrow.value": r"is a int, not a function or a class",
    "narrow.Needy": r"Needy is made without arguments, but takes \(name\)",
}


def test_hooks_that_cannot_be_loaded_are_told_all_at_once_with_place_and_cure(folder):
    nodes = {f"n{i}": {"node_type": "lambda", "lambda": path} for i, path in enumerate(REFUSED)}
    edges = [{"from": "START", "to": list(nodes)}, {"from": list(nodes), "to": "END"}]
    task = Task(folder, graph(nodes, edges, {}), rows=[{"id": 1}])
    task.write("hooks.py", HOOKS)
    task.write("broken.py", "x = 1\ndef f(:\n")
    task.write("raising.py", "1 / 0\n")
    task.write("lacking.py", "import no_such_package_at_all\n")
    task.write("leaving.py", "import sys\nsys.exit(0)\n")
    task.write("narrow.py", "def one(state): pass\ndef three(a, b, c): pass\nvalue = 5\nclass Empty: pass\n"
                            "class Needy:\n    def __init__(self, name): pass\n    def apply(self, node, state): pass\n")
    run = task.run("-n", 0, "--python", sys.executable).expect(1)
    asked = task.check("--hooks", "--python", sys.executable).expect(1)
    assert not (folder / "output.json").exists()
    for i, (path, words) in enumerate(REFUSED.items()):
        for text in (run.err, asked.err):
            line = [line for line in text.splitlines() if f"[graph_config.nodes.n{i}.lambda]" in line]
            assert len(line) == 1 and re.search(words, line[0]), (path, line, text)
            assert re.match(r".*graph_config\.yaml:\d+:\d+: error: ", line[0]), line


def test_without_hooks_check_starts_nobodys_code(folder):
    task = Task(folder, PLACES["lambda"], rows=[])
    task.write("hooks.py", f"open({str(folder / 'was_here')!r}, 'w')\n" + HOOKS)
    said = task.check("--python", sys.executable).expect(0)
    assert not (folder / "was_here").exists()
    assert re.search(r"hooks\.lambda_: .*/hooks\.py", said.out), said.out
    said = task.check("--hooks", "--python", sys.executable).expect(0)
    assert (folder / "was_here").exists()
    assert re.search(r"hooks\.lambda_: function, .*/hooks\.py:\d+", said.out), said.out


def test_an_interpreter_that_is_none_is_one_clear_line(folder):
    task = Task(folder, PLACES["lambda"], rows=[{"id": 1, "fault": "none"}])
    task.write("hooks.py", HOOKS)
    none = task.run("-n", 0, "--python", "no_such_python").expect(1)
    assert "no_such_python" in none.err and "there is no such program" in none.err
    other = task.run("-n", 0, "--python", "/bin/true").expect(1)
    assert "/bin/true" in other.err, other.err
