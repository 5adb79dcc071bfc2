# SPDX-License-Identifier: Apache-2.0
"""Dotted paths into a task's map: `graph_config.nodes.ask.prompt.0.user`."""


def _is_index(key):
    return key.isdigit()


def _item(held, key, place, missing):
    """What `held` has at `key`; lists and maps grow by what `missing` makes."""
    if not _is_index(key) or isinstance(held, dict) and key in held:
        return _member(held, key, place, missing)
    if not isinstance(held, list):
        raise ValueError(f"{place} is no list, but a {type(held).__name__}")
    while int(key) >= len(held):
        held.append(missing())
    return held[int(key)]


def _member(held, key, place, missing):
    if not isinstance(held, dict):
        raise ValueError(f"{place} is no map, but a {type(held).__name__}")
    if not isinstance(held.get(key), (dict, list)):
        held[key] = missing()
    return held[key]


def put(config, path, value):
    """What is missing on the way is made: a list in front of a number, else a map."""
    keys = path.split(".")
    held = config
    for number, key in enumerate(keys[:-1]):
        missing = list if _is_index(keys[number + 1]) else dict
        held = _item(held, key, ".".join(keys[:number + 1]), missing)
    last = keys[-1]
    if isinstance(held, list):
        if not _is_index(last):
            raise ValueError(f"{path} leads into a list: its end must be a number")
        held.extend([None] * (int(last) + 1 - len(held)))
        held[int(last)] = value
    elif _is_index(last) and last not in held:
        raise ValueError(f"{path}: its end is a number, and what it leads into is no list")
    else:
        held[last] = value
