# SPDX-License-Identifier: Apache-2.0
"""Small helpers that hooks use: JSON out of model text, files, dotted names, messages, what a task says.

Whatever needs a package (PyYAML, pandas) imports it when it is called.
"""
import importlib
import json
import os
import re
import threading
from typing import Any, Callable

from sygra.logger.logger_config import logger
from sygra.utils import constants

current_task = None  # the task that get_graph_property means by default; sygra.executor sets it

# --- JSON -------------------------------------------------------------------------------------------------------------


def extract_and_load_json(text):
    """What stands from the first `{` to the last `}`, with brackets around it, parsed; None if that is no JSON."""
    try:
        match = re.search(r"[\[\s]*\{.+\}[\s\]]*", text, re.DOTALL)
        return json.loads(match.group(0)) if match else None
    except (TypeError, ValueError):
        return None


def load_json(text):
    """The value, or None if the text is no JSON."""
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return None


class JSONEncoder(json.JSONEncoder):
    """Dates as ISO text, numpy's arrays and numbers as lists and numbers."""

    def default(self, o):
        if hasattr(o, "isoformat"):
            return o.isoformat()
        if hasattr(o, "tolist"):
            return o.tolist()
        return super().default(o)


def _dump(value, file, **how):
    json.dump(value, file, ensure_ascii=False, cls=JSONEncoder, **how)


# --- files ------------------------------------------------------------------------------------------------------------


def _yaml():
    try:
        return importlib.import_module("yaml")
    except ImportError:
        raise ImportError("PyYAML is needed to read and write YAML in Python: pip install pyyaml") from None


def load_yaml_file(filepath):
    with open(filepath, encoding="utf-8") as file:
        return _yaml().safe_load(file)


def load_json_file(filepath):
    with open(filepath, encoding="utf-8") as file:
        return json.load(file)


