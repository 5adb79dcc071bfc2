# SPDX-License-Identifier: Apache-2.0
"""Python hooks in nodes and edges: what they see, what they give, what they change, and what is left when something dies."""
import json
import signal
import sqlite3
import time

from chat import Listener
from lib import Task
from resume import fsck, living, resume, sygra, wait_for

SLOW = 0.3  # seconds that a hook takes which is to be found at work


def task(folder, code, nodes, edges, rows, output=None, url="http://127.0.0.1:9/v1", **more):
    graph = {"data_config": {"source": {"type": "disk", "file_path": "data.jsonl"}},
             "graph_config": {"nodes": nodes, "edges": edges}, **more}
    if output:
        graph["output_config"] = {"output_map": {key: {"from": key} for key in output}}
    t = Task(folder, json.dumps(graph), url=url, rows=rows)
    t.write("code_of.py", code)
    return t


def lam(name, *keys, **more):
    return {"node_type": "lambda", "lambda": f"code_of.{name}", "output_keys": list(keys), **more}


def chain(*names):
    way = ["START", *names, "END"]
    return [{"from": a, "to": b} for a, b in zip(way, way[1:])]


def log_of(folder, name="output"):
    return [json.loads(line) for line in (folder / f"{name}.run" / "log.jsonl").read_text().splitlines()]


LLM = '''
    class Pre:
        def apply(self, state):
            state["extra"] = "seen " + state["q"]
            return state

    class Post:
        def apply(self, response, state):
            return {"answer": response.message.content, "saw": [state["extra"], sorted(state)]}

    def post(response):
        return {"answer": response.content.upper()}
    '''


def test_a_pre_process_shows_keys_to_prompt_and_post_process_that_nobody_declared(folder):
    peer = Listener()
    node = {"node_type": "llm", "model": {"name": "m"}, "prompt": [{"user": "{extra}!"}], "output_keys": ["answer", "saw"],
            "pre_process": "code_of.Pre", "post_process": "code_of.Post"}
    t = task(folder, LLM, {"q": node}, chain("q"), [{"id": 1, "q": "tea"}], ["answer", "saw", "extra"], url=peer.url)
    (record,) = t.run().expect(0).records()
    assert peer.bodies[0]["messages"] == [{"role": "user", "content": "seen tea!"}]
    assert record == {"answer": "reply 1", "saw": ["seen tea", ["__chat_history__", "extra", "id", "messages", "q"]], "extra": None}


def test_a_function_of_one_argument_gets_the_response_alone(folder):
    node = {"node_type": "llm", "model": {"name": "m"}, "prompt": [{"user": "hi"}], "output_keys": ["answer"], "post_process": "code_of.post"}
    t = task(folder, LLM, {"q": node}, chain("q"), [{"id": 1, "q": "tea"}], ["answer"], url=Listener().url)
    assert t.run().expect(0).records() == [{"answer": "REPLY 1"}]


CHANGES = '''
    def whole(config, state):
        state["n"].append("whole")
        return state

    def left(config, state):
        state["n"].append("left")
        return {"left": list(state["n"])}

    def right(config, state):
        return {"right": list(state["n"]), "exact": state["exact"]}

    def choose(state):
        state["n"].append("choose")
        return ["left", "right"]

    def again(state):
        return len(state["n"]) < 2
    '''


def test_what_hooks_change_in_place_stays_and_what_they_return_untouched_keeps_its_digits(folder):
    nodes = {"whole": lam("whole"), "left": lam("left", "left"), "right": lam("right", "right", "exact")}
    edges = [{"from": "START", "to": "whole"},
             {"from": "whole", "condition": "code_of.choose", "path_map": {"left": "left", "right": "right"}},
             {"from": ["left", "right"], "to": "END"}]
    t = task(folder, CHANGES, nodes, edges, None, ["n", "left", "right", "exact", "big"])
    t.write("data.jsonl", '{"id": 1, "n": [], "exact": 1.10, "big": 123456789012345678901234567890.50}\n')
    t.run().expect(0)
    text = (folder / "output.json").read_text()
    record = json.loads(text)[0]
    assert '"exact": 1.10,' in text and "123456789012345678901234567890.50" in text, text
    assert record["left"] == ["whole", "choose", "left"] and record["right"] == ["whole", "choose"], record
    assert record["n"] == ["whole", "choose", "left"], record


