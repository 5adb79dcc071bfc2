#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does a program speak the hook protocol (docs/formats/hook-protocol.md)? Starts it as the engine would, asks it frame by
frame, and says which rule it breaks. Needs nothing but Python's standard library, and knows no host.

    tests/hooks/conformance.py --language jq --echo . --raise 'error("oops")' ... -- build/release/sygra --host jq

Each option is the text of a hook in the host's language, of role `transform`; what is not given is not asked:

    --echo    returns its input                      --state   returns the state of the call
    --raise   raises an error that says `oops`       --print   prints `seen`
    --big     returns more than 1 MB                 --slow    works for at least 0.3 s, whatever its input
    --broken  cannot be loaded

`--suite` instead runs it on the built-in jq host, the Python host and the example of the documentation (BIN: the program).
"""
import argparse
import fcntl
import json
import mmap
import os
import pathlib
import re
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
RESULT_BYTES = 1 << 20
PATIENCE_S = 60
UNKNOWN_CALL = 1 << 40


class Broken(Exception):
    """A rule of the protocol."""


def rule(holds, text):
    if not holds:
        raise Broken(text)


class Host:
    """One process, and what it has said that was not waited for."""

    def __init__(self, command, language, paths=(), hello=None):
        self.language = language
        self.sock, theirs = socket.socketpair()
        page = os.memfd_create("page")
        os.truncate(page, 8192)
        self.page = mmap.mmap(page, 8192)
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (theirs.fileno(), page)]

        def in_child():
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, close_fds=False, preexec_fn=in_child)
        for fd in high + [page]:
            os.close(fd)
        theirs.close()
        self.data, self.calls, self.hooks = b"", 0, -1
        self.prints, self.answers = [], {}
        said = {"sygra_hooks": 2, "result_bytes": RESULT_BYTES, "seed": 1, "paths": list(paths), "a member to come": [1]}
        self.send(b"H", json.dumps({**said, **(hello or {})}).encode())

    def close(self):
        self.sock.close()
        self.process.kill()
        self.process.wait()

    # --- frames ---

    def send(self, kind, payload, piece=0):
        data = struct.pack("<I", len(payload) + 1) + kind + payload
        for at in range(0, len(data), piece or len(data)):
            self.sock.sendall(data[at : at + (piece or len(data))])

    def frame(self, seconds=PATIENCE_S):
        """The next frame that is no print and no size; None: the host has ended its socket."""
        until = time.monotonic() + seconds
        while True:
            length = struct.unpack_from("<I", self.data)[0] if len(self.data) >= 4 else None
            if length is not None:
                rule(1 <= length <= RESULT_BYTES + (1 << 20), f"a frame says that it is {length} bytes long")
                if len(self.data) >= 4 + length:
                    kind, payload = self.data[4:5], self.data[5 : 4 + length]
                    self.data = self.data[4 + length :]
                    if kind == b"p":
                        rule(len(payload) >= 8, "a print has no call's number")
                        self.prints.append((struct.unpack_from("<Q", payload)[0], payload[8:].decode()))
                    elif kind == b"m":
                        rule(len(payload) == 8, "a size is a u64")
                    else:
                        return kind, payload
                    continue
            ready, _, _ = select.select([self.sock], [], [], max(0, until - time.monotonic()))
            rule(ready, f"nothing came for {seconds} s")
            try:
                piece = self.sock.recv(1 << 18)
            except ConnectionResetError:
                piece = b""
            if not piece:
                return None
            self.data += piece

    def json_frame(self, wanted):
        frame = self.frame()
        rule(frame is not None, f"it ended instead of answering with {wanted}")
        kind, payload = frame
        rule(kind.decode() in wanted, f"{kind} came where one of {wanted} belongs")
        said = json.loads(payload)
        rule(isinstance(said, dict), f"{kind} holds no JSON object")
        return kind, said

    # --- what the engine does ---

    def load(self, text, number=None, again=False):
        """(loaded, what was said)."""
        self.hooks = self.hooks + 1 if number is None else number
        said = {"hook": self.hooks, "language": self.language, "role": "transform", "text": text, "variables": ["state"],
                "again": again, "node": "", "a member to come": {}}
        self.send(b"L", json.dumps(said).encode())
        kind, answer = self.json_frame("lf")
        rule(answer.get("hook") == self.hooks, f"load {self.hooks} was answered for hook {answer.get('hook')}")
        if kind == b"l":
            rule(isinstance(answer.get("description"), dict), "a loaded hook has no `description`")
        else:
            rule(isinstance(answer.get("message"), str) and answer["message"], "a refusal has no `message`")
        return kind == b"l", answer

    def hook(self, text):
        loaded, said = self.load(text)
        rule(loaded, f"a hook of yours was refused: {said}")
        return self.hooks

    def payload(self, hook, input, state=None):
        self.calls += 1
        parts = [v if isinstance(v, bytes) else json.dumps(v).encode() for v in (input, {} if state is None else state)]
        return self.calls, struct.pack("<QIQI", self.calls, hook, 7, len(parts[0])) + parts[0] + parts[1]

    def begin(self, hook, input, state=None, piece=0):
        number, payload = self.payload(hook, input, state)
        self.send(b"C", payload, piece)
        return number

    def cancel(self, number):
        self.send(b"X", struct.pack("<Q", number))

    def next_answer(self):
        frame = self.frame()
        rule(frame is not None, "it ended while a call waited for its answer")
        kind, payload = frame
        rule(kind in (b"r", b"e"), f"{kind} came where an answer belongs")
        head = 12 if kind == b"r" else 13
        rule(len(payload) >= head, f"{kind} is shorter than its head")
        number, n = struct.unpack_from("<Q", payload)[0], struct.unpack_from("<I", payload, head - 4)[0]
        rule(n <= len(payload) - head, f"the body of {kind} is longer than the frame")
        body, extra = payload[head : head + n], payload[head + n :]
        rule(0 < number <= self.calls and number not in self.answers, f"an answer to no call: {number}")
        if kind == b"r":
            answer = {"outputs": json.loads(body)}
            rule(isinstance(answer["outputs"], list), "a result is an array of all outputs")
            rule(not extra or isinstance(json.loads(extra), dict), "effects are a JSON object or nothing")
        else:
            answer = {"fault": payload[8], "message": body.decode(), "details": extra.decode()}
            rule(1 <= answer["fault"] <= 5, f"there is no fault {answer['fault']}")
        self.answers[number] = answer
        return number

    def answer(self, number):
        while number not in self.answers:
            self.next_answer()
        return self.answers[number]

    def call(self, hook, input, state=None, piece=0):
        return self.answer(self.begin(hook, input, state, piece))

    def at_work(self):
        return {n for n in struct.unpack_from("<512Q", self.page) if n}


# --- rules, each with a host of its own: test(host, texts, ready) -----------------------------------------------------

VALUES = [None, True, 0, -7, 12345678901234, 1.5, "", "text", "a \"quote\", a \\, ü, 語, 🙂, \n, \u0001", [], {}, [[1], {"a": None}],
          {"k": {"deep": [1, 2, {"x": "y"}]}, "ü": "w" * 100000}]


def test_values_come_back_as_they_were(host, texts, ready):
    hook = host.hook(texts["echo"])
    for value in VALUES:
        answer = host.call(hook, value)
        rule(answer.get("outputs") == [value], f"{str(value)[:60]} came back as {str(answer)[:200]}")


def test_the_state_comes_beside_the_input(host, texts, ready):
    hook = host.hook(texts["state"])
    state = {"a": 1, "b": ["x"]}
    rule(host.call(hook, 5, state).get("outputs") == [state], "the state is not what was sent")


def test_loads_are_answered_in_order_and_numbers_may_have_gaps(host, texts, ready):
    for number, again in ((0, False), (1, True), (5, False), (9, True)):
        rule(host.load(texts["echo"], number, again)[0], "a hook was refused")
    rule(host.call(9, 3).get("outputs") == [3], "a hook that was loaded `again` does not work")


def test_a_hook_that_cannot_be_loaded_is_refused_with_a_message(host, texts, ready):
    rule(not host.load(texts["broken"])[0], "a broken hook was loaded")
    hook = host.hook(texts["echo"])
    rule(host.call(hook, 1).get("outputs") == [1], "after a refusal nothing works")


def test_a_window_full_of_calls_is_answered_each_once(host, texts, ready):
    hook, order = host.hook(texts["echo"]), []
    window = min(ready.get("window", 1), 64)
    frames, numbers = b"", []
    for i in range(window):
        number, payload = host.payload(hook, i)
        frames += struct.pack("<I", len(payload) + 1) + b"C" + payload
        numbers.append(number)
    host.sock.sendall(frames)
    while len(order) < window:
        order.append(host.next_answer())
    rule(sorted(order) == numbers, "not every call was answered")
    rule(not ready.get("serial") or order == numbers, "a serial host answers in the order of the calls")
    for i, number in enumerate(numbers):
        rule(host.answers[number].get("outputs") == [i], "an answer belongs to another call")


def test_frames_may_come_byte_by_byte(host, texts, ready):
    hook = host.hook(texts["echo"])
    rule(host.call(hook, {"a": [1]}, piece=1).get("outputs") == [{"a": [1]}], "a frame in pieces was misread")


def test_an_error_is_one_line_with_details_behind_it(host, texts, ready):
    answer = host.call(host.hook(texts["raise"]), 1)
    rule(answer.get("fault") == 1, f"what user code raises is fault 1: {answer}")
    rule("oops" in answer["message"], f"the message does not say what was raised: {answer['message']}")
    rule("\n" not in answer["message"], "the message has more than one line")


def test_a_call_of_no_hook_is_a_fault_of_the_request(host, texts, ready):
    host.hook(texts["echo"])
    rule(host.call(77, 1).get("fault") == 3, "a call of a hook that was never loaded is fault 3")


def test_an_input_that_is_no_json_is_an_error(host, texts, ready):
    hook = host.hook(texts["echo"])
    rule("fault" in host.call(hook, b"{nonsense"), "an input that is no JSON was accepted")
    rule(host.call(hook, 1).get("outputs") == [1], "after it nothing works")


def test_canceling_an_unknown_call_does_nothing(host, texts, ready):
    hook = host.hook(texts["echo"])
    host.cancel(UNKNOWN_CALL)
    first = host.begin(hook, 1)
    host.answer(first)
    host.cancel(first)
    rule(host.call(hook, 2).get("outputs") == [2], "after a cancel of no call nothing works")


def test_a_canceled_call_is_still_answered_once(host, texts, ready):
    slow, echo = host.hook(texts["slow"]), host.hook(texts["echo"])
    first = host.begin(slow, 1)
    others = [host.begin(echo, i) for i in range(min(ready.get("window", 1), 64) - 1)]
    for number in others:
        host.cancel(number)
    for number in [first] + others:
        answer = host.answer(number)
        rule("outputs" in answer or answer["fault"] == 4, f"a canceled call gave {answer}")


def test_a_result_over_the_limit_is_a_fault_and_no_end(host, texts, ready):
    answer = host.call(host.hook(texts["big"]), 1)
    rule(answer.get("fault") == 2, f"a result over result_bytes is fault 2: {str(answer)[:100]}")
    rule(host.call(host.hook(texts["echo"]), 1).get("outputs") == [1], "after it nothing works")


def test_prints_tell_their_call(host, texts, ready):
    number = host.begin(host.hook(texts["print"]), 1)
    host.answer(number)
    host.call(host.hook(texts["echo"]), 1)
    rule(any(n == number and "seen" in text for n, text in host.prints), f"the print is not there: {host.prints}")


def test_the_work_page_shows_what_is_at_work(host, texts, ready):
    if not ready.get("work"):
        return
    number = host.begin(host.hook(texts["slow"]), 1)
    until = time.monotonic() + PATIENCE_S
    while number not in host.at_work():
        rule(number not in host.answers and time.monotonic() < until, "a call at work is not in the page")
        time.sleep(0.001)
    host.answer(number)
    while host.at_work() and time.monotonic() < until:
        time.sleep(0.001)
    rule(not host.at_work(), "an answered call is still in the page")


def test_news_do_not_disturb(host, texts, ready):
    if ready.get("figures"):
        host.send(b"F", b'{"records":1}')
    if ready.get("events"):
        host.send(b"E", b'{"event":"node_start","position":1,"node":"n"}')
    rule(host.call(host.hook(texts["echo"]), 1).get("outputs") == [1], "after news nothing works")


def test_a_frame_of_unknown_kind_ends_the_host_or_is_passed_over(host, texts, ready):
    hook = host.hook(texts["echo"])
    host.send(b"?", b"what is this")
    try:
        number = host.begin(hook, 1)
        frame = host.frame()
    except (BrokenPipeError, ConnectionResetError):
        frame = None
    rule(frame is None or (frame[0] == b"r" and struct.unpack_from("<Q", frame[1])[0] == number),
         f"it was answered with {frame}")
    if frame is None:
        host.process.wait(PATIENCE_S)


def test_it_ends_when_its_socket_does(host, texts, ready):
    host.call(host.hook(texts["echo"]), 1)
    host.sock.close()
    host.process.wait(PATIENCE_S)


def check_version(command, language, paths):
    host = Host(command, language, paths, {"sygra_hooks": 99})
    try:
        rule(host.frame() is None, "it says hello to an engine of another version")
        host.process.wait(PATIENCE_S)
        rule(host.prints and host.prints[-1][0] == 0, "it does not say (print with id 0) which version it speaks")
    finally:
        host.close()


def check_ready(host):
    _, ready = host.json_frame("h")
    rule(ready.get("sygra_hooks") == 2, f"ready says version {ready.get('sygra_hooks')}")
    for name in ("serial", "work", "figures", "events"):
        rule(isinstance(ready.get(name, False), bool), f"`{name}` is true or false")
    rule(isinstance(ready.get("window", 1), int) and ready.get("window", 1) >= 1, "`window` is a number from 1")
    return ready


NEEDS = {"test_the_state_comes_beside_the_input": "state", "test_an_error_is_one_line_with_details_behind_it": "raise",
         "test_a_hook_that_cannot_be_loaded_is_refused_with_a_message": "broken",
         "test_a_canceled_call_is_still_answered_once": "slow", "test_the_work_page_shows_what_is_at_work": "slow",
         "test_a_result_over_the_limit_is_a_fault_and_no_end": "big", "test_prints_tell_their_call": "print"}


def conform(language, command, texts, paths=(), name=None):
    """(rules kept, rules broken)."""
    kept = broken = 0
    tests = [(n, t) for n, t in globals().items() if n.startswith("test_") and texts.get(NEEDS.get(n, "echo"))]
    for title, test in tests + [("it_refuses_another_version", None)]:
        host = None
        try:
            if test is None:
                check_version(command, language, paths)
            else:
                host = Host(command, language, paths)
                test(host, texts, check_ready(host))
            kept += 1
        except Exception as error:
            broken += 1
            print(f"FAIL {name or language}.{title}: {error}")
            if not isinstance(error, Broken):
                traceback.print_exc()
        finally:
            if host:
                host.close()
    return kept, broken


# --- the hosts of this project ----------------------------------------------------------------------------------------

JQ = {"echo": ".", "state": "$state", "raise": 'error("oops")', "print": '"seen" | debug | "x"', "big": '"x" * 2000000',
      "slow": "reduce range(1000000) as $i (0; . + 1)", "broken": ".a | nothing"}
PYTHON = '''
import time

def echo(value, state):
    return value

def state(value, state):
    return state

def fail(value, state):
    raise ValueError("oops")

def say(value, state):
    print("seen")

def big(value, state):
    return "x" * 2000000

def slow(value, state):
    time.sleep(0.3)
'''
EXPRESSIONS = {"echo": "value", "state": "state", "raise": "{}['oops']", "big": "'x' * 2000000", "broken": "1 +",
               "slow": "__import__('time').sleep(0.3)"}


def example_of_docs(folder):
    text = (ROOT / "docs/formats/hook-protocol.md").read_text()
    (code,) = re.findall(r"^## A host in \d+ lines$.*?^```python\n(.*?)^```$", text, re.M | re.S)
    path = folder / "example.py"
    path.write_text(code)
    return path


def suite():
    binary = os.path.abspath(os.environ.get("BIN", ROOT / "build/release/sygra"))
    python = os.environ.get("HOST_PYTHON", sys.executable)
    kept = broken = 0
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sygra-conformance-"))
    try:
        (folder / "conformance_hooks.py").write_text(PYTHON)
        names = {"echo": "echo", "state": "state", "raise": "fail", "print": "say", "big": "big", "slow": "slow", "broken": "nothing"}
        hosts = [("jq", [binary, "--host", "jq"], JQ, ()),
                 ("python", [python, str(ROOT / "python/sygra/host")],
                  {k: f"conformance_hooks.{v}" for k, v in names.items()}, [str(folder)]),
                 ("any", [python, str(example_of_docs(folder))], EXPRESSIONS, (), "example")]
        for host in hosts:
            counts = conform(*host)
            kept, broken = kept + counts[0], broken + counts[1]
    finally:
        shutil.rmtree(folder)
    return kept, broken


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--suite", action="store_true")
    for name in ("echo", "state", "raise", "print", "big", "slow", "broken"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--language", default="any", help="what loads say")
    parser.add_argument("command", nargs="*")
    options = parser.parse_args()
    texts = {k: v for k, v in vars(options).items() if k not in ("suite", "language", "command")}
    if not options.suite and not (texts["echo"] and options.command):
        parser.error("--echo and a command are the least")
    kept, broken = suite() if options.suite else conform(options.language, options.command, texts)
    print(f"{kept} passed, {broken} failed")
    sys.exit(1 if broken or not kept else 0)


if __name__ == "__main__":
    main()
