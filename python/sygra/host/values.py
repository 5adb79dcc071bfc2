# SPDX-License-Identifier: Apache-2.0
"""Python values as JSON and back.

What JSON knows goes as it is (tuples as arrays, numpy's numbers and arrays as theirs). Messages are chat maps;
elsewhere than in the list `messages` of a state they have the member `"__sygra__": "message"`, so that they come back as
objects. Anything else is opaque, see there.

A state is decoded once for a call. `Held` remembers what user code was handed, to tell afterwards which values came
back as they were and which were changed in place.
"""
import enum
import json
import marshal

from sygra import _messages
from sygra.host import opaque, trouble, wire

DEPTH_MAX = 511
_SCALARS = frozenset((str, int, float, bool, type(None)))
_MARK_BYTES = b'"__sygra__"'

_scan = json.JSONDecoder().raw_decode


def _make_encoder():
    """The C encoder, made once: json.dumps makes one for each call."""
    def refuse(value):
        raise TypeError(f"{type(value).__name__} is no JSON")

    text = json.encoder.encode_basestring
    try:
        make = json.encoder.c_make_encoder(None, refuse, text, None, ":", ",", False, False, False)
        return lambda value: "".join(make(value, 0))
    except TypeError:  # not there, or of another shape: it is no public name
        return json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=refuse).encode


_dump = _make_encoder()


def plain_json(value):
    """Bytes of what is known to be plain: names, counts, descriptions."""
    return _dump(value).encode()


class Held:
    """What a hook was handed: the values of a state, and of those that can change their encoding."""

    __slots__ = ("values", "prints")

    def __init__(self, values, prints):
        self.values = values
        self.prints = prints