def test_two_that_return_the_whole_state_are_a_conflict_and_two_that_change_it_are_none(folder):
    code = '''
        def a(config, state):
            state["n"]["a"] = 1
            return {"a": 1}
        def b(config, state):
            state["m"].append(1)
            return {"b": 1}
        def c(config, state):
            return state
        '''
    fan = [{"from": "START", "to": ["a", "b"]}, {"from": ["a", "b"], "to": "END"}]
    rows = [{"id": 1, "n": {}, "m": []}]
    t = task(folder / "fine", code, {"a": lam("a", "a"), "b": lam("b", "b")}, fan, rows, ["a", "b", "n", "m"])
    assert t.run().expect(0).records() == [{"a": 1, "b": 1, "n": {"a": 1}, "m": [1]}]
    t = task(folder / "not", code, {"a": lam("c"), "b": lam("c")}, fan, rows)
    (failed,) = t.run().expect(3).failed()
    assert failed["error"] == "conflict", failed


def test_what_one_node_changes_in_place_outlives_a_whole_state_beside_it(folder):
    code = '''
        def a(config, state):
            state["n"].append("a")
            return {"a": 1}
        def whole(config, state):
            return state
        def other(config, state):
            return {**state, "n": ["other"]}
        '''
    fan, rows = [{"from": "START", "to": ["a", "b"]}, {"from": ["a", "b"], "to": "END"}], [{"id": 1, "n": []}]
    for beside, n in (("whole", ["a"]), ("other", ["other"])):
        t = task(folder / beside, code, {"a": lam("a", "a"), "b": lam(beside)}, fan, rows, ["a", "n"])
        assert t.run().expect(0).records() == [{"a": 1, "n": n}]


def test_messages_are_objects_and_the_whole_state_does_not_double_them(folder):
    code = '''
        from langchain_core.messages import AIMessage, HumanMessage

        def begin(config, state):
            return {"messages": [HumanMessage(content="hello")], "kept": AIMessage(content="aside")}

        def swap(config, state):
            assert state["messages"][0].type == "human" and state["kept"].content == "aside"
            state["messages"].append(HumanMessage("in place"))

        def whole(config, state):
            return {**state, "types": [m.type for m in state["messages"]]}
        '''
    nodes = {"begin": lam("begin", "kept"), "swap": lam("swap"), "whole": lam("whole", "types"),
             "q": {"node_type": "llm", "model": {"name": "m"}, "prompt": [{"system": "you"}]}}
    peer = Listener()
    t = task(folder, code, nodes, chain("begin", "swap", "q", "whole"), [{"id": 1}], ["messages", "types", "kept"], url=peer.url)
    (record,) = t.run().expect(0).records()
    two = [{"role": "user", "content": "hello"}, {"role": "user", "content": "in place"}]
    assert peer.bodies[0]["messages"] == [{"role": "system", "content": "you"}, *two]
    assert record["messages"] == [*two, {"role": "assistant", "content": "reply 1", "name": "q"}]
    assert record["types"] == ["human", "human", "ai"] and record["kept"] == {"role": "assistant", "content": "aside"}


def test_conditions_answer_with_texts_truths_and_nothing(folder):
    code = '''
        def cond(state):
            return {"t": True, "f": False, "n": None, "e": "__end__", "l": ["True", "None"], "x": "elsewhere"}[state["k"]]
        def mark(config, state):
            return {config["key"]: 1}
        '''
    nodes = {k: lam("mark", k, key=k) for k in ("yes", "no", "none")}
    edges = [{"from": "START", "condition": "code_of.cond",
              "path_map": {"True": "yes", "False": "no", "None": "none", "END": "END"}}, {"from": ["yes"], "to": "END"}]
    t = task(folder, code, nodes, edges, [{"id": i, "k": k} for i, k in enumerate("tfnelx")], ["id", "yes", "no", "none"])
    done = t.run().expect(3)
    assert [(r["yes"], r["no"], r["none"]) for r in done.records()] == [
        (1, None, None), (None, 1, None), (None, None, 1), (None, None, None), (1, None, 1)]
    assert "`elsewhere`, which is not in its path_map" in done.failed()[0]["message"]


