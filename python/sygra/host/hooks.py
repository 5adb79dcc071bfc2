# SPDX-License-Identifier: Apache-2.0
"""The hooks of one host, by number: loaded when the engine says so, or, where another host has loaded the same before,
when the first call comes.
"""
import sys
import threading

from sygra import _standins
from sygra.host import load, trouble, wire
from sygra.host.records import Data, GraphPost, Schema
from sygra.host.roles import Combine, Condition, Field, Generate, Lambda, ModelPost, Post, Pre, Transform
from sygra.host.tools import Executor, Tools
from sygra.host.values import Codec

_ROLES = {
    "lambda": Lambda,
    "pre": Pre,
    "post": Post,
    "combine": Combine,
    "condition": Condition,
    "generate": Generate,
    "field": Field,
    "transform": Transform,
    "model_post": ModelPost,
    "schema": Schema,
    "tools": Tools,
    "data": Data,
    "graph_post": GraphPost,
    "executor": Executor,
}


class Hooks:
    """`codec` and `result_bytes` are what roles need of a host; they come with the hello."""

    python = ".".join(map(str, sys.version_info[:3]))

    def __init__(self, closures):
        self._closures = closures
        self._hooks = {}
        self._loader = None
        self.codec = None
        self.result_bytes = 0

    def open(self, hello, owns_process):
        paths = hello.get("paths") or []
        if owns_process:
            sys.path[:0] = [p for p in paths if p not in sys.path]
            if hasattr(sys, "set_int_max_str_digits"):
                sys.set_int_max_str_digits(0)  # numbers are exact, however long
            _standins.install()
        self._loader = load.Loader(paths)
        self.codec = Codec(hello.get("key"), bool(hello.get("trust")))
        self.result_bytes = hello.get("result_bytes") or 1 << 30

    def get(self, number):
        return self._hooks.get(number)

    def put(self, number, hook):
        self._hooks[number] = hook
        return hook

    def load(self, said):
        """The description. Raises Refused."""
        if said.get("again") and said.get("role") != "data":  # its calls must come in order, the first too
            self.put(said["hook"], Later(self, said))
            return {}
        return self.put(said["hook"], self.make(said)).description

    def make(self, said):
        role = _ROLES.get(said.get("role"))
        if role is None:
            raise trouble.Refused(f"this host does not know the role {said.get('role')!r}")
        found = self._find(said)
        load.prefer_real_messages(found)
        return role(self, found, said.get("config"))

    def _find(self, said):
        name = said["text"]
        if said.get("language") == "closure" and name not in self._closures:
            raise trouble.Refused(f"this process has no function {name!r} for its run")
        return self.find(name)

    def find(self, name):
        """What a closure's name or a dotted path means: a chain of data transforms may have both."""
        if name not in self._closures:
            return self._loader.find(name)
        target = self._closures[name]
        return load.Found(name, target, None, sys.modules.get(getattr(target, "__module__", None)))

    def take_waiting(self, number):
        """The call of that number, if it waits for its turn at a serial hook: a list of one, or none."""
        return [call for hook in self._hooks.values() if hook.serial for call in hook.turns.take(number)]


class Later:
    """A hook that is loaded by its first call."""

    serial = False
    asynchronous = False
    may_wait = False
    waits = 0

    def __init__(self, hooks, said):
        self._hooks = hooks
        self._said = said
        self._lock = threading.Lock()
        self._hook = None

    def run(self, call):
        with self._lock:
            if self._hook is None:
                self._hook = self._make()
        call.hook = self._hook
        return self._hook.run(call)

    def _make(self):
        try:
            hook = self._hooks.make(self._said)
        except trouble.Refused as refused:
            raise trouble.Trouble(wire.RAISED, refused.message, refused.details) from None
        return self._hooks.put(self._said["hook"], hook)
