# SPDX-License-Identifier: Apache-2.0
"""Values that JSON does not know, on their way through a state that is JSON: pickled, with the type, what a person and
an output are shown, and a signature. Pickles are code: a host opens only what has been signed with this user's key.

    {"__sygra__":"opaque","type":"module.Class","python":"3.11","module":SHA-256 of its file or "","text":str(value),
     "json":what an output shows, where there is a natural form,"pickle":base64,"mac":HMAC-SHA256 in hex}

The signature is over type, python, module and pickle, joined by newlines.
"""
import base64
import dataclasses
import datetime
import enum
import hashlib
import hmac
import os
import pickle
import secrets
import sys

from sygra.host import trouble, wire

MARK = "__sygra__"
_PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
_TEXT_MAX = 1000
_SHOWN_AS_TEXT = {"datetime.timedelta", "decimal.Decimal", "pathlib.PosixPath", "pathlib.PurePosixPath", "uuid.UUID"}


class Seals:
    """`key_path`: the file of the key, made when first needed; without one, what is sealed can be opened by this
    process only. `trust`: opens what others have signed. `shows`: tells whether a form is plain JSON.
    """

    def __init__(self, key_path, trust, shows):
        self._key_path = key_path
        self._trust = trust
        self._shows = shows
        self._key = None

    def seal(self, value, where):
        kind = type(value)
        name = f"{kind.__module__}.{kind.__qualname__}"
        try:
            data = pickle.dumps(value, protocol=4)
        except BaseException as error:
            what = trouble.shorten(f"{type(error).__name__}: {error}")
            message = f"{where} is a {name}, which is neither JSON nor can be pickled ({what}): return plain values"
            raise trouble.Trouble(wire.USELESS, message) from None
        sealed = {
            MARK: "opaque",
            "type": name,
            "python": _PYTHON,
            "module": _hash_of_module(kind.__module__),
            "text": _text_of(value),
            "pickle": base64.b64encode(data).decode(),
        }
        form = natural_form(value)
        if form is not None and self._shows(form):
            sealed["json"] = form
        sealed["mac"] = self._sign(sealed)
        return sealed

    def open(self, sealed, where):
        name = sealed.get("type")
        try:
            data = base64.b64decode(sealed["pickle"], validate=True)
            right = hmac.compare_digest(self._sign(sealed), sealed["mac"])
        except (KeyError, TypeError, ValueError):
            raise trouble.Trouble(wire.RAISED, f"{where} pretends to be a pickled {name}, but is damaged") from None
        if not right and not self._trust:
            say = "but not by a host of this user: only a run that is trusted (--trust_run) may open it"
            raise trouble.Trouble(wire.RAISED, f"{where} is a {name} that has been pickled, {say}")
        try:
            return pickle.loads(data)
        except BaseException as error:
            raise trouble.Trouble(wire.RAISED, _why_closed(sealed, where, error)) from None

    def _sign(self, sealed):
        text = "\n".join(str(sealed[name]) for name in ("type", "python", "module", "pickle"))
        if self._key is None:
            self._key = _key_of_file(self._key_path) if self._key_path else secrets.token_bytes(32)
        return hmac.new(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _why_closed(sealed, where, error):
    name = sealed.get("type", "")
    why = [trouble.shorten(f"{type(error).__name__}: {error}")]
    if sealed.get("python") != _PYTHON:
        why.append(f"it was pickled by Python {sealed.get('python')}, this is {_PYTHON}")
    elif sealed.get("module") and sealed["module"] != _hash_of_module(str(name).rpartition(".")[0]):
        why.append("the file of its class has changed since")
    return f"{where} is a {name} that cannot be opened here: {'; '.join(why)}"


# ---- what is shown of a value ----


def shown(value):
    """For json.dumps: what a file shows for a value that JSON does not know."""
    if hasattr(value, "tolist"):
        return value.tolist()
    form = natural_form(value)
    if form is None:
        raise TypeError(f"a {type(value).__module__}.{type(value).__qualname__} has no form in JSON")
    return form


def natural_form(value):
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


# ---- files ----


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
