# SPDX-License-Identifier: Apache-2.0
"""How each kind of hook is called, and what it may give: the table of roles in docs/formats/hook-protocol.md.

A hook is looked at once, when it is loaded: class or function, how many arguments, sync or async. So a wrong signature
is refused before the run, and no call is tried twice to find out.
"""
import inspect

from sygra import _messages
from sygra.core.graph.sygra_message import SygraMessage
from sygra.host import load, trouble, wire
from sygra.host.values import messages_of

_ORDINARY = frozenset((dict, type(None), str, list, int, float, bool, tuple))  # never awaitable


class Unfinished:
    """A sync hook gave something to be awaited."""

    __slots__ = ("hook", "awaitable", "held")

    def __init__(self, hook, awaitable, held):
        self.hook = hook
        self.awaitable = awaitable
        self.held = held

    async def run_async(self, call):
        return self.hook.frame(call, await self.awaitable, self.held)


class Hook:
    """One loaded hook. A role says how `arguments` of a call are made and what an `answer` may be."""

    label = ""  # what the task calls this place
    serial = False  # calls of it run one after the other, in their order
    asynchronous = False
    function = None
    may_wait = False  # it has taken long once
    waits = 0  # for how many calls it is believed to wait for something, and not to compute

    def __init__(self, host, found, config):
        self.codec = host.codec
        self.limit = host.result_bytes
        self.path = found.path
        self.found = found
        self.config = config
        self.description = {}

    def run(self, call):
        """The frame that answers the call, or an Unfinished. Raises what user code raises."""
        args, held = self.arguments(call)
        raw = self.function(*args)
        if type(raw) not in _ORDINARY and inspect.isawaitable(raw):
            return Unfinished(self, raw, held)
        return self.frame(call, raw, held)

    async def run_async(self, call):
        args, held = self.arguments(call)
        return self.frame(call, await self.function(*args), held)

    def frame(self, call, raw, held):
        try:
            outputs, effects = self.answer(raw, held)
        except trouble.Trouble as error:
            raise trouble.Trouble(error.fault, f"{self.label} {self.path}: {error.message}") from None
        if len(outputs) + len(effects) > self.limit:
            size = f"{len(outputs) + len(effects)} bytes of JSON, and {self.limit} are allowed"
            raise trouble.Trouble(wire.TOO_LARGE, f"{self.label} {self.path}: its result has {size}")
        return wire.result_frame(call.id, outputs, effects)

    def arguments(self, call):
        """(arguments, what was handed out or None)."""
        raise NotImplementedError

    def answer(self, raw, held):
        return self.codec.answer(self.must_be_map(raw), held)

    def must_be_map(self, raw):
        if isinstance(raw, dict) or raw is None:
            return raw
        raise self.useless(raw, "a dict of state variables, or None")

    def useless(self, raw, wanted):
        gave = "nothing (None)" if raw is None else f"a {type(raw).__name__}: {trouble.brief(raw)}"
        return trouble.Trouble(wire.USELESS, f"it returned {gave}; it must return {wanted}")

    def call_as(self, forms, method="apply", unbound=False):
        """Sets `function` to what the path names, to be called in one of the `forms`, the first that fits. `unbound`:
        a class's method is called without an instance where that fits. Returns how many arguments it takes.
        """
        self.function, shown, count = _callable(self, forms, method, unbound)
        self.asynchronous = load.is_async(shown)
        self.description = load.describe(self.found, shown)
        return count


# ---- what is called ----