def test_values_that_no_json_is_go_through_the_state_and_are_shown_plainly(folder):
    code = '''
        import datetime

        class Thing:
            def __init__(self, n):
                self.n = n
            def __str__(self):
                return f"thing {self.n}"

        def make(config, state):
            return {"day": datetime.date(2020, 1, 2), "thing": Thing(state["id"]), "deep": [{"set": {3, 1}}]}

        def look(config, state):
            return {"seen": [state["thing"].n, state["day"].year, type(state["deep"][0]["set"]).__name__]}
        '''
    nodes = {"make": lam("make", "day", "thing", "deep"), "look": lam("look", "seen"),
             "q": {"node_type": "llm", "model": {"name": "m"}, "prompt": [{"user": "{day} {thing}"}], "output_keys": "out"}}
    peer = Listener()
    t = task(folder, code, nodes, chain("make", "q", "look"), [{"id": 1}], ["day", "deep", "seen"], url=peer.url)
    assert t.run().expect(0).records() == [{"day": "2020-01-02", "deep": [{"set": [1, 3]}], "seen": [1, 2020, "set"]}]
    assert peer.bodies[0]["messages"][0]["content"] == "2020-01-02 thing 1"
    graph = json.loads((folder / "graph_config.yaml").read_text())
    graph["output_config"]["output_map"]["thing"] = {"from": "thing"}
    t.write("graph_config.yaml", json.dumps(graph))
    (failed,) = t.run("--run_name", "b").expect(3).records("b_output_failed")
    assert "`thing`" in failed["message"] and "code_of.Thing" in failed["message"], failed


def test_random_numbers_depend_on_the_record_and_not_on_the_order(folder):
    code = '''
        import random
        def draw(config, state):
            return {"r": random.random(), "s": random.randint(0, 10**9)}
        '''
    t = task(folder, code, {"a": lam("draw", "r", "s")}, chain("a"), [{"id": i} for i in range(30)], ["id", "r", "s"])
    one = t.run("--run_name", "one", "-b", 1, "-n", 0).expect(0).records("one_output")
    many = t.run("--run_name", "many", "-b", 30, "-n", 0).expect(0).records("many_output")
    assert one == many and len({r["r"] for r in one}) == 30


def test_an_error_is_told_at_node_and_record_and_its_traceback_once(folder):
    code = '''
        def deep(state):
            raise ValueError(f"row {state['id']} is\\nno good")

        def boom(config, state):
            print("about to", state["id"])
            return deep(state)
        '''
    t = task(folder, code, {"a": lam("boom")}, chain("a"), [{"id": i} for i in range(5)])
    done = t.run("-n", 0).expect(3)
    failed = done.failed()
    assert [f["node"] for f in failed] == ["a"] * 5 and [f["error"] for f in failed] == ["hook"] * 5
    assert all(f["message"].startswith(f"python: ValueError: row {f['position']} is") and "\n" not in f["message"] for f in failed), failed
    assert "code_of.py:3" in failed[0]["message"], failed[0]
    traces = [e for e in log_of(folder) if e["event"] == "hook_trace"]
    assert len(traces) == 1 and "return deep(state)" in traces[0]["trace"], traces
    prints = {(e["record"], e["node"], e["text"]) for e in log_of(folder) if e["event"] == "hook_print"}
    assert prints == {(i, "a", f"about to {i}") for i in range(5)}, prints


def test_models_of_an_ensemble_are_put_together_by_python(folder):
    code = '''
        def pre(state):
            state["log"].append("pre")
            return state

        class Both:
            def apply(self, outputs):
                return {"both": sorted(outputs), "texts": [o["out"] for o in outputs.values()]}
        '''
    node = {"node_type": "multi_llm", "models": {"x": {"name": "m"}, "y": {"name": "m"}}, "prompt": [{"user": "hi"}], "output_keys": "out",
            "pre_process": "code_of.pre", "multi_llm_post_process": "code_of.Both"}
    peer = Listener(lambda body: "same")
    t = task(folder, code, {"q": node, "end": lam("end", "both")}, chain("q"), [{"id": 1, "log": []}], ["both", "texts", "log"], url=peer.url)
    t.write("code_of.py", code + "\n        def end(config, state):\n            return {}\n")
    assert t.run().expect(0).records() == [{"both": ["x", "y"], "texts": ["same", "same"], "log": ["pre"]}]


