# SPDX-License-Identifier: Apache-2.0
"""JSON schemas of Python signatures, as pydantic words them, and what a model's API wants of them.

Usual types need nothing but the standard library; for others (models, dates, dataclasses) pydantic is asked.
"""
import collections.abc
import enum
import inspect
import types
import typing

_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
_LISTS = (list, collections.abc.Sequence, collections.abc.Iterable, collections.abc.MutableSequence)
_SETS = (set, frozenset, collections.abc.Set)
_MAPS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_UNIONS = (typing.Union, getattr(types, "UnionType", typing.Union))
_EMPTY = inspect.Parameter.empty


def of_function(function, hidden=(), descriptions=None):
    """The schema of what the function takes. `descriptions` (parameter -> text) count over those of `Annotated`."""
    properties, required = {}, []
    for name, parameter in inspect.signature(function).parameters.items():
        if name in hidden:
            continue
        schema = _of_parameter(function, parameter, (descriptions or {}).get(name))
        if "default" not in schema:
            required.append(name)
        properties[name] = schema
    made = {"properties": properties, "type": "object"}
    if required:
        made = {"properties": properties, "required": required, "type": "object"}
    return made


def of_model(model):
    """The schema of a pydantic class, without references."""
    make = getattr(model, "model_json_schema", None) or model.schema  # version 2, version 1
    return dereferenced(make())


def dereferenced(schema):
    """With definitions in the places of references to them. Raises ValueError for one that refers to itself."""
    definitions = schema.get("$defs") or schema.get("definitions") or {}
    rest = {key: value for key, value in schema.items() if key not in ("$defs", "definitions")}
    return _with_definitions(rest, definitions, ())


def for_model_api(schema):
    """A schema as tools are described with `strict`: no titles, and maps take no other keys."""
    return _closed(_untitled({key: value for key, value in schema.items() if key != "description"}))


# --- types ------------------------------------------------------------------------------------------------------------


def _of_parameter(function, parameter, description):
    annotation = _annotation(function, parameter)
    if _is_field(parameter.default) or any(_is_field(note) for note in getattr(annotation, "__metadata__", ())):
        return _field_by_pydantic(parameter.name, annotation, parameter.default, description)
    if parameter.kind is parameter.VAR_POSITIONAL:
        schema = {"items": _of_type(annotation), "type": "array", "default": None}
    elif parameter.kind is parameter.VAR_KEYWORD:
        schema = {"additionalProperties": _of_type(annotation) or True, "type": "object", "default": None}
    else:
        schema = _described(annotation)
        if parameter.default is not _EMPTY:
            schema["default"] = _json_of(parameter.default)
    if description:
        schema["description"] = description
    if _is_named(annotation):
        return schema
    return dict(sorted({**schema, "title": parameter.name.replace("_", " ").title()}.items()))


def _annotation(function, parameter):
    annotation = parameter.annotation
    if isinstance(annotation, str):
        annotation = eval(annotation, getattr(function, "__globals__", {}))  # of a module with postponed annotations
    return annotation


def _described(annotation):
    """The type's schema, with the first text of an `Annotated`."""
    schema = _of_type(annotation)
    texts = [note for note in getattr(annotation, "__metadata__", ()) if isinstance(note, str)]
    return {**schema, "description": texts[0]} if texts else dict(schema)


def _of_type(kind):
    origin, args = typing.get_origin(kind) or kind, typing.get_args(kind)
    if kind in (_EMPTY, typing.Any, object):
        return {}
    if kind is None or kind in _PLAIN:
        return {"type": _PLAIN[kind or type(None)]}
    if hasattr(kind, "__metadata__"):
        return _of_type(args[0])
    if origin in _UNIONS:
        return {"anyOf": [_of_type(arg) for arg in args]}
    if origin is typing.Literal:
        return _of_values(args)
    if origin in _LISTS:
        return {"items": _of_type(args[0]) if args else {}, "type": "array"}
    if origin in _SETS:
        return {"items": _of_type(args[0]) if args else {}, "type": "array", "uniqueItems": True}
    if origin is tuple:
        return _of_tuple(args)
    if origin in _MAPS:
        return {"additionalProperties": (_of_type(args[1]) if args else {}) or True, "type": "object"}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _of_enum(kind)
    return _by_pydantic(kind)


def _of_tuple(args):
    if not args or args[-1] is Ellipsis:
        return {"items": _of_type(args[0]) if args else {}, "type": "array"}
    return {"maxItems": len(args), "minItems": len(args), "prefixItems": [_of_type(a) for a in args], "type": "array"}


def _of_values(values):
    kinds = {_PLAIN.get(type(value)) for value in values}
    schema = {"const": values[0]} if len(values) == 1 else {"enum": list(values)}
    return {**schema, "type": kinds.pop()} if len(kinds) == 1 else schema


def _of_enum(kind):
    values = [member.value for member in kind]
    schema = {**_of_values(values), "enum": values, "title": kind.__name__}
    schema.pop("const", None)
    text = inspect.cleandoc(kind.__doc__ or "")
    if text and text != "An enumeration.":  # what Python 3.9 and 3.10 say where there is no text
        schema["description"] = text
    return dict(sorted(schema.items()))


def _is_named(annotation):
    """Whether its schema has a title of its own."""
    if not isinstance(annotation, type):
        return False
    return issubclass(annotation, enum.Enum) or hasattr(annotation, "model_json_schema")


def _is_field(value):
    return type(value).__module__.startswith("pydantic.")


def _by_pydantic(kind):
    try:
        from pydantic import TypeAdapter
    except ImportError:
        raise ImportError(f"pydantic is needed to describe the type {kind}: pip install pydantic") from None
    return dereferenced(TypeAdapter(kind).json_schema())


def _field_by_pydantic(name, annotation, default, description):
    """Of a parameter that says `Field(…)`."""
    from pydantic import create_model

    model = create_model("Parameter", **{name: (annotation, ... if default is _EMPTY else default)})
    schema = of_model(model)["properties"][name]
    return {**schema, "description": description} if description else schema


def _json_of(value):
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (tuple, set, frozenset, list)):
        return [_json_of(item) for item in value]
    if isinstance(value, dict):
        return {key: _json_of(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    return value


# --- schemas ----------------------------------------------------------------------------------------------------------


def _with_definitions(value, definitions, path):
    if isinstance(value, list):
        return [_with_definitions(item, definitions, path) for item in value]
    if not isinstance(value, dict):
        return value
    made = {key: _with_definitions(item, definitions, path) for key, item in value.items() if key != "$ref"}
    if "$ref" not in value:
        return made
    name = value["$ref"].rpartition("/")[2]
    if name in path:
        raise ValueError(f"the type {name} holds itself: a tool cannot be described with it")
    return {**_with_definitions(definitions[name], definitions, (*path, name)), **made}


def _untitled(schema, parent=""):
    """As the framework does it: what stands in lists (`anyOf`) keeps its titles."""
    made = {}
    for key, value in schema.items():
        if key == "title" and not (parent == "properties" and isinstance(value, dict)):
            continue
        made[key] = _untitled(value, key) if isinstance(value, dict) else value
    return made


def _closed(schema):
    if not isinstance(schema, dict):
        return schema
    made = dict(schema)
    if "required" in made or made.get("properties") == {} or "additionalProperties" in made:
        made["additionalProperties"] = False
    if "anyOf" in made:
        made["anyOf"] = [_closed(option) for option in made["anyOf"]]
    if "properties" in made:
        made["properties"] = {name: _closed(value) for name, value in made["properties"].items()}
    if "items" in made:
        made["items"] = _closed(made["items"])
    return made
