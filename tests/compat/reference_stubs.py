# SPDX-License-Identifier: Apache-2.0
"""Empty stand-ins for what the reference imports and its graph engine never uses: 7 GB of libraries for models, media and tables.

`install()` before `import sygra`. A name that is not installed and whose first part is in NAMES becomes a module whose attributes are
classes that take anything and do nothing; one that is installed is imported as ever. What judges (sygra itself, langgraph,
langchain_core, langchain_openai's conversion of messages, pydantic, PyYAML) is never replaced.
"""
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types

NAMES = {"PIL", "aiohttp", "boto3", "datasets", "fasttext", "google", "httpx_sse", "huggingface_hub", "langchain_community", "lexicalrichness", "litellm",
         "matplotlib", "mistralai", "mistralai_azure", "mlxtend", "nltk", "ollama", "openai", "pandarallel", "pandas", "pysnc", "sklearn", "sentence_transformers",
         "soundfile", "tiktoken", "torch", "transformers", "ujson"}


class Anything(type):
    """The class of a stand-in: its attributes, items and members are stand-ins too."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return stand_in(name)

    def __getitem__(cls, _):
        return cls

    def __or__(cls, _):
        return cls

    __ror__ = __or__


def stand_in(name):
    return Anything(name, (Exception,), {"__init__": lambda self, *_, **__: None, "__module__": "stand_in"})


class Module(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        made = stand_in(name)
        setattr(self, name, made)
        return made


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Asked last, so only for what is not there."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname.split(".")[0] not in NAMES:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec):
        return Module(spec.name)

    def exec_module(self, module):
        module.__path__ = []


def install():
    sys.meta_path.append(Finder())
