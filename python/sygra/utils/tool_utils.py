# SPDX-License-Identifier: Apache-2.0
"""Tools of a task, by dotted names."""
import json
from abc import ABC, abstractmethod

from sygra import _tools


class LangChainToolsWrapper(ABC):
    """Gives tools that are made at run time; an entry of `tools` may name a class that derives from it."""

    @abstractmethod
    def get_tools(self) -> list:
        """Returns tool objects."""


def load_tools(tool_paths):
    """The tool objects of all entries."""
    return [tool for path in tool_paths for tool in _tools.load(path)]


def convert_openai_to_langchain_toolcall(openai_tool_call):
    """{"id", "function": {"name", "arguments"}} as {"id", "name", "args"}, with `raw_arguments` if they are no JSON."""
    if "function" not in openai_tool_call:
        raise ValueError("a tool call has a `function`")
    function = openai_tool_call["function"]
    args = function.get("arguments", "{}")
    if isinstance(args, str):
        try:
            args = json.loads(args)
        except ValueError:
            args = {"raw_arguments": args}
    return {"name": function.get("name"), "args": args, "id": openai_tool_call.get("id")}
