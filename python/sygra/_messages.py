# SPDX-License-Identifier: Apache-2.0
"""Chat maps ({"role", "content", …}) to message objects and back, whichever langchain_core is loaded.

Importing the real langchain_core takes longer than starting a host. So its classes are used where it is loaded already,
as it is once a hook's module has imported it; otherwise messages are stand-ins. `prefer_real` is for hooks that import
it only when they are called.
"""
import importlib
import json
import sys

from sygra import _standins
from sygra._standins import messages as standin

_ROLE_OF_TYPE = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool", "function": "function"}
_KEPT = ("name",)


def classes():
    """The module whose message classes are handed to hooks now."""
    return sys.modules.get("langchain_core.messages") or standin


def prefer_real(source: bytes):
    """Loads the real langchain_core if the text of a hook's module speaks of it and it is installed."""
    loaded = "langchain_core.messages" in sys.modules
    if b"langchain" in source and not loaded and _standins.is_installed("langchain_core"):
        importlib.import_module("langchain_core.messages")


def is_message(value):
    if isinstance(value, standin.BaseMessage):
        return True
    loaded = sys.modules.get("langchain_core.messages")
    return loaded is not None and isinstance(value, loaded.BaseMessage)


def from_chat(message: dict):
    """The message object of a chat map. Raises ValueError for a role that is none."""
    made, role, content = classes(), message.get("role"), message.get("content")
    fields = {name: message[name] for name in _KEPT if message.get(name) is not None}
    fields["content"] = "" if content is None else content
    if role in ("user", "human"):
        return made.HumanMessage(**fields)
    if role in ("assistant", "ai"):
        if message.get("tool_calls"):
            fields["additional_kwargs"] = {"tool_calls": message["tool_calls"]}
        return made.AIMessage(**fields)
    if role == "system":
        return made.SystemMessage(**fields)
    if role == "tool":
        return made.ToolMessage(tool_call_id=message.get("tool_call_id") or "", **fields)
    if not isinstance(role, str):
        raise ValueError(f"a message needs a role: {message!r:.200}")
    return made.ChatMessage(role=role, **fields)


def to_chat(message) -> dict:
    """The chat map of a message object."""
    role = _ROLE_OF_TYPE.get(message.type) or getattr(message, "role", message.type)
    chat = {"role": role, "content": message.content}
    for name in _KEPT:
        if getattr(message, name, None) is not None:
            chat[name] = getattr(message, name)
    calls = _chat_tool_calls(message)
    if calls:
        chat["tool_calls"] = calls
    if message.type == "tool":
        chat["tool_call_id"] = message.tool_call_id
    return chat


def _chat_tool_calls(message):
    """In OpenAI's form: the very ones that the message was made of, unless they have been changed since."""
    parsed = list(getattr(message, "tool_calls", None) or [])
    invalid = list(getattr(message, "invalid_tool_calls", None) or [])
    raw = message.additional_kwargs.get("tool_calls") if message.additional_kwargs else None
    if raw and [dict(c) for c in parsed] == standin.parse_tool_calls(raw)[0]:
        return raw
    return [_chat_tool_call(c, json.dumps(c["args"], ensure_ascii=False)) for c in parsed] + [
        _chat_tool_call(c, c["args"]) for c in invalid
    ]


def _chat_tool_call(call, arguments):
    return {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": arguments}}
