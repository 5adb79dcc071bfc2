# SPDX-License-Identifier: Apache-2.0
"""What an entry of `tools` stands for, as OpenAI's tool objects.

An entry is a dotted name: of a tool, of a class (all tools that are its members), of a LangChainToolsWrapper (what its
`get_tools` gives), or of a module (all tools in it). Members come in the order of their names.
"""
import importlib
import inspect
import sys

from sygra._standins import tools as standin


def describe(dotted):
    """The tool objects of an entry. Raises ValueError, which says what was found instead."""
    return [openai_tool(tool) for tool in load(dotted)]


def load(dotted):
    found = _resolve(dotted)
    if is_tool(found):
        return [found]
    if inspect.isclass(found):
        from sygra.utils.tool_utils import LangChainToolsWrapper

        tools = found().get_tools() if issubclass(found, LangChainToolsWrapper) else _members(found)
    elif inspect.ismodule(found):
        tools = _members(found)
    else:
        raise ValueError(f"'{dotted}' is a {type(found).__name__}, no tool: a function becomes one by @tool above it")
    if not tools:
        raise ValueError(f"'{dotted}' has no tools: functions become tools by @tool above them")
    return tools


def is_tool(value):
    real = sys.modules.get("langchain_core.tools")
    return isinstance(value, standin.BaseTool) or (real is not None and isinstance(value, real.BaseTool))


def openai_tool(tool):
    if isinstance(tool, standin.BaseTool):
        return tool.openai_tool()
    from langchain_core.utils.function_calling import convert_to_openai_tool

    return convert_to_openai_tool(tool, strict=True)


def _members(owner):
    return [member for _, member in inspect.getmembers(owner) if is_tool(member)]


def _resolve(dotted):
    """A name in a module, or a module. An error inside of a module that exists is its own."""
    parent, _, name = dotted.rpartition(".")
    if not parent:
        return importlib.import_module(dotted)
    module = importlib.import_module(parent)
    if hasattr(module, name):
        return getattr(module, name)
    try:
        return importlib.import_module(dotted)
    except ModuleNotFoundError as error:
        if error.name != dotted:
            raise
        raise ValueError(f"'{dotted}': the module {parent} has no '{name}'") from None
