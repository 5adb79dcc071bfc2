# SPDX-License-Identifier: Apache-2.0
"""Stand-in for langchain_core.messages: the classes that hooks make and look into, and how they print."""
import json
from typing import Any, Dict, List, TypedDict, Union


class ToolCall(TypedDict):
    name: str
    args: Dict[str, Any]
    id: Any


class InvalidToolCall(TypedDict):
    name: Any
    args: Any
    id: Any
    error: Any


class BaseMessage:
    """Fields are attributes; two messages are equal when class and fields are."""

    type = "base"
    _fields = ("content", "additional_kwargs", "response_metadata", "type", "name", "id")
    _shown = ("content", "additional_kwargs", "response_metadata")  # also when empty

    def __init__(self, content=None, **fields):
        if content is None and "content" not in fields:
            raise TypeError(f"{type(self).__name__} needs content")
        self.content = content
        self.additional_kwargs = {}
        self.response_metadata = {}
        self.name = None
        self.id = None
        self._set_defaults()
        for name, value in fields.items():
            if name != "type":  # the class says it
                setattr(self, name, value)

    def _set_defaults(self):
        pass

    @property
    def text(self):
        """The content as text; of a list, its text parts."""
        if isinstance(self.content, str):
            return _Text(self.content)
        parts = [{"type": "text", "text": p} if isinstance(p, str) else p for p in self.content or []]
        return _Text("".join(p.get("text", "") for p in parts if p.get("type") == "text"))

    def model_dump(self):
        return {name: getattr(self, name) for name in self._fields}

    dict = model_dump

    def model_copy(self, update=None, deep=False):
        import copy

        made = copy.deepcopy(self) if deep else copy.copy(self)
        made.__dict__.update(update or {})
        return made

    copy = model_copy

    def pretty_repr(self, html=False):
        title = f" {self.type.title()} Message ".center(80, "=")
        named = f"\nName: {self.name}" if self.name is not None else ""
        return f"{title}{named}\n\n{self.content}"

    def pretty_print(self):
        print(self.pretty_repr())

    def _shown_fields(self):
        for name in self._fields:
            value = getattr(self, name)
            if name in self._shown or (name != "type" and value not in (None, [], {}, False)):
                yield f"{name}={value!r}"

    def __str__(self):
        return " ".join(self._shown_fields())

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(self._shown_fields())})"

    def __eq__(self, other):
        return type(self) is type(other) and self.__dict__ == other.__dict__

    __hash__ = None


class _Text(str):
    """`text` is an attribute in newer releases and was a method: both work."""

    def __call__(self):
        return str(self)


class HumanMessage(BaseMessage):
    type = "human"

    def _set_defaults(self):
        self.example = False

    _fields = BaseMessage._fields + ("example",)


class SystemMessage(BaseMessage):
    type = "system"


class AIMessage(BaseMessage):
    """`tool_calls` come from `additional_kwargs` (OpenAI's form) where they are not given."""

    type = "ai"
    _fields = BaseMessage._fields + ("example", "tool_calls", "invalid_tool_calls", "usage_metadata")

    def __init__(self, content=None, **fields):
        super().__init__(content, **fields)
        if "tool_calls" in fields:
            self.tool_calls = [{**call, "type": "tool_call"} for call in self.tool_calls]
        elif self.additional_kwargs.get("tool_calls"):
            self.tool_calls, self.invalid_tool_calls = parse_tool_calls(self.additional_kwargs["tool_calls"])

    def _set_defaults(self):
        self.example = False
        self.tool_calls = []
        self.invalid_tool_calls = []
        self.usage_metadata = None


class ToolMessage(BaseMessage):
    type = "tool"
    _fields = BaseMessage._fields + ("tool_call_id", "artifact", "status")
    _shown = ("content", "tool_call_id")

    def __init__(self, content=None, **fields):
        if "tool_call_id" not in fields:
            raise TypeError("ToolMessage needs tool_call_id")
        super().__init__(content, **fields)

    def _set_defaults(self):
        self.artifact = None
        self.status = "success"

    def _shown_fields(self):
        return (shown for shown in super()._shown_fields() if shown != "status='success'")


class FunctionMessage(BaseMessage):
    type = "function"


class ChatMessage(BaseMessage):
    """A message whose role is any text."""

    type = "chat"
    _fields = BaseMessage._fields + ("role",)

    def __init__(self, content=None, **fields):
        if "role" not in fields:
            raise TypeError("ChatMessage needs role")
        super().__init__(content, **fields)


AnyMessage = Union[AIMessage, HumanMessage, ChatMessage, SystemMessage, FunctionMessage, ToolMessage]


def parse_tool_calls(raw: List[dict]):
    """OpenAI's tool calls as (tool calls, those whose arguments are no JSON)."""
    good, bad = [], []
    for call in raw:
        function = call.get("function") or {}
        try:
            args = json.loads(function["arguments"])
            good.append({"name": function["name"], "args": args or {}, "id": call.get("id"), "type": "tool_call"})
        except (KeyError, TypeError, ValueError):
            invalid = {"name": function.get("name"), "args": function.get("arguments"), "id": call.get("id")}
            bad.append({**invalid, "error": None, "type": "invalid_tool_call"})
    return good, bad


def get_buffer_string(messages, human_prefix="Human", ai_prefix="AI"):
    """`Human: …` and so on, a message a line."""
    prefixes = {"human": human_prefix, "ai": ai_prefix, "system": "System", "tool": "Tool", "function": "Function"}
    return "\n".join(f"{prefixes.get(m.type) or m.role}: {m.text}" for m in messages)


def message_to_dict(message):
    return {"type": message.type, "data": message.model_dump()}


def messages_to_dict(messages):
    return [message_to_dict(m) for m in messages]


def messages_from_dict(messages):
    classes = {c.type: c for c in (AIMessage, HumanMessage, ChatMessage, SystemMessage, FunctionMessage, ToolMessage)}
    return [classes[m["type"]](**m["data"]) for m in messages]


__all__ = [
    "AIMessage",
    "AnyMessage",
    "BaseMessage",
    "ChatMessage",
    "FunctionMessage",
    "HumanMessage",
    "InvalidToolCall",
    "SystemMessage",
    "ToolCall",
    "ToolMessage",
    "get_buffer_string",
    "message_to_dict",
    "messages_from_dict",
    "messages_to_dict",
]
