# SPDX-License-Identifier: Apache-2.0
"""Who runs when: calls side by side, cancels, answers that leave in time, randomness, what a host keeps."""
import json
import os
import random
import socket
import struct
import sys
import threading
import time

from client import PATIENCE, PACKAGE, Client, client_of, until

sys.path.insert(0, PACKAGE)  # one test serves in this process


def test_hooks_that_wait_run_side_by_side(folder):
    with client_of(folder, """
        import asyncio, threading
        barrier = threading.Barrier(64)
        def f(node, state): barrier.wait(30)
        waiting = []
        async def g(node, state):
            waiting.append(1)
            while len(waiting) < 64: await asyncio.sleep(0.01)
        """) as c:
        for name in "fg":
            hook = c.hook(f"hooks.{name}", "lambda", {})
            begun = [c.begin(hook, state={}) for _ in range(64)]
            assert all(c.answer_of(n).outputs == [None] for n in begun), name


def test_hooks_that_wait_a_little_are_soon_known_and_run_side_by_side(folder):
    with client_of(folder, """
        import threading, time
        lock, at_work, peak = threading.Lock(), 0, 0
        def f(node, state):
            global at_work, peak
            with lock:
                at_work += 1
                peak = max(peak, at_work)
            time.sleep(0.004)
            with lock:
                at_work -= 1
            return {"peak": peak}
        """) as c:
        f = c.hook("hooks.f", "lambda", {})

        def peak_of_a_batch():
            begun = [c.begin(f, state={}) for _ in range(64)]
            return max(c.answer_of(n).outputs[0]["peak"] for n in begun)

        until(lambda: peak_of_a_batch() >= 16)


def test_a_quick_call_passes_one_that_waits(folder):
    with client_of(folder, """
        import threading
        gate = threading.Event()
        def waits(node, state): gate.wait(60)
        def opens(node, state): gate.set()
        """) as c:
        waits, opens = c.hook("hooks.waits", "lambda", {}), c.hook("hooks.opens", "lambda", {})
        begun = [c.begin(waits, state={}) for _ in range(5)] + [c.begin(opens, state={})]
        assert all(c.answer_of(n).kind == "result" for n in begun)


def test_answers_leave_before_a_call_that_hangs(folder):
    with client_of(folder, """
        import time
        def f(node, state): print("seen"); return {"n": 1}
        def hangs(node, state): print("hanging"); time.sleep(600)
        def spins(node, state):
            while True: pass
        """) as c:
        f, hangs, spins = (c.hook(f"hooks.{n}", "lambda", {}) for n in ["f", "hangs", "spins"])
        for bad in (hangs, spins):
            calls = [(f, 1000 + bad), (f, 2000 + bad), (bad, 3000 + bad), (f, 4000 + bad)]
            frames = [c.call_payload(number, hook, None, b"{}", 0) for hook, number in calls]
            c.sock.sendall(b"".join(struct.pack("<I", 1 + len(p)) + b"C" + p for p in frames))  # one batch
            for _, number in [calls[0], calls[1], calls[3]]:
                assert c.answer_of(number).outputs == [{"n": 1}]
            assert 3000 + bad in c.at_work()
        until(lambda: (3000 + hangs, "hanging") in c.prints or c.call(f, state={}) is None)


def test_cancel_of_what_has_not_begun_and_of_what_waits(folder):
    with client_of(folder, """
        import asyncio, threading
        gate = threading.Event()
        ended = []
        class Serial:
            def transform(self, data, params): gate.wait(30); return data
        async def sleeps(node, state):
            try: await asyncio.sleep(600)
            finally: ended.append(1)
        def counts(node, state):
            gate.set()
            return {"ended": len(ended)}
        """) as c:
        serial = c.hook("hooks.Serial", "data")
        sleeps, counts = c.hook("hooks.sleeps", "lambda", {}), c.hook("hooks.counts", "lambda", {})
        first = c.begin(serial, {"do": "each", "rows": [{}]})
        behind = c.begin(serial, {"do": "each", "rows": [{}]})
        asleep = c.begin(sleeps, state={})
        until(lambda: {first, asleep} <= c.at_work())
        for number in [behind, asleep, 99999]:
            c.cancel(number)
        assert c.answer_of(behind).fault == "canceled" and c.answer_of(asleep).fault == "canceled"
        assert c.call(counts, state={}).outputs == [{"ended": 1}]
        assert c.answer_of(first).outputs == [[{}]]
        until(lambda: not c.at_work())