def test_a_tool_in_python_is_described_in_the_request(folder):
    code = '''
        from langchain_core.tools import tool

        @tool
        def search(query: str, limit: int = 3) -> str:
            """Looks things up."""
            return ""

        def post(response, state):
            return {"names": [c["function"]["name"] for c in state["tool_calls"]]}
        '''
    node = {"node_type": "llm", "model": {"name": "m"}, "prompt": [{"user": "hi"}], "output_keys": ["names"], "post_process": "code_of.post",
            "tools": ["code_of.search", "nodot"]}
    peer = Listener()
    t = task(folder, code, {"q": node}, chain("q"), [{"id": 1}], ["names"], url=peer.url)
    done = t.run().expect(0)
    (offered,) = peer.bodies[0]["tools"]
    assert offered["type"] == "function" and offered["function"]["name"] == "search", offered
    assert offered["function"]["description"] == "Looks things up." and "query" in offered["function"]["parameters"]["properties"]
    assert "nodot" in done.err and done.records() == [{"names": []}]


def test_what_is_no_tool_is_an_error_at_its_place(folder):
    node = {"node_type": "llm", "model": {"name": "m"}, "prompt": [{"user": "hi"}], "tools": ["code_of.number"]}
    t = task(folder, "number = 7\n", {"q": node}, chain("q"), [{"id": 1}])
    done = t.check("--hooks").expect(1)
    assert "[graph_config.nodes.q.tools[0]]" in done.err, done.err


EFFECTS = '''
    import time

    def step(config, state):
        state["trail"].append(config["mark"])
        time.sleep(0.01)
        own = {config["mark"]: len(state["trail"])}
        return {**state, **own} if config["mark"] == "a" else own

    def more(state):
        state["trail"].append("?")
        return "again" if len(state["trail"]) < 12 else "done"
    '''


def effects_task(folder, rows):
    nodes = {m: lam("step", m, mark=m) for m in "abc"}
    edges = [{"from": "START", "to": "a"}, {"from": "a", "to": ["b", "c"]},
             {"from": "c", "condition": "code_of.more", "path_map": {"again": "a", "done": "END"}}, {"from": "b", "to": "END"}]
    return task(folder, EFFECTS, nodes, edges, [{"id": i, "trail": []} for i in range(rows)], ["id", "trail", "a", "c"])


def test_a_killed_run_goes_on_as_if_nothing_had_been(folder):
    want = effects_task(folder / "whole", 60).run("-n", 0).expect(0).records()
    effects_task(folder / "killed", 60)
    with living(folder / "killed", "-n", 0) as p:
        wait_for(lambda: steps_of(folder / "killed") > 40, "no steps")
        p.send_signal(signal.SIGKILL)
        p.wait()
    resume(folder / "killed").expect(0)
    got = json.loads((folder / "killed" / "output.json").read_text())
    assert got == want
    fsck(folder / "killed").expect(0)


def steps_of(folder, table="steps", where=""):
    try:
        with sqlite3.connect(f"file:{folder / 'output.run' / 'run.db'}?mode=ro", uri=True, timeout=5) as db:
            return db.execute(f"SELECT count(*) FROM {table} {where}").fetchone()[0]
    except sqlite3.Error:
        return 0


ONCE = '''
    import os
    import time

    def pay(config, state):
        with open(os.path.join(config["folder"], f"paid-{state['id']}"), "a") as f:
            f.write("paid\\n")
        if config["dies"] and state["id"] == 1:
            os._exit(3)
        time.sleep(config["sleep"])
        return {"paid": True}

    def after(config, state):
        time.sleep(config["sleep"])
        return {"after": state["paid"]}
    '''


def once_task(folder, rows, sleep=0.0, dies=False):
    own = {"folder": str(folder), "dies": dies, "sleep": sleep}
    nodes = {"pay": lam("pay", "paid", once=True, **own), "after": lam("after", "after", **own)}
    return task(folder, ONCE, nodes, chain("pay", "after"), [{"id": i} for i in range(rows)], ["id", "after"])


def paid(folder):
    return {int(p.name.split("-")[1]): len(p.read_text().split()) for p in folder.glob("paid-*")}


def test_a_hook_of_once_is_not_run_again_when_its_host_dies(folder):
    failed = once_task(folder, 5, dies=True).run("-n", 0, "-b", 1).expect(3).failed()
    assert [(f["position"], f["node"]) for f in failed] == [(1, "pay")], failed
    assert paid(folder) == {i: 1 for i in range(5)}


