# SPDX-License-Identifier: Apache-2.0
"""Python values as JSON and back.

What JSON knows goes as it is (tuples as arrays, numpy's numbers and arrays as theirs). Messages are chat maps. Anything
else is *opaque*: pickled, with its type and a signature of this user's hosts, so that it comes back as it was. Maps with
the member `__sygra__` tell which:

    {"__sygra__":"message","role":…,"content":…}
    {"__sygra__":"opaque","type":…,"python":"3.11","module":sha256,"text":…,"json":…?,"pickle":base64,"mac":hex}

A state is decoded once for a call. `Held` remembers what user code was handed, to tell afterwards which values came back
as they were and which were changed in place.
"""
import base64
import dataclasses
import datetime
import enum
import hashlib
import hmac
import json
import marshal
import os
import pickle
import secrets
import sys

from sygra import _messages
from sygra.host import trouble, wire

DEPTH_MAX = 511
_PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
_SCALARS = frozenset((str, int, float, bool, type(None)))
_TEXT_MAX = 1000
_SHOWN_AS_TEXT = {"datetime.timedelta", "decimal.Decimal", "pathlib.PosixPath", "pathlib.PurePosixPath", "uuid.UUID"}
_MARK = "__sygra__"
_MARK_BYTES = b'"__sygra__"'

_scan = json.JSONDecoder().raw_decode