def test_cancel_reaches_what_was_sent_in_one_batch_with_it(folder):
    with client_of(folder, """
        import time
        def f(node, state): time.sleep(0.02)
        """) as c:
        f = c.hook("hooks.f", "lambda", {})
        frames = [b"C" + c.call_payload(n, f, None, b"{}", 0) for n in (1, 2, 3)] + [b"X" + struct.pack("<Q", 3)]
        c.sock.sendall(b"".join(struct.pack("<I", len(p)) + p for p in frames))
        assert [c.answer_of(n).fault for n in (1, 2, 3)] == [None, None, "canceled"]


def test_random_depends_on_the_calls_seed_only(folder):
    source = """
        import random
        from random import choice
        import random as r, time
        start = random.random()
        def f(node, state):
            time.sleep(state.get("sleep", 0))
            drawn = [random.random(), choice(range(1000)), r.gauss(0, 1), random.sample(range(99), 5)]
            return {"x": [start, drawn, random.uniform(1, 2)]}
        def seeded(node, state):
            random.seed(5)
            return {"x": [random.random(), random.Random(5).random()]}
        async def g(node, state): return f(node, state)
        """
    seen = []
    for _ in range(2):
        with client_of(folder, source, seed=42) as c:
            f, g = c.hook("hooks.f", "lambda", {}), c.hook("hooks.g", "lambda", {})
            a, b = c.begin(f, state={"sleep": 0.05}, seed=7), c.begin(f, state={}, seed=8)
            values = [c.answer_of(a).outputs, c.answer_of(b).outputs]
            assert c.call(f, state={}, seed=7).outputs == values[0] != values[1]
            assert c.call(g, state={}, seed=7).outputs == values[0]
            [x] = c.call(c.hook("hooks.seeded", "lambda", {}), state={}, seed=3).outputs
            assert x["x"][0] == x["x"][1]
            seen.append(values)
    assert seen[0] == seen[1]


OPAQUE = """
    import dataclasses, datetime, decimal, enum, os
    class Point:
        def __init__(self, x): self.x = x
        def __str__(self): return f"Point {self.x}"
    class Color(enum.Enum): RED = "red"
    class Size(str, enum.Enum): BIG = "big"
    @dataclasses.dataclass
    class Pair:
        a: int
        b: list
    def makes(node, state):
        return {"p": Point(3), "when": datetime.datetime(2024, 1, 2, 3), "set": {3, 1, 2}, "ints": {1: "a"}, "bytes": b"ab",
                "color": Color.RED, "size": Size.BIG, "pair": Pair(1, [2]), "deep": [{"p": Point(4)}], "tuple": (1, 2)}
    def opens(node, state):
        assert state["p"].x == 3 and state["set"] == {1, 2, 3} and state["ints"] == {1: "a"} and state["bytes"] == b"ab"
        assert state["when"].year == 2024 and state["color"] is Color.RED and state["pair"] == Pair(1, [2])
        assert state["deep"][0]["p"].x == 4 and state["tuple"] == [1, 2] and state["size"] == "big"
        state["p"].x = 5
        return dict(state)
    class Evil:
        def __reduce__(self): return (os.mkdir, ("pwned",))
    def evil(node, state): return {"p": Evil()}
    def reads(node, state): return {"t": type(state["p"]).__name__}
    """


def test_values_that_are_no_json_come_back_in_another_host(folder):
    key = str(folder / "keys" / "host.key")
    with client_of(folder, OPAQUE, key=key) as c:
        [made] = c.call(c.hook("hooks.makes", "lambda", {}), state={}).outputs
        assert os.stat(key).st_mode & 0o777 == 0o600
    shown = {name: made[name].get("json") for name in ["p", "when", "set", "ints", "bytes", "color", "pair"]}
    assert shown == {"p": None, "when": "2024-01-02T03:00:00", "set": [1, 2, 3], "ints": {"1": "a"}, "bytes": None,
                     "color": "red", "pair": {"a": 1, "b": [2]}}
    assert made["p"]["type"] == "hooks.Point" and made["p"]["text"] == "Point 3" and made["size"] == "big"
    with client_of(folder, OPAQUE, key=key) as c:
        answer = c.call(c.hook("hooks.opens", "lambda", {}), state=made)
        assert answer.kind == "result", answer
        assert list(answer.outputs[0]) == ["p"], "only the point was changed"
        assert set(answer.effects["kept"]) == set(made) - {"p"}


