# SPDX-License-Identifier: Apache-2.0
"""Callables in a task: which travel as dotted paths, and which are served by this process.

A function or class that stands at the top of a module which can be imported is written as its dotted path: hook hosts
import it, so that it runs beside this process, on every core. Everything else (lambdas, closures, what is defined in
__main__ or in a notebook, objects) is written as `{closure: NAME}` and runs here, in a thread of the library.

NAME ends in a hash of the code, so that a run that goes on sees when a closure has changed.
"""
import hashlib
import importlib.util
import sys
import types

from sygra.utils import utils

HASH_DIGITS = 8


def is_hook(value):
    """Whether a value of a task is one that has to be called: a function, a class, an object with `__call__` or `apply`."""
    if value is None or isinstance(value, (str, bytes, int, float, bool, dict, list, tuple)):
        return False
    return callable(value) or callable(getattr(value, "apply", None))


def dotted_path(value):
    """module.name if a process with the same sys.path finds the same thing under it, else None."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not module or not name or "." in name or "<" in name or module in ("__main__", "__mp_main__", "builtins"):
        return None
    found = sys.modules.get(module)
    if getattr(found, name, None) is not value or not _is_file_of(module, found):
        return None
    return f"{module}.{name}"


def _is_file_of(name, module):
    """A module that was made by hand, or loaded from a file that sys.path does not lead to, is nothing for a host."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    return bool(spec and spec.origin and spec.origin == getattr(module, "__file__", None))


def _codes_of(value):
    """The code objects of a function, of a class's methods, or of an object's class."""
    if isinstance(value, types.FunctionType):
        yield value.__code__
    elif isinstance(value, types.MethodType):
        yield value.__func__.__code__
    elif isinstance(value, type):
        for _, member in sorted(vars(value).items()):
            member = getattr(member, "__func__", member)
            if isinstance(member, types.FunctionType):
                yield member.__code__
    elif hasattr(value, "func"):  # functools.partial
        yield from _codes_of(value.func)
    else:
        yield from _codes_of(type(value))


def _add_code(code, digest):
    digest.update(code.co_code)
    digest.update(repr(code.co_names).encode())
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            _add_code(const, digest)
        elif not isinstance(const, frozenset):  # printed in another order by each process
            digest.update(repr(const).encode())


def code_hash(value):
    digest = hashlib.sha256()
    for code in _codes_of(value):
        _add_code(code, digest)
    return digest.hexdigest()[:HASH_DIGITS]


def _plain_name(value):
    name = getattr(value, "__qualname__", None) or type(value).__qualname__
    return name.rsplit("<locals>.", 1)[-1].strip("<>") or "closure"


class Closures(dict):
    """name -> callable: what this process serves. `replace` fills it."""

    def __init__(self, in_process=False):
        super().__init__()
        self.in_process = in_process  # also what could be imported by a host
        self._names = {}

    def name_of(self, value):
        """The same value has one name; two lambdas with the same code are two."""
        known = self._names.get(id(value))
        if known:
            return known
        name = base = f"{_plain_name(value)}@{code_hash(value)}"
        number = 1
        while name in self:
            number += 1
            name = f"{base}#{number}"
        self[name] = value
        self._names[id(value)] = name
        return name

    def reference(self, value):
        path = None if self.in_process else dotted_path(value)
        return path or {"closure": self.name_of(value)}

    def replace(self, value):
        """A copy of a task's value, with every callable in it replaced by what the task's file says instead."""
        if isinstance(value, dict):
            return {key: self.replace(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.replace(item) for item in value]
        return self.reference(value) if is_hook(value) else value

    def replace_task(self, config):
        """`replace` of a whole task. Steps over the rows are one chain, which runs in one process: here, if any of them can
        run nowhere else."""
        made = self.replace(config)
        source = (made.get("data_config") or {}).get("source")
        steps = source.get("transformations") if isinstance(source, dict) else None
        if any(isinstance(step.get("transform"), dict) for step in steps or [] if isinstance(step, dict)):
            source["transformations"] = [self._here(step) for step in steps]
        return made

    def _here(self, step):
        transform = step.get("transform")
        if not isinstance(transform, str):
            return step
        return {**step, "transform": {"closure": self.name_of(utils.get_class_from(transform))}}
