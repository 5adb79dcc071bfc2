# SPDX-License-Identifier: Apache-2.0
"""Hooks that cannot be loaded, and hooks that misbehave: each has its message, and nothing else is touched."""
import json
import os
import sys

from client import Gone, client_of

ANSWER = {"role": "assistant", "content": "an answer"}


def lambda_call(folder, source, state=None, **more):
    with client_of(folder, source, **more) as c:
        return c.call(c.hook("hooks.f", "lambda", {}), state=state or {})


# ---- what cannot be loaded ----


def test_a_path_that_leads_nowhere_says_how_far_it_came(folder):
    (folder / "tasks" / "mine").mkdir(parents=True)
    (folder / "tasks" / "mine" / "task_executor.py").write_text("class Judge:\n    def apply(self, state): return state\n")
    with client_of(folder, "") as c:
        assert c.load("tasks.mine.task_executor.Judge", "pre")[1]["kind"] == "class", "a namespace package"
        said = c.refused("tasks.mien.task_executor.Judge", "pre")["message"]
        assert "there is no module 'tasks.mien'" in said and sys.executable in said and str(folder) in said, said
        assert "there is no module 'nowhere'" in c.refused("nowhere.f", "pre")["message"]
        said = c.refused("tasks.mine.task_executor.Jugde", "pre")["message"]
        assert "has no 'Jugde'; did you mean 'Judge'?" in said and "task_executor.py" in said, said
        assert "is no dotted path" in c.refused("tasks/mine.py", "pre")["message"]


def test_a_package_that_is_not_installed_is_named_with_what_to_do(folder):
    with client_of(folder, "import json\nfrom sklearn_not_there import x\ndef f(node, state): pass\n") as c:
        said = c.refused("hooks.f", "lambda")
        assert f"{sys.executable} -m pip install sklearn_not_there" in said["message"] and "--python" in said["message"]
        assert "(hooks.py:2)" in said["message"] and "from sklearn_not_there import x" in said["details"], said
        assert c.refused("hooks.g", "lambda")["message"] == said["message"], "a module is not imported twice"


def test_a_module_that_fails_shows_its_own_lines(folder):
    (folder / "broken.py").write_text("x = 1\ny = (x +\n")
    with client_of(folder, "import inner\n") as c:
        (folder / "inner.py").write_text("def deep():\n    raise OSError('no disk')\ndeep()\n")
        said = c.refused("hooks.f", "lambda")
        assert said["message"] == "importing hooks fails: OSError: no disk (inner.py:2)", said
        assert "import inner" in said["details"] and "importlib" not in said["details"]
        said = c.refused("broken.f", "lambda")
        assert "SyntaxError" in said["message"] and "(broken.py:2)" in said["message"], said


def test_a_module_that_ends_the_process_is_refused(folder):
    with client_of(folder, "import sys\nsys.exit(3)\n") as c:
        assert "SystemExit: 3 (hooks.py:2)" in c.refused("hooks.f", "lambda")["message"]


def test_a_wrong_signature_is_refused_with_the_right_one(folder):
    with client_of(folder, """
        from sygra.core.graph.functions.node_processor import NodePreProcessor
        def one(state): pass
        def none(): pass
        class Three:
            def apply(self, a, b, c): pass
        class Abstract(NodePreProcessor): pass
        class Made:
            def __init__(self, x): pass
            def apply(self, state): return state
        class Empty: pass
        number = 4
        class Gen:
            def __init__(self, config): raise ValueError("no config")
        """) as c:
        for name, role, wanted in [
            ("one", "lambda", "takes (state); it is called with (node_config, state) (hooks.py:3)"),
            ("none", "post", "takes (); it is called with (response, state) or (response) (hooks.py:4)"),
            ("Three", "pre", "takes (self, a, b, c); it is called with (state)"),
            ("Abstract", "pre", "has no method apply()"),
            ("Made", "pre", "Made is made without arguments, but takes (x)"),
            ("Empty", "condition", "class Empty has no method apply()"),
            ("number", "lambda", "is a int, not a function or a class with apply()"),
            ("Gen", "generate", "cannot be made: ValueError: no config (hooks.py:14)"),
            ("one", "graph_post", "is no class with a method process(data, metadata)"),
            ("Empty", "data", "has no method transform(data, params)"),
        ]:
            said = c.refused(f"hooks.{name}", role)["message"]
            assert wanted in said, said


def test_an_object_that_does_not_like_to_be_looked_at_is_refused(folder):
    with client_of(folder, """
        class Strange:
            @property
            def __signature__(self): raise KeyError("no signature")
            def __call__(self, node, state): return {}
        strange = Strange()
        def f(node, state): return {}
        """) as c:
        said = c.refused("hooks.strange", "lambda")
        assert "hooks.strange cannot be loaded: KeyError: 'no signature' (hooks.py:4)" in said["message"], said
        assert c.call(c.hook("hooks.f", "lambda", {}), state={}).kind == "result"


