# SPDX-License-Identifier: Apache-2.0
"""Stand-in for langchain_core.tools: `@tool`, classes of tools, and what describes them to a model. Tools can be
called; callbacks and artifacts of the real package are not here.
"""
import asyncio
import inspect
import json
import textwrap

from sygra import _schema
from sygra._standins.messages import ToolMessage

_HIDDEN = ("run_manager", "callbacks", "config")  # what the framework itself hands to a tool


class ToolException(Exception):
    """An error of a tool that a model may be told."""


class BaseTool:
    """A tool: derive from it with `name`, `description` and `_run`, and `args_schema` (a pydantic class or a JSON
    schema) where the signature of `_run` does not say enough.
    """

    name = None
    description = ""
    args_schema = None
    return_direct = False

    def __init__(self, **fields):
        for field, value in fields.items():
            setattr(self, field, value)

    def _run(self, *args, **kwargs):
        raise NotImplementedError("this tool has no function of its own: `await` its `ainvoke`, or give it a `func`")

    async def _arun(self, *args, **kwargs):
        return self._run(*args, **kwargs)

    @property
    def args(self):
        """Parameter -> its schema."""
        return self.input_json_schema().get("properties", {})

    def input_json_schema(self):
        if isinstance(self.args_schema, dict):
            return self.args_schema
        if self.args_schema is not None:
            return _schema.of_model(self.args_schema)
        return _schema.of_function(self._run, _HIDDEN)

    def openai_tool(self):
        """As a request carries it, `strict`."""
        parameters = _schema.for_model_api(self.input_json_schema())
        function = {"name": self.name, "description": self.description, "parameters": parameters, "strict": True}
        return {"type": "function", "function": function}

    def invoke(self, input, config=None, **kwargs):
        return self._answer(input, self._run(**self._arguments(input)))

    async def ainvoke(self, input, config=None, **kwargs):
        return self._answer(input, await self._arun(**self._arguments(input)))

    def run(self, tool_input, **kwargs):
        return self.invoke(tool_input)

    def __call__(self, tool_input):
        return self.invoke(tool_input)

    def _arguments(self, input):
        """From a map of arguments, a tool call, or the one argument itself."""
        if not isinstance(input, dict):
            return {next(iter(self.args)): input}
        return input["args"] if _is_call(input) else input

    def _answer(self, input, result):
        """A tool call is answered with a message."""
        if not _is_call(input):
            return result
        content = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False, default=str)
        return ToolMessage(content, name=self.name, tool_call_id=input["id"])

    def __repr__(self):
        return f"{type(self).__name__}(name={self.name!r}, description={self.description!r})"


class StructuredTool(BaseTool):
    """A tool that is a function, a coroutine function, or one of each."""

    func = None
    coroutine = None

    @classmethod
    def from_function(
        cls,
        func=None,
        coroutine=None,
        name=None,
        description=None,
        return_direct=False,
        args_schema=None,
        *,
        parse_docstring=False,
        error_on_invalid_docstring=False,
    ):
        source = func or coroutine
        if source is None:
            raise ValueError("a tool needs `func` or `coroutine`")
        texts = {}
        if parse_docstring:
            summary, texts = _google_docstring(source, error_on_invalid_docstring)
        else:
            summary = _summary(source, args_schema)
        if args_schema is None:
            args_schema = _schema.of_function(source, _HIDDEN, texts)
        made = cls(name=name or source.__name__, args_schema=args_schema, func=func, coroutine=coroutine)
        made.description = (description or summary or "").strip()
        made.return_direct = return_direct
        if not made.description:
            raise ValueError("say what the tool does: in a docstring, or as `description`")
        return made

    def _run(self, *args, **kwargs):
        if self.func is None:
            return super()._run()
        return self.func(*args, **kwargs)

    async def _arun(self, *args, **kwargs):
        if self.coroutine is not None:
            return await self.coroutine(*args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(None, lambda: self.func(*args, **kwargs))


def tool(
    name_or_callable=None,
    *,
    description=None,
    return_direct=False,
    args_schema=None,
    parse_docstring=False,
    error_on_invalid_docstring=True,
    **others,
):
    """Makes a function a tool: `@tool`, `@tool("name")`, `@tool(args_schema=…)` and so on."""
    if others:
        raise TypeError(f"sygra's stand-in for @tool does not know {', '.join(others)}: pip install langchain-core")

    def made(function, name=None):
        is_async = inspect.iscoroutinefunction(function)
        return StructuredTool.from_function(
            None if is_async else function,
            function if is_async else None,
            name,
            description,
            return_direct,
            args_schema,
            parse_docstring=parse_docstring,
            error_on_invalid_docstring=error_on_invalid_docstring,
        )

    if callable(name_or_callable):
        return made(name_or_callable)
    return lambda function: made(function, name_or_callable)


def _is_call(input):
    return isinstance(input, dict) and input.get("type") == "tool_call"


def _summary(function, args_schema):
    text = function.__doc__
    if not text and args_schema is not None and not isinstance(args_schema, dict):
        text = args_schema.__doc__
    return textwrap.dedent(text or "")


def _google_docstring(function, strict):
    """The text before `Args:`, its paragraphs joined, and a text for each parameter."""
    blocks = (inspect.getdoc(function) or "").split("\n\n")
    if strict and inspect.signature(function).parameters and not any(b.startswith("Args:") for b in blocks[1:]):
        raise ValueError("parse_docstring: the docstring has no block that begins with `Args:`")
    summary, texts = [], {}
    for block in blocks:
        if block.startswith("Args:"):
            texts = _argument_texts(block.split("\n")[1:])
            break
        if block.startswith(("Returns:", "Example:")):
            break
        summary.append(block)
    return " ".join(summary).strip(), texts


def _argument_texts(lines):
    texts, name = {}, None
    for line in lines:
        if ":" in line:
            head, _, text = line.partition(":")
            name = head.strip().partition(" ")[0]
            texts[name] = text.strip()
        elif name:
            texts[name] += " " + line.strip()
    return texts


__all__ = ["BaseTool", "StructuredTool", "ToolException", "tool"]