def test_a_host_opens_what_this_users_hosts_have_signed_and_nothing_else(folder):
    with client_of(folder, OPAQUE, key=str(folder / "a.key")) as c:
        [evil] = c.call(c.hook("hooks.evil", "lambda", {}), state={}).outputs
        [made] = c.call(c.hook("hooks.makes", "lambda", {}), state={}).outputs
    with client_of(folder, OPAQUE, key=str(folder / "b.key")) as c:
        reads = c.hook("hooks.reads", "lambda", {})
        answer = c.call(reads, state=evil)
        assert "state['p'] is a hooks.Evil that has been pickled, but not by a host of this user" in answer.message, answer
        assert not (folder / "pwned").exists()
    forged = {"p": dict(made["p"], pickle=evil["p"]["pickle"])}
    with client_of(folder, OPAQUE, key=str(folder / "a.key")) as c:
        assert c.call(c.hook("hooks.reads", "lambda", {}), state=forged).fault == "raised"
        assert not (folder / "pwned").exists()
    with client_of(folder, OPAQUE, key=str(folder / "b.key"), trust=True) as c:
        assert c.call(c.hook("hooks.reads", "lambda", {}), state=made).outputs == [{"t": "Point"}]
    renamed = OPAQUE.replace("class Point", "class Punkt").replace("Point(", "Punkt(")
    with client_of(folder, renamed, key=str(folder / "a.key")) as c:
        answer = c.call(c.hook("hooks.reads", "lambda", {}), state=made)
        assert "cannot be opened here" in answer.message and "the file of its class has changed since" in answer.message, answer


def test_a_hook_that_another_host_has_loaded_is_loaded_by_its_first_call(folder):
    with client_of(folder, """
        print("loaded")
        def f(node, state): return {"n": 1}
        async def g(node, state): return {"n": 2}
        """) as c:
        f, said = c.load("hooks.f", "lambda", {}, again=True)
        g, _ = c.load("hooks.g", "lambda", {}, again=True)
        bad, _ = c.load("hooks.nothing", "lambda", {}, again=True)
        assert said == {} and not c.prints
        begun = [c.begin(hook, state={}) for hook in [f, g] * 5]
        assert [c.answer_of(n).outputs[0]["n"] for n in begun] == [1, 2] * 5
        assert [t for _, t in c.prints] == ["loaded"]
        answer = c.call(bad, state={})
        assert answer.fault == "raised" and "has no 'nothing'" in answer.message


def test_memory_is_reported_while_it_grows(folder):
    with client_of(folder, """
        import asyncio, time
        held = []
        def f(node, state):
            if len(held) < 10: held.append(b"x" * 30_000_000)
            time.sleep(0.1)
        def grows(node, state):
            time.sleep(0.7)
            held.append(b"x" * 50_000_000)
            time.sleep(60)
        async def waits(node, state):
            await asyncio.sleep(1.2)
            held.append(b"x" * 50_000_000)
            await asyncio.sleep(60)
        """) as c:
        f = c.hook("hooks.f", "lambda", {})
        until(lambda: c.call(f, state={}) and len(c.memory) > 1 and c.memory[-1] > c.memory[0] + 20_000_000)
        before = len(c.memory)
        c.begin(c.hook("hooks.grows", "lambda", {}), state={})
        while len(c.memory) == before:
            c._note(*c.frame())  # comes while the call is under way, with nothing else to do
    with Client(folder) as c:
        waits = c.hook("hooks.waits", "lambda", {})
        time.sleep(0.1)
        c.begin(waits, state={})
        while not c.memory or c.memory[-1] < c.memory[0] + 40_000_000:
            c._note(*c.frame())  # of a host that has nothing but tasks


def test_frames_may_come_in_any_pieces(folder):
    with client_of(folder, """
        def f(node, state): return {"n": len(state["x"])}
        """) as c:
        f = c.hook("hooks.f", "lambda", {})
        payload = c.call_payload(1, f, None, json.dumps({"x": "y" * 1_000_000}).encode(), 0)
        frame = struct.pack("<I", 1 + len(payload)) + b"C" + payload
        for piece in [frame[:1], frame[1:4], frame[4:6], frame[6:700_000], frame[700_000:]]:
            c.sock.sendall(piece)
            time.sleep(0.01)
        assert c.answer_of(1).outputs == [{"n": 1_000_000}]


def test_hooks_see_the_live_figures_of_the_run(folder):
    with client_of(folder, """
        from sygra.metadata.metadata_collector import get_metadata_collector
        def f(node, state): return {"ok": get_metadata_collector().figures.get("ok")}
        """) as c:
        assert c.ready["figures"]
        f = c.hook("hooks.f", "lambda", {})
        c.send(b"F", b'{"event":"progress","ok":12}')
        assert c.call(f, state={}).outputs == [{"ok": 12}]


def test_globals_are_shared_by_the_calls_of_a_host(folder):
    with client_of(folder, """
        n = 0
        def f(node, state):
            global n
            n += 1
            node["seen"] = n
            return dict(node)
        """) as c:
        f = c.hook("hooks.f", "lambda", {"a": 1})
        assert [c.call(f, state={}).outputs[0] for _ in range(2)] == [{"a": 1, "seen": 1}, {"a": 1, "seen": 2}]


