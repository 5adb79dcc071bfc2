# SPDX-License-Identifier: Apache-2.0
"""What hooks print: whose it is, when it arrives, and how much of it waits."""
import time

from client import Gone, client_of, until


def test_prints_know_their_call(folder):
    with client_of(folder, """
        import asyncio, logging, os, subprocess, sys, threading, warnings
        from sygra.logger.logger_config import logger
        print("while loading")
        def f(node, state):
            print("one", state["n"]); print("two", end=""); print(" goes on", file=sys.stdout, flush=True)
            sys.stderr.write("no newline")
        async def g(node, state):
            print("before", state["n"]); await asyncio.sleep(0.02); print("after", state["n"])
        def logs(node, state): logger.info("logged"); logging.warning("warned")
        def raw(node, state):
            sys.stdout.buffer.write(b"by\\xffte\\n")
            os.write(1, b"bin\\x00\\xfe\\n"); subprocess.run(["echo", "child"])
            assert not sys.stdout.isatty() and sys.stdout.encoding == "utf-8"
        """) as c:
        f, g, logs, raw = (c.hook(f"hooks.{n}", "lambda", {}) for n in ["f", "g", "logs", "raw"])
        assert c.prints == [(0, "while loading")]
        number = c.begin(f, state={"n": 5})
        c.answer_of(number)
        assert c.prints[1:] == [(number, "one 5"), (number, "two goes on"), (number, "no newline")], c.prints
        begun = [c.begin(g, state={"n": n}) for n in range(3)]
        for number in begun:
            c.answer_of(number)
        for n, number in enumerate(begun):
            assert [t for i, t in c.prints if i == number] == [f"before {n}", f"after {n}"]
        number = c.begin(logs, state={})
        c.answer_of(number)
        assert [t for i, t in c.prints if i == number] == ["INFO logged", "WARNING:root:warned"], c.prints
        number = c.begin(raw, state={})
        c.answer_of(number)
        assert (number, "by\\xffte") in c.prints
        until(lambda: "child" in "".join(t for i, t in c.prints if i == 0) or c.call(f, state={"n": 0}) is None)
        assert "bin\x00\\xfe" in "".join(t for i, t in c.prints if i == 0)


def next_print(c):
    seen = len(c.prints)
    while len(c.prints) == seen:
        c._note(*c.frame())
    return c.prints[-1]


def test_a_print_arrives_while_its_call_goes_on(folder):
    with client_of(folder, """
        import time
        def f(node, state):
            time.sleep(0.3)
            print("half way")
            time.sleep(120)
        """) as c:
        number = c.begin(c.hook("hooks.f", "lambda", {}), state={})
        assert next_print(c) == (number, "half way")


def test_who_prints_more_than_is_taken_has_to_wait(folder):
    with client_of(folder, """
        import resource
        def f(node, state):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            for _ in range(60_000): print("x" * 1000)
            return {"grown_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before}
        """) as c:
        number = c.begin(c.hook("hooks.f", "lambda", {}), state={})
        time.sleep(0.5)
        [said] = c.answer_of(number).outputs
        assert len(c.prints) == 60_000 and said["grown_kb"] < 20_000, said


def test_user_code_may_print_while_a_print_is_sent(folder):
    """A collection of garbage may come at any moment, and bring a __del__ that prints."""
    with client_of(folder, """
        import gc
        class Says:
            def __init__(self): self.me = self
            def __del__(self): print("gone")
        def f(node, state):
            gc.set_threshold(1)
            for _ in range(300):
                Says()
                print("made")
            gc.set_threshold(700)
            gc.collect()
            return {}
        """) as c:
        assert c.call(c.hook("hooks.f", "lambda", {}), state={}).outputs == [{}]
        assert [sum(t == text for _, t in c.prints) for text in ("made", "gone")] == [300, 300]


def test_user_code_may_set_up_its_streams(folder):
    with client_of(folder, """
        import io, logging, sys, warnings
        sys.stdout.reconfigure(encoding="utf-8", line_buffering=True)
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        def f(node, state):
            wrapped = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", write_through=True)
            wrapped.write("wrapped\\n")
            logging.info("logged")
            warnings.warn("warned")
            sys.stdout.writelines(["a\\n", "b"])
        """) as c:
        number = c.begin(c.hook("hooks.f", "lambda", {}), state={})
        assert c.answer_of(number).kind == "result"
        assert {n for n, _ in c.prints} == {number}
        texts = [t for _, t in c.prints]
        assert texts[:2] == ["wrapped", "logged"] and "UserWarning: warned" in texts[2] and texts[3:] == ["a", "b"], texts


def test_what_is_printed_last_arrives_before_the_end(folder):
    with client_of(folder, """
        import atexit, os
        atexit.register(lambda: None)
        def f(node, state): os.write(2, b"last words")
        """) as c:
        c.call(c.hook("hooks.f", "lambda", {}), state={})
        c.sock.shutdown(1)
        try:
            while True:
                c.next_answer()
        except Gone as gone:
            assert gone.args[0] == 0 and (0, "last words") in c.prints, c.prints