def _callable(hook, forms, method, unbound):
    """(function, what its signature is seen on, number of arguments)."""
    target, owner = hook.found.target, hook.found.owner
    counts = [len(form) for form in forms]
    if inspect.isclass(target):
        return _of_class(hook, target, method, forms, counts, unbound)
    if inspect.isclass(owner) and inspect.isfunction(target):
        return _of_class(hook, owner, target.__name__, forms, counts, True)
    if not callable(target) and callable(getattr(target, method, None)):
        target = getattr(target, method)
    if not callable(target):
        kind = "a module" if inspect.ismodule(target) else f"a {type(target).__name__}"
        raise trouble.Refused(f"{hook.label} {hook.path} is {kind}, not a function or a class with {method}()")
    for count in counts:
        if load.takes(target, count):
            return target, target, count
    raise _wrong_signature(hook, target, forms)


def _of_class(hook, cls, method, forms, counts, unbound):
    function = getattr(cls, method, None)
    if not callable(function) or method in getattr(cls, "__abstractmethods__", ()):
        raise trouble.Refused(f"{hook.label} {hook.path}: class {cls.__name__} has no method {method}()")
    kept = inspect.getattr_static(cls, method)
    needs_self = not isinstance(kept, (staticmethod, classmethod))
    if unbound or not needs_self:
        for count in counts:
            if load.takes(function, count):
                return function, function, count
    if needs_self:
        for count in counts:
            if load.takes(function, count + 1):
                _must_be_made(hook, cls)
                return _fresh(cls, method), function, count
    raise _wrong_signature(hook, function, forms)


def must_be_whole(hook, path, cls):
    """A class that has methods left to define cannot be made."""
    missing = sorted(getattr(cls, "__abstractmethods__", ()))
    if missing:
        raise trouble.Refused(f"{hook.label} {path}: class {cls.__name__} does not define {', '.join(missing)}")


def _must_be_made(hook, cls):
    must_be_whole(hook, hook.path, cls)
    if not load.takes(cls, 0):
        wrong = f"is made without arguments, but takes ({', '.join(load.parameter_names(cls))})"
        raise trouble.Refused(f"{hook.label} {hook.path}: {cls.__name__} {wrong}")


def _fresh(cls, method):
    """Each call has an instance of its own: what one keeps on `self` is not seen by another."""

    def call(*args):
        return getattr(cls(), method)(*args)

    return call


def _wrong_signature(hook, function, forms):
    names = ", ".join(load.parameter_names(function))
    wanted = " or ".join(f"({', '.join(form)})" for form in forms)
    code = getattr(function, "__code__", None)
    place = f" ({code.co_filename.rpartition('/')[2]}:{code.co_firstlineno})" if code else ""
    return trouble.Refused(f"{hook.label} {hook.path} takes ({names}); it is called with {wanted}{place}")


# ---- hooks of nodes and edges ----


class Lambda(Hook):
    label = "lambda"

    def __init__(self, host, found, config):
        super().__init__(host, found, config)
        self.call_as([("node_config", "state")], unbound=True)

    def arguments(self, call):
        state = self.codec.decode_state(call.state)
        return (self.config, state), self.codec.hold(state)


class Pre(Hook):
    """What it returns is what this execution sees; of that, only what was changed in place stays in the state."""

    label = "pre_process"

    def __init__(self, host, found, config):
        super().__init__(host, found, config)
        self.call_as([("state",)])

    def arguments(self, call):
        state = self.codec.decode_state(call.state)
        return (state,), self.codec.hold(state)

    def answer(self, raw, held):
        if raw is None:
            raise self.useless(raw, "the state, changed or not, or a new one")
        return self.codec.answer(self.must_be_map(raw), held, says_all=True)


class Post(Hook):
    label = "post_process"

    def __init__(self, host, found, config):
        super().__init__(host, found, config)
        self.with_state = self.call_as([("response", "state"), ("response",)]) == 2
        self.wrapped = inspect.isclass(found.target)

    def arguments(self, call):
        response = _messages.from_chat(self.codec.decode(call.input, "response"))
        if self.wrapped:
            response = SygraMessage(response)
        if not self.with_state:
            return (response,), None
        state = self.codec.decode_state(call.state)
        return (response, state), self.codec.hold(state)