# ---- what comes back wrong ----


def test_nothing_and_wrong_types_are_named(folder):
    with client_of(folder, """
        def f(node, state): return state["give"]
        def pre(state): pass
        """) as c:
        f = c.hook("hooks.f", "lambda", {})
        for give in [5, "text", [1]]:
            answer = c.call(f, state={"give": give})
            assert answer.fault == "useless" and "it must return a dict of state variables" in answer.message, answer
            assert answer.message.startswith("lambda hooks.f: it returned a ")
        answer = c.call(c.hook("hooks.pre", "pre"), state={})
        assert answer.message.startswith("pre_process hooks.pre: it returned nothing (None); it must return the state")


def test_values_that_cannot_travel_are_named_with_key_and_type(folder):
    with client_of(folder, """
        import threading
        class Local: pass
        GIVE = {
            "lock": {"a": {"b": [1, threading.Lock()]}}, "function": {"a": lambda: 1}, "nan": {"a": [float("nan")]},
            "inf": {"a": float("-inf")}, "surrogate": {"a": "\\ud800"}, "key": {"\\ud800": 1}, "number": {5: 1},
        }
        loop = {}
        loop["l"] = [loop]
        deep = []
        for _ in range(600): deep = [deep]
        endless = []
        for _ in range(100000): endless = [endless]
        GIVE.update(loop=loop, deep={"a": deep}, endless={"a": endless})
        def f(node, state): return GIVE[state["give"]]
        """) as c:
        f = c.hook("hooks.f", "lambda", {})
        for give, fault, wanted in [
            ("lock", "useless", "result['a']['b'][1] is a _thread.lock, which is neither JSON nor can be pickled"),
            ("function", "useless", "result['a'] is a builtins.function"),
            ("nan", "useless", "result['a'][0] is nan, and JSON has no such number"),
            ("inf", "useless", "result['a'] is -inf"),
            ("surrogate", "useless", "result['a'] is a text with half a surrogate pair"),
            ("key", "useless", "a key of result is a text with half a surrogate pair"),
            ("number", "useless", "result has a key that is no text: 5"),
            ("loop", "limit", "nested"),
            ("deep", "limit", "nested"),
            ("endless", "limit", "nested"),
        ]:
            answer = c.call(f, state={"give": give})
            assert answer.fault == fault and wanted in answer.message and len(answer.message) < 400, (give, answer)


def test_a_megabyte_is_too_much(folder):
    answer = lambda_call(folder, "def f(node, state): return {'a': 'x' * 2**20}\n", result_bytes=1 << 20)
    assert answer.fault == "limit" and "1048576 are allowed" in answer.message, answer


def test_input_that_is_no_json_is_the_callers_fault(folder):
    with client_of(folder, "def f(node, state): return {}\n") as c:
        f = c.hook("hooks.f", "lambda", {})
        for state, fault in [(b"{", "request"), (b"[]", "request"), (b"{} {}", "request"), (b'{"a":"\xff"}', "request"),
                             (b'{"a":' + b"[" * 99999 + b"]" * 99999 + b"}", "limit")]:
            assert c.call(f, state=state).fault == fault, state[:20]
        assert c.call(77, state={}).fault == "request"
        assert c.call(f, state={}).kind == "result"


# ---- what raises ----


def test_an_error_shows_the_users_own_lines(folder):
    answer = lambda_call(folder, """
        import json
        def f(node, state):
            try:
                return inner(state)
            except KeyError as e:
                raise ValueError("bad\\nrecord") from e
        def inner(state):
            return json.loads(state["missing"])
        """)
    assert answer.fault == "raised" and answer.message == "ValueError: bad record (hooks.py:7)", answer
    assert 'json.loads(state["missing"])' in answer.details and "KeyError: 'missing'" in answer.details
    assert "sygra/host" not in answer.details, answer.details


def test_an_error_inside_a_library_is_placed_at_the_users_call(folder):
    answer = lambda_call(folder, "import json\ndef f(node, state): return json.loads('{')\n")
    assert answer.message.startswith("json.decoder.JSONDecodeError: ") and answer.message.endswith("(hooks.py:2)"), answer


def test_whatever_is_raised_fails_its_call_only(folder):
    with client_of(folder, """
        import sys
        class Mute(Exception):
            def __str__(self): raise RuntimeError
        def f(node, state):
            what = state["raise"]
            if what == "exit": sys.exit(3)
            if what == "interrupt": raise KeyboardInterrupt
            if what == "generator": raise GeneratorExit
            if what == "mute": raise Mute
            if what == "long": raise ValueError("x" * 10**6)
            if what == "recursion": return f(node, state)
            if what == "memory": return {"a": "x" * 2**60}
        async def g(node, state): f(node, state)
        """) as c:
        for hook in [c.hook("hooks.f", "lambda", {}), c.hook("hooks.g", "lambda", {})]:
            for what, wanted in [("exit", "SystemExit: 3 (hooks.py:7)"), ("interrupt", "KeyboardInterrupt (hooks.py:8)"),
                                 ("generator", "GeneratorExit"), ("mute", "its text cannot be had"), ("long", "xxx…"),
                                 ("recursion", "RecursionError"), ("memory", "MemoryError")]:
                answer = c.call(hook, state={"raise": what})
                assert answer.fault == "raised" and wanted in answer.message and len(answer.message) < 3000, answer
                assert len(answer.details) < 5000
            assert c.call(hook, state={"raise": ""}).kind == "result"