class Codec:
    """`key_path` and `trust` are for opaque values, see there."""

    def __init__(self, key_path=None, trust=False):
        self._seals = opaque.Seals(key_path, trust, _is_json)
        self._kept_lists = {}  # tuple of keys -> their JSON: hooks return the same ones again and again

    # ---- JSON to Python ----

    def decode(self, data, where="value"):
        value = self._parse(data, where)
        return self._revive(value, where) if _MARK_BYTES in data else value

    def decode_state(self, data):
        """The state as a hook sees it: a dict, messages as objects."""
        if not data:
            return {}
        state = self.decode(data, "state")
        if type(state) is not dict:
            raise trouble.Trouble(wire.SENSELESS, "the state of a call is no JSON object")
        if state.get("messages"):
            state["messages"] = messages_of(state["messages"])
        return state

    def _parse(self, data, where):
        try:
            text = data.decode()
            value, end = _scan(text)
        except RecursionError:
            raise trouble.Trouble(wire.TOO_LARGE, f"{where} is nested too deep for Python") from None
        except ValueError as error:
            raise trouble.Trouble(wire.SENSELESS, f"{where} is no JSON: {error}") from None
        if end != len(text) and text[end:].strip():
            raise trouble.Trouble(wire.SENSELESS, f"{where} is no JSON: something follows it")
        return value

    def _revive(self, value, where):
        if type(value) is dict:
            mark = value.get(opaque.MARK)
            if mark == "opaque":
                return self._seals.open(value, where)
            if mark == "message":
                return _messages.from_chat(value)
            for key, item in value.items():
                if type(item) not in _SCALARS:
                    value[key] = self._revive(item, f"{where}[{key!r}]")
        elif type(value) is list:
            for i, item in enumerate(value):
                if type(item) not in _SCALARS:
                    value[i] = self._revive(item, f"{where}[{i}]")
        return value

    # ---- what was handed out, what came back ----

    def hold(self, state):
        prints = {}
        for key, value in state.items():
            if type(value) not in _SCALARS:
                prints[key] = self._print_of(key, value)
        return Held(dict(state), prints)

    def _print_of(self, key, value):
        """Bytes that differ when the value's encoding does. marshal's version 2 depends on values only, not on who
        else holds them."""
        try:
            return marshal.dumps([_inside(m) for m in value] if key == "messages" and type(value) is list else value, 2)
        except ValueError:
            return self._encode(value, f"state[{key!r}]", top=True)

    def answer(self, result, held, says_all=False):
        """(outputs, effects) for a hook that returned a dict or None, and was handed `held` (or None). What it changed
        in place and returned too is in the outputs only, unless it `says_all`."""
        if held is None:
            return (self.encode_map(result) if result is not None else b"[null]"), b""
        changed = [key for key, before in held.prints.items() if self._print_of(key, held.values[key]) != before]
        if result is None:
            outputs, kept = b"[null]", ()
        else:
            values = held.values
            kept = tuple([k for k, v in result.items() if k in values and values[k] is v and k not in changed])
            if len(kept) == len(result):
                outputs = b"[{}]"
            else:
                outputs = self.encode_map({k: v for k, v in result.items() if k not in kept} if kept else result)
        unsaid = {k: held.values[k] for k in changed if says_all or result is None or k not in result}
        return outputs, self._effects(kept, unsaid)

    def _effects(self, kept, changed):
        if not kept and not changed:
            return b""
        names = self._kept_lists.get(kept)
        if names is None:
            if len(self._kept_lists) > 1000:
                self._kept_lists.clear()
            names = self._kept_lists[kept] = plain_json(list(kept))
        if not changed:
            return b'{"kept":' + names + b"}"
        body = self.encode_map(changed, "state")[1:-1]
        return (b'{"kept":' + names + b',"changed":' if kept else b'{"changed":') + body + b"}"

    # ---- Python to JSON ----

    def encode_map(self, values, where="result"):
        """`[{…}]` of state keys and values: messages under the key `messages` are bare chat maps."""
        for key in values:
            if not isinstance(key, str):
                raise trouble.Trouble(wire.USELESS, f"{where} has a key that is no text: {trouble.brief(key)}")
        return b"[" + self._encode(values, where, top=True) + b"]"

    def encode(self, value):
        """`[value]`."""
        return b"[" + self._encode(value, "result", top=False) + b"]"

    def _encode(self, value, where, top):
        try:
            if not _is_plain(value, 0):
                value = self._natural(value, where, 0, top)
            return _dump(value).encode()
        except RecursionError:
            raise trouble.Trouble(wire.TOO_LARGE, f"{where} is nested too deep, or holds itself") from None
        except ValueError as error:  # UnicodeEncodeError is one
            raise self._blame(value, where, error) from None

    def _blame(self, value, where, error):
        for path, item in _leaves(value, where):
            if isinstance(item, float) and (item != item or item in (float("inf"), float("-inf"))):
                return trouble.Trouble(wire.USELESS, f"{path} is {item!r}, and JSON has no such number: return None")
            if isinstance(item, str) and any("\ud800" <= c <= "\udfff" for c in item):
                clean = "encode('utf-8', 'replace').decode() cleans it"
                say = f"{path} is a text with half a surrogate pair, which no file can hold: {clean}"
                return trouble.Trouble(wire.USELESS, say)
        return trouble.Trouble(wire.USELESS, f"{where} is no JSON: {error}")

    def _natural(self, value, where, depth, top=False):
        """A copy of plain JSON values. `top`: the value is a map of state keys, or the value of one."""
        if depth > DEPTH_MAX:
            raise trouble.Trouble(wire.TOO_LARGE, f"{where[:60]}… is nested deeper than {DEPTH_MAX} levels")
        kind = type(value)
        if kind in _SCALARS:
            return value
        if isinstance(value, enum.Enum) and not isinstance(value, (str, int, float)):
            return self._seals.seal(value, where)
        if isinstance(value, dict):
            if not all(isinstance(key, str) for key in value):
                return self._seals.seal(value, where)
            return {
                str.__str__(k): self._natural(v, f"{where}[{k!r}]", depth + 1, top and not depth and k == "messages")
                for k, v in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self._natural(item, f"{where}[{i}]", depth + 1, top) for i, item in enumerate(value)]
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float):
            return float(value)
        if _messages.is_message(value):
            chat = self._natural(_messages.to_chat(value), where, depth + 1)
            return chat if top else dict({opaque.MARK: "message"}, **chat)
        if kind.__module__.partition(".")[0] == "numpy" and hasattr(value, "tolist") and not _is_time(value):
            return self._natural(value.tolist(), where, depth + 1)
        return self._seals.seal(value, where)


def _inside(value):
    """Of a message what marshal knows; it is cheaper to look at than its chat map is to make."""
    return [type(value).__name__, value.__dict__] if _messages.is_message(value) else value


def messages_of(value):
    """The objects of a list of chat maps; anything else as it is."""
    if type(value) is not list:
        return value
    return [_messages.from_chat(m) if type(m) is dict and isinstance(m.get("role"), str) else m for m in value]


def _is_plain(value, depth):
    """Whether it is JSON already, with text for keys; the encoder itself would make text of 1 and None silently."""
    kind = type(value)
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str or (type(item) not in _SCALARS and not _is_plain(item, depth + 1)):
                return False
        return depth <= DEPTH_MAX
    if kind is list or kind is tuple:
        for item in value:
            if type(item) not in _SCALARS and not _is_plain(item, depth + 1):
                return False
        return depth <= DEPTH_MAX
    return kind in _SCALARS


def _is_json(value):
    if not _is_plain(value, 0):
        return False
    try:
        _dump(value).encode()
    except (ValueError, RecursionError):
        return False
    return True


def _leaves(value, where):
    """(path, value) of everything that is no container, keys included."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield f"a key of {where}", key
            yield from _leaves(item, f"{where}[{key!r}]")
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from _leaves(item, f"{where}[{i}]")
    else:
        yield where, value


def _is_time(value):
    return getattr(getattr(value, "dtype", None), "kind", "") in "mM"  # tolist makes counts of nanoseconds of them