class Combine(Hook):
    label = "multi_llm_post_process"

    def __init__(self, host, found, config):
        super().__init__(host, found, config)
        self.call_as([("outputs",)])

    def arguments(self, call):
        outputs = self.codec.decode(call.input, "outputs")
        for update in outputs.values():
            if type(update) is dict and update.get("messages"):
                update["messages"] = messages_of(update["messages"])
        return (outputs,), None


class Condition(Hook):
    label = "condition"

    def __init__(self, host, found, config):
        super().__init__(host, found, config)
        self.call_as([("state",)], unbound=True)

    def arguments(self, call):
        state = self.codec.decode_state(call.state)
        return (state,), self.codec.hold(state)

    def answer(self, raw, held):
        chosen = raw if isinstance(raw, (list, tuple)) else (raw,)
        if not all(isinstance(choice, (str, bool, int, float, type(None))) for choice in chosen):
            raise self.useless(raw, "a key of path_map, or a list of them")
        return self.codec.encode(raw), self.codec.answer(None, held)[1]


class ModelPost(Hook):
    label = "post_process"

    def __init__(self, host, found, config):
        super().__init__(host, found, config)
        self.call_as([("text",)])

    def arguments(self, call):
        return (self.codec.decode(call.input, "text"),), None

    def answer(self, raw, held):
        if not isinstance(raw, str):
            raise self.useless(raw, "the text (str)")
        return self.codec.encode(raw), b""


# ---- hooks of the output ----


class Generate(Hook):
    """One instance for all calls of this host."""

    label = "generator"

    def __init__(self, host, found, config):
        super().__init__(host, found, config)
        generator = _made_of(self, config)
        if not callable(getattr(generator, "generate", None)):
            raise trouble.Refused(f"generator {found.path} has no method generate(state)")
        if not load.takes(generator.generate, 1):
            raise _wrong_signature(self, generator.generate, [("state",)])
        self.function = generator.generate
        self.asynchronous = load.is_async(self.function)
        self.description = load.describe(found, self.function)

    def arguments(self, call):
        return (self.codec.decode_state(call.state),), None

    def answer(self, raw, held):
        if raw is not None and not isinstance(raw, dict):
            raise self.useless(raw, "a dict, the output record, or None to drop it")
        return (b"[null]" if raw is None else self.codec.encode_map(raw)), b""


def _made_of(hook, config):
    cls = hook.found.target
    if not inspect.isclass(cls):
        return cls
    try:
        return cls(config)
    except BaseException as error:
        line, details = trouble.explain(error)
        raise trouble.Refused(f"{hook.label} {hook.path} cannot be made: {line}", details) from None


class Transform(Hook):
    """A function of a value and the state. A value that is the state's messages is handed over as such."""

    label = "transform"

    def __init__(self, host, found, config):
        super().__init__(host, found, config)
        self.call_as([("value", "state")])

    def arguments(self, call):
        value = self.codec.decode(call.input, "value")
        state = self.codec.decode_state(call.state)
        if state.get("messages") and b'"role"' in call.input and call.input in call.state:
            value = messages_of(value)
        return (value, state), None

    def answer(self, raw, held):
        return self.codec.encode(raw), b""


class Field(Transform):
    """A method of the generator class: static, or of an instance made of the output_config map."""

    def __init__(self, host, found, config):
        Hook.__init__(self, host, found, config)
        name = config["method"]
        kept = inspect.getattr_static(found.target, name, None)
        owner = found.target
        if not isinstance(kept, (staticmethod, classmethod)):
            owner = _made_of(self, config.get("config") or {})
        self.function = getattr(owner, name, None)
        if not callable(self.function):
            raise trouble.Refused(f"generator {found.path} has no method {name}(data, state)")
        if not load.takes(self.function, 2):
            raise _wrong_signature(self, self.function, [("data", "state")])
        self.asynchronous = load.is_async(self.function)
        self.description = load.describe(found, self.function)

