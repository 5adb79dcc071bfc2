# SPDX-License-Identifier: Apache-2.0
"""Prompt templates of chat maps: langchain_core's where it is installed, else what code calls on them."""
import importlib
import re

from sygra import _messages, _standins

_NAMES = {
    "user": "HumanMessagePromptTemplate",
    "assistant": "AIMessagePromptTemplate",
    "system": "SystemMessagePromptTemplate",
}


def from_chat(messages):
    made = []
    for message in messages:
        role, content = message["role"], message["content"]
        if role == "tool":
            result = content[0]
            chat = {"role": "tool", "content": result.get("content"), "tool_call_id": result.get("tool_call_id")}
            made.append(_messages.from_chat(chat))
        elif role in _NAMES:
            made.append(_template(role, content))
    return made


def _template(role, content):
    if _standins.is_installed("langchain_core"):
        return getattr(importlib.import_module("langchain_core.prompts.chat"), _NAMES[role]).from_template(content)
    return Template(role, content)


class Template:
    """A text, or a list of parts, with `{variables}`; `{{` and `}}` stand for braces."""

    def __init__(self, role, content):
        self.role, self.content = role, content

    @property
    def input_variables(self):
        texts = [re.sub(r"\{\{|\}\}", "", text) for text in self._texts()]
        return sorted({name for text in texts for name in re.findall(r"\{([^{}]*)\}", text)})

    def format(self, **values):
        return _messages.from_chat({"role": self.role, "content": _filled(self.content, values)})

    def format_messages(self, **values):
        return [self.format(**values)]

    def _texts(self):
        parts = [self.content] if isinstance(self.content, str) else self.content
        return [part if isinstance(part, str) else part.get("text", "") for part in parts]


def _filled(content, values):
    if isinstance(content, str):
        return content.format(**values)
    if isinstance(content, dict):
        return {key: _filled(value, values) for key, value in content.items()}
    return [_filled(part, values) for part in content] if isinstance(content, list) else content
