# SPDX-License-Identifier: Apache-2.0
"""Light stand-ins for the few names of langchain_core and langgraph that hooks import, where those are not installed.

`install()` puts a finder at the end of sys.meta_path: it is asked only for what no other finder has found, so an
installed package always wins. A name that a stand-in does not have raises an ImportError that says what to install.
"""
import importlib
import importlib.machinery
import importlib.util
import sys

# dotted name -> module of this package that holds its names; None: a package of no names
_MODULES = {
    "langchain_core": None,
    "langchain_core.messages": "messages",
    **{f"langchain_core.messages.{part}": "messages" for part in ("ai", "base", "human", "system", "tool")},
    "langchain_core.tools": "tools",
    "langgraph": None,
    "langgraph.constants": "graph",
    "langgraph.graph": "graph",
}
_DISTRIBUTIONS = {"langchain_core": "langchain-core", "langgraph": "langgraph"}


def install():
    """May be called again; costs no import."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())


def active():
    """The packages that a stand-in has been imported for, in order."""
    return sorted(name for name in _DISTRIBUTIONS if is_standin(sys.modules.get(name)))


def is_standin(module):
    return isinstance(getattr(module, "__loader__", None), _Loader)


def is_installed(package):
    """Whether the real package is there; imports nothing."""
    try:
        spec = sys.modules[package].__spec__ if package in sys.modules else importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return False
    return spec is not None and not isinstance(spec.loader, _Loader)


class _Finder:
    def find_spec(self, name, path=None, target=None):
        package = name.partition(".")[0]
        if package not in _DISTRIBUTIONS:
            return None
        if name != package and not is_standin(sys.modules.get(package)):
            return None  # a module that the real package does not have
        if name not in _MODULES:
            raise ModuleNotFoundError(_advice(package, f"the module {name}"), name=name)
        is_package = any(other.startswith(name + ".") for other in _MODULES)
        return importlib.machinery.ModuleSpec(name, _Loader(), is_package=is_package)


class _Loader:
    def create_module(self, spec):
        return None

    def exec_module(self, module):
        package = module.__name__.partition(".")[0]
        held = _MODULES[module.__name__]
        if held:
            source = importlib.import_module(f"sygra._standins.{held}")
            module.__all__ = list(source.__all__)
            module.__dict__.update({name: getattr(source, name) for name in source.__all__})

        def missing(name):
            if name.startswith("__"):  # the import system and inspect ask for these
                raise AttributeError(name)
            raise ImportError(_advice(package, f"{module.__name__}.{name}"), name=module.__name__)

        module.__getattr__ = missing


def _advice(package, what):
    return (
        f"{what} is needed, but {package} is not installed for {sys.executable}, and sygra's stand-in for it does not "
        f"have that: pip install {_DISTRIBUTIONS[package]}"
    )