def test_a_host_works_without_a_page_and_ends_with_its_socket(folder):
    with client_of(folder, """
        import time
        def f(node, state): return {}
        def hangs(node, state): time.sleep(600)
        """, page=False) as c:
        assert c.ready["work"] is False and c.ready["window"] == 64
        assert c.call(c.hook("hooks.f", "lambda", {}), state={}).outputs == [{}]
        c.begin(c.hook("hooks.hangs", "lambda", {}), state={})
        assert c.end() == 0


def test_a_process_serves_its_own_closures(folder):
    from sygra.host.serve import Host

    ours, theirs = socket.socketpair()
    seen, box, figures, events = [], {"n": 0}, [], []

    def counts(response, state):
        box["n"] += 1
        seen.append(threading.current_thread())
        return {"n": box["n"], "text": response.content}

    async def later(node, state):
        return {"k": node["k"]}

    streams = sys.stdout, sys.path[:], random.random

    def on_event(said):
        events.append(said)
        raise KeyError("a listener's own mistake")

    host = Host(theirs, closures={"counts": counts, "later": later}, on_figures=figures.append, on_event=on_event)
    thread = threading.Thread(target=host.serve)
    thread.start()
    c = Client.on(ours)
    assert c.ready["figures"] and c.ready["events"] and not c.ready["work"]
    hook, said = c.load("counts", "post", language="closure")
    assert said["parameters"] == ["response", "state"] and said["kind"] == "function"
    answer = {"role": "assistant", "content": "a"}
    assert [c.call(hook, answer, {}).outputs[0]["n"] for _ in range(3)] == [1, 2, 3] and box["n"] == 3
    assert c.call(c.hook("later", "lambda", {"k": 5}, language="closure"), state={}).outputs == [{"k": 5}]
    assert "no function 'gone'" in c.load("gone", "post", language="closure")[1]["message"]
    c.send(b"F", b'{"done":1}')
    c.send(b"E", b'{"event":"node_start"}')
    until(lambda: figures == [{"done": 1}] and events == [{"event": "node_start"}])
    assert c.call(hook, answer, {}).outputs[0]["n"] == 4
    assert seen[0] is not threading.main_thread() and streams == (sys.stdout, sys.path, random.random)
    ours.close()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    until(lambda: not [t for t in threading.enumerate() if t.name.startswith("sygra-") and t.name != "sygra-end"])


def test_every_call_of_a_storm_gets_one_answer(folder):
    """Quick, waiting, computing, async, printing and failing hooks, in batches, a part of them canceled."""
    draw = random.Random(11)
    with client_of(folder, """
        import asyncio, time
        def quick(node, state): return {"m": state["n"]}
        def waits(node, state): time.sleep(state["n"] % 9 / 1000); return {"m": state["n"]}
        def computes(node, state): return {"m": state["n"], "sum": sum(range(20000 * (state["n"] % 5)))}
        def prints(node, state): print("line", state["n"]); print("rest", end=""); return {"m": state["n"]}
        def fails(node, state): raise ValueError(state["n"])
        async def sleeps(node, state): await asyncio.sleep(state["n"] % 9 / 1000); return {"m": state["n"]}
        """) as c:
        names = ["quick", "waits", "computes", "prints", "fails", "sleeps"]
        hooks = {c.hook(f"hooks.{name}", "lambda", {}): name for name in names}
        open_calls, number, answered = {}, 0, 0
        while answered < 4000:
            batch = b""
            while len(open_calls) < 64 and number < 4000:
                number += 1
                hook = draw.choice(list(hooks))
                payload = b"C" + c.call_payload(number, hook, None, json.dumps({"n": number}).encode(), number)
                batch += struct.pack("<I", len(payload)) + payload
                open_calls[number] = hooks[hook]
                if draw.random() < 0.1:
                    batch += struct.pack("<I", 9) + b"X" + struct.pack("<Q", draw.choice(list(open_calls)))
            c.sock.sendall(batch)
            for _ in range(min(len(open_calls), draw.randint(1, 40))):
                answer = c.next_answer()
                name = open_calls.pop(answer.id)
                answered += 1
                if name == "fails":
                    assert answer.fault in ("raised", "canceled"), answer
                else:
                    assert answer.fault == "canceled" or answer.outputs[0]["m"] == answer.id, answer
        until(lambda: not c.at_work())
        printed = [n for n, text in c.prints if text == "rest"]
        assert len(printed) == len(set(printed)) > 100 and all(n for n, _ in c.prints)
        assert c.call(next(iter(hooks)), state={"n": 1}).outputs == [{"m": 1}]
