# SPDX-License-Identifier: Apache-2.0
"""The engine's end of a hook host, for tests: starts the real program over a real socket pair and asks it."""
import collections
import json
import mmap
import os
import socket
import struct
import subprocess
import sys
import textwrap
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PACKAGE = os.path.join(ROOT, "python")

Answer = collections.namedtuple("Answer", "id kind outputs effects fault message details")
PATIENCE = 30
FAULTS = {1: "raised", 2: "limit", 3: "request", 4: "canceled", 5: "useless"}


def until(true):
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)


class Gone(Exception):
    """The host has ended."""


def client_of(folder, source, **more):
    """A host that can import the source as the module `hooks`."""
    (folder / "hooks.py").write_text(textwrap.dedent(source))
    return Client(folder, **more)


class Client:
    """One host. What it prints is in `prints`, as (call, text); memory reports are in `memory`."""

    def __init__(self, folder, python=os.environ.get("HOST_PYTHON", sys.executable), args=None, page=True, **hello):
        self.sock, theirs = socket.socketpair()
        self.sock.settimeout(60)
        self._data = b""
        self._id = 0
        self._hook = -1
        self.prints = []
        self.memory = []
        self._answers = {}
        self._fd = self._page_fd() if page else None
        self.process = self._start(theirs, python, args or [os.path.join(PACKAGE, "sygra", "host")], folder)
        theirs.close()
        self._open(folder, hello)

    def _open(self, folder, hello):
        said = {"sygra_hooks": 2, "result_bytes": 1 << 20, "paths": [str(folder)], "seed": 1}
        said.update(hello)
        self.send(b"H", json.dumps(said).encode())
        kind, payload = self.frame()
        while kind == b"p":
            self._note(kind, payload)
            kind, payload = self.frame()
        assert kind == b"h", (kind, payload)
        self.ready = json.loads(payload)

    def _page_fd(self):
        fd = os.memfd_create("page")
        os.truncate(fd, 8192)
        self.page = mmap.mmap(fd, 8192)
        return fd

    def _start(self, theirs, python, args, folder):
        """Descriptors 3 and 4 are made by a shell: they may be taken here."""
        passed = [theirs.fileno()] + ([self._fd] if self._fd is not None else [])
        moves = " ".join(f"{n}<&{fd}" for n, fd in zip((8, 9), passed))
        moves += " 3<&8 8<&-" + (" 4<&9 9<&-" if self._fd is not None else "")
        line = f'exec {moves}; exec "$@"'
        return subprocess.Popen(
            ["bash", "-c", line, "host", python, *args],
            cwd=folder, pass_fds=passed, stdin=subprocess.DEVNULL, env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"),
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()
        self.process.kill()
        self.process.wait()

    @classmethod
    def on(cls, sock, **hello):
        """The engine's end of a host that somebody else has started."""
        made = cls.__new__(cls)
        made.sock, made._data, made._id, made._hook = sock, b"", 0, -1
        made.prints, made.memory, made._answers, made.process = [], [], {}, None
        made._open("", hello)
        return made

    # ---- frames ----

    def send(self, kind, payload):
        self.sock.sendall(struct.pack("<I", 1 + len(payload)) + kind + payload)

    def frame(self):
        while len(self._data) < 5 or len(self._data) < 4 + struct.unpack_from("<I", self._data)[0]:
            piece = self.sock.recv(1 << 18)
            if not piece:
                raise Gone(self.process and self.process.wait())
            self._data += piece
        (length,) = struct.unpack_from("<I", self._data)
        frame, self._data = self._data[4 : 4 + length], self._data[4 + length :]
        return frame[:1], frame[1:]

    def _note(self, kind, payload):
        number = struct.unpack_from("<Q", payload)[0]
        if kind == b"p":
            self.prints.append((number, payload[8:].decode()))
        else:
            self.memory.append(number)

    def next_answer(self):
        while True:
            kind, payload = self.frame()
            if kind in (b"p", b"m"):
                self._note(kind, payload)
            elif kind == b"r":
                number, n = struct.unpack_from("<QI", payload)
                outputs, effects = json.loads(payload[12 : 12 + n]), json.loads(payload[12 + n :] or b"{}")
                return Answer(number, "result", outputs, effects, None, None, None)
            elif kind == b"e":
                number, fault, n = struct.unpack_from("<QBI", payload)
                text, details = payload[13 : 13 + n].decode(), payload[13 + n :].decode()
                return Answer(number, "error", None, None, FAULTS[fault], text, details)
            else:
                raise AssertionError((kind, payload))

    # ---- loads and calls ----

    def load(self, text, role, config=None, again=False, language="python"):
        """(hook, its description or its refusal)."""
        self._hook += 1
        said = {"hook": self._hook, "language": language, "role": role, "text": text, "config": config, "again": again}
        self.send(b"L", json.dumps(said).encode())
        while True:
            kind, payload = self.frame()
            if kind in (b"p", b"m"):
                self._note(kind, payload)
                continue
            answer = json.loads(payload)
            assert kind in (b"l", b"f") and answer["hook"] == self._hook, (kind, answer)
            return self._hook, answer["description"] if kind == b"l" else answer

    def hook(self, text, role, config=None, **more):
        number, said = self.load(text, role, config, **more)
        assert "message" not in said, said["message"]
        return number

    def refused(self, text, role, config=None):
        _, said = self.load(text, role, config)
        assert "message" in said, said
        return said

    def begin(self, hook, input=None, state=None, seed=0):
        """Sends a call; texts go as they are, other values as JSON. Returns its number."""
        self._id += 1
        self.send(b"C", self.call_payload(self._id, hook, input, state, seed))
        return self._id

    @staticmethod
    def call_payload(number, hook, input, state, seed):
        parts = [b"" if v is None else v if isinstance(v, bytes) else json.dumps(v).encode() for v in (input, state)]
        return struct.pack("<QIQI", number, hook, seed, len(parts[0])) + parts[0] + parts[1]

    def cancel(self, number):
        self.send(b"X", struct.pack("<Q", number))

    def answer_of(self, number):
        while number not in self._answers:
            answer = self.next_answer()
            self._answers[answer.id] = answer
        return self._answers.pop(number)

    def call(self, hook, input=None, state=None, seed=0):
        return self.answer_of(self.begin(hook, input, state, seed))

    def at_work(self):
        return {n for n in struct.unpack_from("<512Q", self.page) if n}

    def last_words(self):
        return self.page[4096:].rstrip(b"\0").decode()

    def end(self):
        """Closes our end, as the engine does; the exit status."""
        self.sock.shutdown(socket.SHUT_WR)
        return self.process.wait(30)
