# SPDX-License-Identifier: Apache-2.0
"""Hooks of whole records and whole files: schema classes, data transforms, graph post-processors."""
import collections
import inspect
import json
import os
import threading

from sygra.host import load, opaque, rand, trouble, wire
from sygra.host.roles import Hook, must_be_whole

_CHUNK = 1 << 20


class Schema(Hook):
    """A pydantic class, of either version; the record's keys are its keyword arguments."""

    label = "schema"

    def __init__(self, host, found, config):
        super().__init__(host, found, config)
        if not inspect.isclass(found.target):
            raise trouble.Refused(f"schema {found.path} is a {type(found.target).__name__}, not a pydantic class")
        self.description = load.describe(found, found.target)
        self.description["schema"] = _json_schema(found.target)
        self.function = self._check

    def arguments(self, call):
        record = self.codec.decode(call.input, "record")
        if type(record) is not dict:
            raise trouble.Trouble(wire.SENSELESS, "a record to check is no JSON object")
        return (record,), None

    def _check(self, record):
        """None, or what pydantic says against it, a line for each error, in its order."""
        try:
            self.found.target(**record)
        except Exception as error:
            if type(error).__name__ != "ValidationError" or not callable(getattr(error, "errors", None)):
                raise
            return "\n".join(_said_line(e) for e in error.errors())
        return None

    def answer(self, raw, held):
        return self.codec.encode(raw), b""


def _said_line(error):
    place = ".".join(str(part) for part in error["loc"])
    return f"{place}: {error['msg']}" if place else error["msg"]


def _json_schema(cls):
    make = getattr(cls, "model_json_schema", None) or getattr(cls, "schema", None)
    try:
        return json.loads(json.dumps(make()))
    except Exception:
        return None  # types that have no schema; the class can be used all the same


class Turns:
    """Lets one call in at a time; those that come meanwhile are run by the thread that is in, in their order."""

    def __init__(self):
        self._lock = threading.Lock()
        self._waiting = collections.deque()
        self._taken = False

    def enter(self, call):
        with self._lock:
            if self._taken:
                self._waiting.append(call)
                return False
            self._taken = True
            return True

    def leave(self):
        """The call whose turn is next, which is in now; None: nobody is."""
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._taken = False
            return None

    def take(self, number):
        with self._lock:
            found = [call for call in self._waiting if call.id == number]
            for call in found:
                self._waiting.remove(call)
            return found


class Data(Hook):
    """A chain of data transforms over a whole list, which is fed in pieces and taken in pieces, or row by row."""

    label = "transformation"
    serial = True

    def __init__(self, host, found, config):
        super().__init__(host, found, config)
        config = config or {}
        self.turns = Turns()
        chain = config.get("chain") or [{"transform": found.path, "params": config.get("params")}]
        self._steps = [self._step(host.find(step["transform"]), step.get("params") or {}) for step in chain]
        self._rows = []
        self._taken = 0
        self.description = load.describe(found, found.target)
        self.function = self._do

    def _step(self, found, params):
        cls = found.target
        if not callable(getattr(cls, "transform", None)):
            raise trouble.Refused(f"{self.label} {found.path} has no method transform(data, params)")
        must_be_whole(self, found.path, cls)
        try:
            made = cls() if inspect.isclass(cls) else cls
        except BaseException as error:
            line, details = trouble.explain(error)
            raise trouble.Refused(f"{self.label} {found.path} cannot be made: {line}", details) from None
        if not load.takes(made.transform, 2):
            names = ", ".join(load.parameter_names(made.transform))
            wrong = f"transform takes ({names}); it is called with (data, params)"
            raise trouble.Refused(f"{self.label} {found.path}: {wrong}")
        return found.path, made, params

    def arguments(self, call):
        return (self.codec.decode(call.input, "rows"),), None

    def _do(self, said):
        do = said.get("do")
        if do == "feed":
            self._rows.extend(said["rows"])
            return len(self._rows)  # a host that has taken the place of another one has too few
        if do == "finish":
            self._rows = self._through(self._rows)
            self._taken = 0
            return len(self._rows)
        if do == "each":
            seeds = said.get("seeds") or [None] * len(said["rows"])
            return [self._one(row, seed) for row, seed in zip(said["rows"], seeds)]
        if do == "take":
            return self._piece(said["n"])
        raise trouble.Trouble(wire.SENSELESS, f"a transformation cannot {do!r}")

    def _through(self, rows):
        for path, step, params in self._steps:
            gave = step.transform(rows, params)
            if not isinstance(gave, (list, tuple)):
                raise self._unfit(path, f"returned {'nothing (None)' if gave is None else 'a ' + type(gave).__name__}")
            for i, row in enumerate(gave):
                if not isinstance(row, dict):
                    raise self._unfit(path, f"returned a {type(row).__name__} as row {i}: {trouble.brief(row)}")
            rows = list(gave)
        return rows

    def _one(self, row, seed):
        if seed is not None:
            rand.begin(seed)
        gave = self._through([row])
        if not gave:
            raise self._unfit(self.path, "returned no row: of a stream it gets one row and must return one")
        return gave[0]

    def _unfit(self, path, what):
        which = "" if path == self.path else f"{path} "
        return trouble.Trouble(wire.USELESS, f"{which}{what}; transform must return a list of rows (dicts)")

    def _piece(self, n):
        """The next rows, fewer where they would be too large for one result."""
        while True:
            piece = self._rows[self._taken : self._taken + n]
            if n <= 1 or len(self.codec.encode(piece)) <= self.limit:
                break
            n = (n + 1) // 2
        self._taken += len(piece)
        if self._taken >= len(self._rows):
            self._rows, self._taken = [], 0
        return piece

    def answer(self, raw, held):
        return self.codec.encode(raw), b""