# ---- what ends the process ----


def guilty_of(folder, source):
    """Has a harmless call done, then begins the bad one; whether the work page blames that only. (The engine looks there
    for calls that it waits for: one that is answered may be taken out a moment later.)"""
    with client_of(folder, source) as c:
        bad, good = c.hook("hooks.bad", "lambda", {}), c.hook("hooks.good", "lambda", {})
        done = c.begin(good, state={})
        assert c.answer_of(done).kind == "result"
        number = c.begin(bad, state={})
        try:
            c.answer_of(number)
        except Gone as gone:
            return c.at_work() - {done} == {number}, gone.args[0], c.last_words()
        raise AssertionError("it lives")


def test_an_exit_leaves_the_guilty_call_in_the_work_page(folder):
    blamed, status, _ = guilty_of(folder, """
        import os
        def bad(node, state): os._exit(7)
        def good(node, state): return {}
        """)
    assert blamed and status == 7


def test_a_crash_leaves_its_last_words(folder):
    blamed, status, words = guilty_of(folder, """
        import ctypes
        def bad(node, state): ctypes.string_at(0)
        def good(node, state): return {}
        """)
    assert blamed and status == -11, status
    assert "Segmentation fault" in words and "hooks.py" in words and "in bad" in words, words


def test_an_exit_within_a_task_blames_all_that_are_at_work(folder):
    with client_of(folder, """
        import asyncio, os
        async def waits(node, state): await asyncio.sleep(60)
        async def bad(node, state): os._exit(1)
        """) as c:
        waits, bad = c.hook("hooks.waits", "lambda", {}), c.hook("hooks.bad", "lambda", {})
        waiting = [c.begin(waits, state={}) for _ in range(3)]
        while c.at_work() != set(waiting):
            pass
        number = c.begin(bad, state={})
        try:
            c.answer_of(number)
            raise AssertionError("it lives")
        except Gone:
            assert c.at_work() == {*waiting, number}


def test_a_fork_that_comes_back_ends_without_a_word(folder):
    with client_of(folder, """
        import ctypes, multiprocessing, os, subprocess, sys
        def f(node, state):
            pid = os.fork()
            if pid == 0:
                print("from the child")
                return {"child": True}
            return {"status": os.waitpid(pid, 0)[1]}
        def crashes(node, state):
            pid = os.fork()
            if pid == 0: ctypes.string_at(0)
            return {"status": os.waitpid(pid, 0)[1]}
        def square(x): return x * x
        def pool(node, state):
            with multiprocessing.get_context("fork").Pool(2) as p: return {"squares": p.map(square, range(4))}
        def child(node, state):
            return {"out": subprocess.run([sys.executable, "-c", "import os; print(os.path.exists('/proc/self/fd/3'))"],
                                          capture_output=True, text=True, close_fds=False).stdout}
        """) as c:
        f = c.hook("hooks.f", "lambda", {})
        for _ in range(3):
            assert c.call(f, state={}).outputs == [{"status": 0}]
        [crash] = c.call(c.hook("hooks.crashes", "lambda", {}), state={}).outputs
        assert crash["status"] & 127 == 11 and not c.last_words(), "a child's crash is its own"
        assert c.call(c.hook("hooks.pool", "lambda", {}), state={}).outputs == [{"squares": [0, 1, 4, 9]}]
        assert c.call(c.hook("hooks.child", "lambda", {}), state={}).outputs == [{"out": "False\n"}], "it inherits 3"
        assert (0, "from the child") in c.prints, c.prints


def test_a_host_of_another_version_says_so_and_ends(folder):
    try:
        client_of(folder, "", sygra_hooks=1)
        raise AssertionError("it answers")
    except Gone as gone:
        assert gone.args[0] == 0


def test_frames_that_make_no_sense_end_the_host(folder):
    for payload in [b"C" + b"short", b"L{"]:
        with client_of(folder, "") as c:
            c.send(payload[:1], payload[1:])
            try:
                c.next_answer()
                raise AssertionError("it answers")
            except Gone:
                assert "makes no sense" in c.prints[-1][1], c.prints


def test_a_shadowing_file_in_the_working_directory_does_no_harm(folder):
    for name in ["random", "types", "json", "sygra", "struct"]:
        (folder / f"{name}.py").write_text("raise SystemExit('shadow')\n")
    assert lambda_call(folder, "from sygra.utils import constants\ndef f(node, state): return {}\n").outputs == [{}]