def test_a_hook_of_once_is_not_run_again_when_the_run_dies(folder):
    once_task(folder, 40, sleep=SLOW)
    with living(folder, "-n", 0, "-b", 8) as p:
        wait_for(lambda: steps_of(folder, "calls", "WHERE sub = 1 AND state = 4") >= 12, "no results of hooks")
        wait_for(lambda: steps_of(folder, "calls", "WHERE sub = 1 AND state = 0") >= 1, "no intents")
        p.send_signal(signal.SIGKILL)
        p.wait()
    time.sleep(2 * SLOW)  # hosts that end with the engine may still be at work
    begun = paid(folder)
    doubt = steps_of(folder, "calls", "WHERE sub = 1 AND state = 0")
    done = resume(folder).expect(3)
    failed = done.records("output_failed")
    assert 1 <= len(failed) == doubt and all("may have run" in f["message"] and f["node"] == "pay" for f in failed), (failed, doubt)
    assert {k: n for k, n in paid(folder).items() if n > 1} == {}, paid(folder)
    assert set(begun) <= set(paid(folder))
    assert len(done.records()) + len(failed) == 40
    fsck(folder).expect(0)
    sygra("retry", folder / "output.run", folder=folder).expect(0)
    assert len(json.loads((folder / "output.json").read_text())) == 40
    twice = {f["position"] for f in failed}
    assert all(n == 1 for k, n in paid(folder).items() if k not in twice)


ONCE_FOR_ALL = '''
    import pathlib
    import time

    def post(response):
        return {"answer": response.content}

    def combine(outputs):
        mark = pathlib.Path(__file__).with_name("combined")
        mark.write_text(mark.read_text() + "x" if mark.exists() else "x")
        time.sleep(60)
    '''


def test_a_hook_of_once_of_an_ensemble_is_not_taken_for_that_of_its_first_model(folder):
    node = {"node_type": "multi_llm", "models": {"one": {"name": "m"}, "two": {"name": "m"}}, "prompt": [{"user": "hi"}],
            "output_keys": ["answer"], "once": True, "post_process": "code_of.post", "multi_llm_post_process": "code_of.combine"}
    task(folder, ONCE_FOR_ALL, {"q": node}, chain("q"), [{"id": 1}], ["answer"], url=Listener().url)
    with living(folder, "-n", 0) as p:
        wait_for((folder / "combined").exists, "the models' replies are not put together")
        p.send_signal(signal.SIGKILL)
        p.wait()
    (failed,) = resume(folder).expect(3).records("output_failed")
    assert "code_of.combine may have run" in failed["message"], failed
    assert (folder / "combined").read_text() == "x"


def test_why_shows_what_a_hook_of_once_gave_and_does_not_run_it(folder):
    once_task(folder, 3).run("-n", 0).expect(0)
    told = json.loads(sygra("why", f"{folder}/output.json:2", "--json", folder=folder).expect(0).out)
    assert "pay" in json.dumps(told) and paid(folder) == {i: 1 for i in range(3)}, told


def test_records_and_reports_count_no_hook_as_a_call(folder):
    once_task(folder, 3).run("-n", 0).expect(0)
    (record,) = json.loads("[%s]" % sygra("records", folder / "output.run", "--position", 0, "--json").expect(0).out)
    assert record["outcome"] == "ok" and record["calls"] == [], record
    counts = json.loads(sygra("sql", folder / "output.run", "SELECT calls_answered, calls_failed FROM progress WHERE id = 1",
                                 "--json").expect(0).out)
    assert set(counts.values()) == {0}, counts


def test_a_changed_file_is_named_with_what_it_concerns(folder):
    nodes = {"first": lam("first", "x"), "then": {**lam("", "y"), "lambda": "other_code.then"}}
    t = task(folder, "def first(config, state): return {'x': 1}", nodes, chain("first", "then"), [{"id": 1}], ["x", "y"])
    t.write("other_code.py", "def then(config, state): return {'y': 1}")
    t.run("-n", 0).expect(0)
    t.write("other_code.py", "def then(config, state): return {'y': 2}")
    again = resume(folder, "--accept-changes").expect(0)
    told = [line.strip() for line in again.err.splitlines() if line.startswith("  ")]
    assert "/other_code.py`: " in told[0] and told[1] == "changed `then`: what it writes", told
    assert "code_of.py" not in again.err and again.records() == [{"x": 1, "y": 2}]