class GraphPost(Hook):
    """A processor of the whole output: reads the file, gives the records to `process`, writes what that returns."""

    label = "graph_post_process"

    def __init__(self, host, found, config):
        super().__init__(host, found, config)
        self._params = (config or {}).get("params") or {}
        cls = found.target
        if not inspect.isclass(cls) or not callable(getattr(cls, "process", None)):
            raise trouble.Refused(f"{self.label} {found.path} is no class with a method process(data, metadata)")
        must_be_whole(self, found.path, cls)
        self._must_take_params(cls)
        self.description = load.describe(found, cls.process)
        self.function = self._process

    def _must_take_params(self, cls):
        try:
            inspect.signature(cls).bind(**self._params)
        except TypeError as error:
            raise trouble.Refused(f"{self.label} {self.path}: its params do not fit {cls.__name__}: {error}") from None
        except ValueError:
            pass  # a class in C that does not say

    def arguments(self, call):
        return (self.codec.decode(call.input, "input"),), None

    def _process(self, said):
        records = list(read_records(said["output_file"]))
        metadata = {"output_file": said["output_file"], "params": self._params}
        result = self.found.target(**self._params).process(records, metadata)
        del records
        try:
            write_json(said["result_file"], result)
        except (TypeError, ValueError, RecursionError) as error:
            raise trouble.Trouble(wire.USELESS, f"what process returned cannot be written as JSON: {error}") from None
        return len(result) if isinstance(result, (list, tuple)) else None

    def answer(self, raw, held):
        return self.codec.encode(raw), b""


def read_records(path):
    """The records of an output file, JSON array or JSON Lines; the text is never in memory as a whole."""
    with open(path, encoding="utf-8") as file:
        text = file.read(_CHUNK).lstrip()
        if text.startswith("["):
            yield from _elements(file, text[1:], path)
            return
        file.seek(0)
        for line in file:
            if line.strip():
                yield json.loads(line)


def _elements(file, text, path):
    scan = json.JSONDecoder().raw_decode
    at = 0
    while True:
        while at < len(text) and text[at] in " \t\r\n,":
            at += 1
        if at < len(text) and text[at] == "]":
            return
        try:
            value, end = scan(text, at)
            if end < len(text):  # else a number may go on behind the end of the chunk
                yield value
                at = end
                continue
        except ValueError:
            pass
        more = file.read(max(_CHUNK, len(text) - at))
        if not more:
            raise ValueError(f"{path} is no whole JSON array")
        text, at = text[at:] + more, 0


def write_json(path, result):
    """Whole or not at all; as the framework writes it: indent 4, ASCII."""
    import tempfile  # slow to import, and rarely needed

    fd, draft = tempfile.mkstemp(dir=os.path.dirname(os.path.abspath(path)), prefix=".")
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            if isinstance(result, (list, tuple)) and result:
                for i, item in enumerate(result):
                    file.write((",\n    " if i else "[\n    ") + _text(item).replace("\n", "\n    "))
                file.write("\n]")
            else:
                file.write(_text(result))
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(draft, 0o666 & ~mask)
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise


def _text(value):
    return json.dumps(value, indent=4, allow_nan=False, default=opaque.shown)
