# SPDX-License-Identifier: Apache-2.0
"""What a dotted path names: `module[.Class|.function|.name[.method]]`, imported once, or a refusal that says how far it
came, in which interpreter, and what to do.
"""
import difflib
import hashlib
import importlib
import inspect
import os
import sys

from sygra import _messages, _standins
from sygra.host import trouble

_DISTRIBUTIONS = {  # what `pip install` calls some packages that are imported by another name
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dotenv": "python-dotenv",
    "fitz": "pymupdf",
    "langchain_core": "langchain-core",
    "sentence_transformers": "sentence-transformers",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "PyYAML",
}


class Found:
    """What a path names: `target`, the class or object that it was taken from (`owner`, None for a module's own), and
    the module."""

    __slots__ = ("path", "target", "owner", "module")

    def __init__(self, path, target, owner, module):
        self.path = path
        self.target = target
        self.owner = owner
        self.module = module


class Loader:
    """Imports for one host. A module that failed once is not tried again: it may have done half its work."""

    def __init__(self, paths):
        self.paths = list(paths)
        self._failed = {}  # module name -> Refused

    def find(self, path):
        parts = path.split(".")
        if not all(part.isidentifier() for part in parts):
            raise trouble.Refused(f"{path!r} is no dotted path of Python names")
        module, depth = self._import_longest(path, parts)
        owner, target = None, module
        for i in range(depth, len(parts)):
            above = target
            try:
                target = getattr(above, parts[i])
            except AttributeError:
                raise self._no_attribute(path, above, ".".join(parts[:i]), parts[i], module) from None
            owner = above if above is not module else None
        return Found(path, target, owner, module)

    def _import_longest(self, path, parts):
        """(module, how many of the parts it took)."""
        module, depth = None, 0
        for i in range(1, len(parts) + 1):
            name = ".".join(parts[:i])
            if module is not None and name not in sys.modules and not hasattr(module, "__path__"):
                break
            try:
                module, depth = self._import(name), i
            except ModuleNotFoundError as error:
                if error.name != name:
                    raise self._refuse(name, self._missing(path, name, error)) from None
                if module is None:
                    raise trouble.Refused(f"cannot import {path}: {self._nowhere(name)}") from None
                if i < len(parts) and not hasattr(module, parts[i - 1]):
                    raise trouble.Refused(f"cannot import {path}: {self._nowhere(name)}") from None
                break
        return module, depth

    def _import(self, name):
        if name in self._failed:
            raise self._failed[name]
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            raise
        except BaseException as error:
            line, details = trouble.explain(error)
            raise self._refuse(name, trouble.Refused(f"importing {name} fails: {line}", details)) from None

    def _refuse(self, name, refused):
        self._failed[name] = refused
        return refused

    def _nowhere(self, name):
        looked = ", ".join(self.paths) or "the current folder"
        return f"there is no module {name!r} ({_interpreter()}; looked in {looked} and the interpreter's own folders)"

    def _missing(self, path, name, error):
        """A module imports what is not there: the user's own slip, or a package to be installed."""
        line, details = trouble.explain(error)
        place = line.rpartition(" (")[2].rstrip(")")
        missing = error.name or str(error)
        package = missing.partition(".")[0]
        if self._is_own(package):
            why = f"{name} imports {missing!r}, which does not exist ({place})"
            return trouble.Refused(f"cannot import {path}: {why}", details)
        install = f"{sys.executable} -m pip install {_DISTRIBUTIONS.get(package, package)}"
        return trouble.Refused(
            f"cannot import {path}: {name} imports {missing!r}, which is not installed for {_interpreter()} ({place}). "
            f"Install it: {install}, or choose another interpreter with --python",
            details,
        )

    def _is_own(self, package):
        return any(
            os.path.exists(os.path.join(folder, package)) or os.path.exists(os.path.join(folder, package + ".py"))
            for folder in self.paths
        )

    def _no_attribute(self, path, above, name, wanted, module):
        names = [n for n in getattr(above, "__dict__", ()) if not n.startswith("__")]
        near = difflib.get_close_matches(wanted, names, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        file = getattr(module, "__file__", None)
        return trouble.Refused(f"cannot load {path}: {name} has no {wanted!r}{hint}" + (f" ({file})" if file else ""))


def _interpreter():
    return f"{sys.executable}, Python {'.'.join(map(str, sys.version_info[:3]))}"


def prefer_real_messages(found):
    """Must run before a hook gets messages: the source says whether it knows the real classes."""
    source = _source_of(found.module)
    if source:
        _messages.prefer_real(source)


def describe(found, function):
    """What the engine is told of a hook; `function` is what will be called."""
    source = _source_of(found.module) if found.module else b""
    said = {
        "kind": _kind(found.target),
        "name": getattr(found.target, "__qualname__", type(found.target).__name__),
        "async": is_async(function),
        "parameters": parameter_names(function),
        "stand_ins": _standins.active(),
        "python": ".".join(map(str, sys.version_info[:3])),
    }
    file = getattr(found.module, "__file__", None)
    if file:
        said.update(file=file, line=_line_of(found.target), sha256=hashlib.sha256(source).hexdigest())
    return said


def _source_of(module):
    try:
        with open(module.__file__, "rb") as file:
            return file.read()
    except (AttributeError, OSError, TypeError):
        return b""


def _kind(target):
    if inspect.isclass(target):
        return "class"
    if inspect.ismodule(target):
        return "module"
    return "function" if inspect.isroutine(target) else "object"


def _line_of(target):
    code = getattr(inspect.unwrap(target) if callable(target) else target, "__code__", None)
    if code is not None:
        return code.co_firstlineno
    try:
        return inspect.getsourcelines(target)[1]
    except (OSError, TypeError):
        return 1


def is_async(function):
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))


def parameter_names(function):
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []


def takes(function, count):
    """Whether it can be called with so many arguments. Functions in C that do not say are believed."""
    try:
        inspect.signature(function).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:
        return True
    return True