def load_jsonl_file(filepath):
    with open(filepath, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def save_json_file(filepath, data):
    with open(filepath, "w", encoding="utf-8") as file:
        _dump(data, file, indent=4)


def save_jsonl_file(filepath, data):
    with open(filepath, "w", encoding="utf-8") as file:
        _write_lines(file, data)


def append_to_json_file(filepath, data):
    """The file is a JSON array, or is made."""
    held = load_json_file(filepath) if os.path.exists(filepath) else []
    save_json_file(filepath, held + list(data))


def append_to_jsonl_file(filepath, data):
    with open(filepath, "a", encoding="utf-8") as file:
        _write_lines(file, data)


def _write_lines(file, data):
    for entry in data:
        _dump(entry, file)
        file.write("\n")


def delete_file(filepath):
    if os.path.exists(filepath):
        os.remove(filepath)


def _normalize_task_path(task):
    """A path stays one; a dotted name becomes one."""
    return task if os.sep in task else task.replace(".", os.sep)


def get_file_in_task_dir(task, file):
    """The path of a file in a task's folder; the task is a path or a dotted name (`tasks.examples.mine`)."""
    return os.path.join(_normalize_task_path(task), file)


def get_file_in_dir(dot_walk_path, file):
    """The path of a file in a folder of this package, which is named with dots."""
    return "/".join([constants.ROOT_DIR, *dot_walk_path.split("."), file])


def get_dot_walk_path(path):
    return ".".join(path.split("/"))


# --- names and maps ---------------------------------------------------------------------------------------------------


def get_func_from_str(func_str: str) -> Callable[..., Any]:
    """What a dotted name stands for: a function or a class of a module."""
    if "." not in func_str:
        raise ValueError(f"'{func_str}' is no dotted name: it needs a module and a name in it (my_module.my_function)")
    found = get_class_from(func_str)
    if not callable(found):
        raise TypeError(f"Resolved object '{func_str}' is not callable")
    return found


def get_class_from(cpath: str) -> Any:
    """What a dotted name stands for: whatever a module has under that name."""
    module, _, name = cpath.rpartition(".")
    return getattr(importlib.import_module(module), name)


def validate_required_keys(required_keys, config, config_name):
    missing = [key for key in required_keys if key not in config]
    if missing:
        raise ValueError(f"Required keys {missing} are missing in {config_name} configuration")


def flatten_dict(d, parent_key="", sep="_"):
    """{"a": {"b": 1}} as {"a_b": 1}."""
    flat = {}
    for key, value in d.items():
        name = f"{parent_key}{sep}{key}" if parent_key else key
        if isinstance(value, dict):
            flat.update(flatten_dict(value, name, sep=sep))
        else:
            flat[name] = value
    return flat


def deep_update(target, src):
    """Puts `src` into `target`, maps within maps as well."""
    for key, value in src.items():
        if isinstance(target.get(key), dict) and isinstance(value, dict):
            deep_update(target[key], value)
        else:
            target[key] = value


def extract_pattern(string, pattern):
    """What a regular expression finds, without empty finds."""
    return [match for match in re.findall(pattern, string) if match]


def get_env_name(name):
    """A model's name as it stands in an environment variable."""
    return re.sub(r"\s+", "_", name).upper()


# --- messages ---------------------------------------------------------------------------------------------------------

_ROLES = {"human": "user", "ai": "assistant", "system": "system"}


def convert_messages_from_langchain_to_chat_format(messages):
    """Messages of user, assistant and system as maps of role and content; others are left out."""
    return [{"role": _ROLES[m.type], "content": m.content} for m in messages if getattr(m, "type", None) in _ROLES]


def convert_messages_from_config_to_chat_format(messages):
    """[{"user": "…"}], as a task's prompt is written, as [{"role": "user", "content": "…"}]."""
    return [{"role": role, "content": content} for message in messages for role, content in list(message.items())[:1]]


def convert_messages_from_chat_format_to_langchain(messages):
    """Prompt templates with `{variables}`, and tool messages as they are."""
    from sygra import _prompts

    return _prompts.from_chat(messages)


# --- what a task says -------------------------------------------------------------------------------------------------


def get_graph_properties(task_name=None):
    """The `graph_properties` of a task's graph_config.yaml; {} where there is none."""
    task = task_name or current_task
    if not task:
        logger.error("get_graph_properties: no task is named, and none is under way in this process")
        return {}
    path = get_file_in_task_dir(task, "graph_config.yaml")
    if not os.path.exists(path):
        return {}
    return ((load_yaml_file(path) or {}).get("graph_config") or {}).get("graph_properties") or {}


def get_graph_property(key, default_value, task_name=None):
    return get_graph_properties(task_name).get(key, default_value)


def load_model_config(config_path=None, include_custom=True):
    """The models that tasks may name: the entries of the models.yaml files that the program reads as well, a later one
    over an earlier, and on them what the environment says (SYGRA_<MODEL>_URL, SYGRA_<MODEL>_TOKEN, …). A host
    has no such variables: a hook sees addresses and tokens only where they stand in a file.
    """
    custom = os.environ.get("SYGRA_CUSTOM_MODELS_PATH") if include_custom else None
    models = {}
    for path in ("sygra/config/models.yaml", "models.yaml", custom, config_path):
        if path and os.path.exists(path):
            models.update(load_yaml_file(path) or {})
    for name, config in models.items():
        config.update(_model_environment(name))
    return models


def _model_environment(model_name):
    found, prefix = {}, f"SYGRA_{get_env_name(model_name)}_"
    for name, value in os.environ.items():
        if name.startswith(prefix):
            key = name[len(prefix) :].lower()
            parts = [part for part in value.split(constants.LIST_SEPARATOR) if part]
            found["auth_token" if key == "token" else key] = parts if constants.LIST_SEPARATOR in value else value
    return found


def get_models_used(task):
    """The entries of the models that a task's nodes name, by name."""
    config = load_yaml_file(get_file_in_task_dir(task, "graph_config.yaml"))
    nodes = (config.get("graph_config") or {}).get("nodes") or {}
    names = set()
    for node in nodes.values():
        if node.get("node_state") == "idle":
            continue
        if node.get("node_type") == "multi_llm":
            names.update(model.get("name") for model in (node.get("models") or {}).values())
        elif node.get("node_type") in ("llm", "agent"):
            names.add(node["model"].get("name"))
    known = load_model_config()
    return {name: known.get(name) for name in names}


# --- data -------------------------------------------------------------------------------------------------------------


def get_dataset(datasrc):
    """All records of a source, a map as in `data_config`. Files on disk only."""
    from sygra.core.dataset.dataset_config import DataSourceConfig

    config = DataSourceConfig.from_dict(datasrc)
    if datasrc.get("type") == "disk":
        from sygra.core.dataset.file_handler import FileHandler

        return FileHandler(config).read()
    if datasrc.get("type") == "hf":
        from sygra.core.dataset.huggingface_handler import HuggingFaceHandler

        return HuggingFaceHandler(config).read()
    raise ValueError(f"{datasrc.get('type')} is not supported.")


_cursors = {}  # source as text -> [records, index of the next]
_cursors_lock = threading.Lock()


def fetch_next_record(datasrc, column):
    """The column's value in the next record of a source, in this process; behind the last comes the first."""
    with _cursors_lock:
        cursor = _cursors.setdefault(str(datasrc), [None, 0])
        if cursor[0] is None:
            cursor[0] = get_dataset(datasrc)
        record = cursor[0][cursor[1] % len(cursor[0])]
        cursor[1] += 1
    return record[column]