def _make_encoder():
    """The C encoder, made once: json.dumps makes one for each call."""
    def refuse(value):
        raise TypeError(f"{type(value).__name__} is no JSON")

    text = json.encoder.encode_basestring
    if json.encoder.c_make_encoder is None:
        whole = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=refuse)
        return whole.encode
    make = json.encoder.c_make_encoder(None, refuse, text, None, ":", ",", False, False, False)
    return lambda value: "".join(make(value, 0))


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
    """`key_path`: the file of the signing key, made when first needed; without one, what is pickled can be opened by
    this process only. `trust`: opens what others have signed.
    """

    def __init__(self, key_path=None, trust=False):
        self._key_path = key_path
        self._trust = trust
        self._key = None
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
            mark = value.get(_MARK)
            if mark == "opaque":
                return self._open(value, where)
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
                prints[key] = self._print(value, f"state[{key!r}]")
        return Held(dict(state), prints)

    def _print(self, value, where):
        """Bytes that differ when the value's encoding does. marshal's version 2 depends on values only, not on who
        else holds them."""
        try:
            return marshal.dumps(value, 2)
        except ValueError:
            return self._encode(value, where, top=True)

    def answer(self, result, held, says_all=False):
        """(outputs, effects) for a hook that returned a dict or None, and was handed `held` (or None). What it changed
        in place and returned too is in the outputs only, unless it `says_all`."""
        if held is None:
            return (self.encode_map(result) if result is not None else b"[null]"), b""
        changed = [key for key, before in held.prints.items() if self._print(held.values[key], f"state[{key!r}]") != before]
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
                say = "is a text with half a surrogate pair, which is no Unicode text: clean it with"
                return trouble.Trouble(wire.USELESS, f"{path} {say} .encode('utf-8', 'replace').decode()")
        return trouble.Trouble(wire.USELESS, f"{where} is no JSON: {error}")

    def _natural(self, value, where, depth, top=False):
        """A copy of plain JSON values. `top`: the value is a map of state keys, or the value of one."""
        if depth > DEPTH_MAX:
            raise trouble.Trouble(wire.TOO_LARGE, f"{where[:60]}… is nested deeper than {DEPTH_MAX} levels")
        kind = type(value)
        if kind in _SCALARS:
            return value
        if isinstance(value, enum.Enum) and not isinstance(value, (str, int, float)):
            return self._seal(value, where)
        if isinstance(value, dict):
            if not all(isinstance(key, str) for key in value):
                return self._seal(value, where)
            return {
                str.__str__(key): self._natural(item, f"{where}[{key!r}]", depth + 1, top and depth == 0 and key == "messages")
                for key, item in value.items()
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
            return chat if top else dict({_MARK: "message"}, **chat)
        if kind.__module__.partition(".")[0] == "numpy" and hasattr(value, "tolist") and not _is_time(value):
            return self._natural(value.tolist(), where, depth + 1)
        return self._seal(value, where)

    # ---- opaque values ----

    def _seal(self, value, where):
        kind = type(value)
        name = f"{kind.__module__}.{kind.__qualname__}"
        try:
            data = pickle.dumps(value, protocol=4)
        except BaseException as error:
            what = trouble.shorten(f"{type(error).__name__}: {error}")
            message = f"{where} is a {name}, which is neither JSON nor can be pickled ({what}): return plain values"
            raise trouble.Trouble(wire.USELESS, message) from None
        sealed = {
            _MARK: "opaque",
            "type": name,
            "python": _PYTHON,
            "module": _hash_of_module(kind.__module__),
            "text": _text_of(value),
            "pickle": base64.b64encode(data).decode(),
        }
        shown = self._shown(value, where)
        if shown is not None:
            sealed["json"] = shown
        sealed["mac"] = self._sign(sealed)
        return sealed

    def _shown(self, value, where):
        """What an output shows for it: plain JSON, or None where there is no natural form."""
        form = _natural_form(value)
        if form is None or not _is_plain(form, 0):
            return None
        try:
            _dump(form).encode()
        except (ValueError, RecursionError):
            return None
        return form

    def _open(self, sealed, where):
        name = sealed.get("type")
        try:
            data = base64.b64decode(sealed["pickle"], validate=True)
            right = hmac.compare_digest(self._sign(sealed), sealed["mac"])
        except (KeyError, TypeError, ValueError):
            raise trouble.Trouble(wire.RAISED, f"{where} pretends to be a pickled {name}, but is damaged") from None
        if not right and not self._trust:
            say = "but not by a host of this user: only a run that is trusted (--trust-run) may open it"
            raise trouble.Trouble(wire.RAISED, f"{where} is a {name} that has been pickled, {say}")
        try:
            return pickle.loads(data)
        except BaseException as error:
            raise trouble.Trouble(wire.RAISED, self._why_closed(sealed, where, error)) from None

    def _why_closed(self, sealed, where, error):
        name = sealed.get("type", "")
        why = [trouble.shorten(f"{type(error).__name__}: {error}")]
        if sealed.get("python") != _PYTHON:
            why.append(f"it was pickled by Python {sealed.get('python')}, this is {_PYTHON}")
        elif sealed.get("module") and sealed["module"] != _hash_of_module(str(name).rpartition(".")[0]):
            why.append("the file of its class has changed since")
        return f"{where} is a {name} that cannot be opened here: {'; '.join(why)}"

    def _sign(self, sealed):
        """Over the four members that say what would be opened."""
        text = "\n".join(str(sealed[name]) for name in ("type", "python", "module", "pickle"))
        return hmac.new(self._signing_key(), text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    def _signing_key(self):
        if self._key is None:
            self._key = _key_of_file(self._key_path) if self._key_path else secrets.token_bytes(32)
        return self._key


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


def shown(value):
    """For json.dumps: what a file shows for a value that JSON does not know."""
    if hasattr(value, "tolist"):
        return value.tolist()
    form = _natural_form(value)
    if form is None:
        raise TypeError(f"a {type(value).__module__}.{type(value).__qualname__} has no form in JSON")
    return form


def _natural_form(value):
    if isinstance(value, (datetime.date, datetime.time)):  # datetime is a date
        return value.isoformat()
    if isinstance(value, enum.Enum):
        return value.value
    if f"{type(value).__module__}.{type(value).__qualname__}" in _SHOWN_AS_TEXT:
        return str(value)
    if isinstance(value, (set, frozenset)):
        try:
            return sorted(value)
        except TypeError:
            return sorted(value, key=lambda item: (type(item).__name__, str(item)))
    if isinstance(value, dict):
        return {key if isinstance(key, str) else _text_of(key): item for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _or_none(lambda: dataclasses.asdict(value))
    if hasattr(type(value), "model_dump"):
        return _or_none(lambda: value.model_dump(mode="json"))
    return None


def _or_none(make):
    try:
        return make()
    except BaseException:
        return None


def _text_of(value):
    try:
        return str(value)[:_TEXT_MAX].encode("utf-8", "replace").decode()
    except BaseException as error:
        return f"<{type(value).__name__}: {type(error).__name__}>"


_module_hashes = {}


def _hash_of_module(name):
    """SHA-256 of the file that a class comes from; empty where there is none."""
    if name not in _module_hashes:
        path = getattr(sys.modules.get(name), "__file__", None)
        try:
            with open(path, "rb") as file:
                _module_hashes[name] = hashlib.sha256(file.read()).hexdigest()
        except (OSError, TypeError):
            _module_hashes[name] = ""
    return _module_hashes[name]


def _key_of_file(path):
    """Reads the key, or makes it: whole and readable by its owner only from the first moment, whoever comes first."""
    for _ in range(2):
        try:
            with open(path, "rb") as file:
                return file.read()
        except FileNotFoundError:
            _make_key_file(path)
    raise trouble.Trouble(wire.RAISED, f"the signing key {path} cannot be made")


def _make_key_file(path):
    import tempfile  # not with the rest: it is slow to import, and a key is made once

    folder = os.path.dirname(path) or "."
    os.makedirs(folder, mode=0o700, exist_ok=True)
    fd, draft = tempfile.mkstemp(dir=folder)  # mode 0600
    with os.fdopen(fd, "wb") as file:
        file.write(secrets.token_bytes(32))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(draft)
