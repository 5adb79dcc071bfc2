# SPDX-License-Identifier: Apache-2.0
"""A task of this process as a folder that the program runs: graph_config.yaml (JSON is YAML) and the rows beside it.

The folder lies beside the output, `<output folder>/<name>.task`, so that an interrupted run finds its task again.
"""
import json
import os
import re
import subprocess

from sygra.exceptions import ConfigurationError, DataError
from sygra.library import binary, files, rows

TASK_FILE = "graph_config.yaml"
ROWS = "data.jsonl"


class Rows:
    """A source that this process holds, until the run writes it down."""

    def __init__(self, held):
        self.held, self._read = held, False

    def write(self, path, limit=None):
        """As JSON Lines. What can be read once only is refused the second time, rather than taken for empty."""
        if self._read and hasattr(self.held, "__next__"):
            raise DataError("the rows are a generator, which an earlier run has read; give a new one to source()")
        self._read = True
        rows.write(self.held, path, limit)

    def __deepcopy__(self, memo):
        return self  # a copy of a task reads the same rows


def find_folder(name):
    """The folder of the task on disk that `sygra run NAME` runs: a path, or a dotted name below tasks/. None: there is none."""
    slashed = name.replace(".", "/")
    for folder in (name, os.path.join("tasks", slashed), slashed):
        if os.path.isfile(os.path.join(folder, TASK_FILE)):
            return folder
    return None


def folder_name(task):
    """Of a task's name, what can stand in a file's name."""
    last = re.split(r"[/\\]", task.rstrip("/\\"))[-1]
    return re.sub(r"[^\w.\-]+", "_", last).strip(".") or "workflow"


def write_json(value, path):
    """Laid out over lines, since messages about it name them."""
    try:
        with files.replacing(path) as file:
            json.dump(value, file, indent=2, ensure_ascii=False, allow_nan=False, default=_refuse)
            file.write("\n")
    except ValueError as error:
        raise ConfigurationError(f"the task cannot be written: {error}") from None


def _refuse(value):
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise ConfigurationError(f"the task holds a {type(value).__name__}, which has no form in YAML: {value!r:.200}")


def load_yaml(path):
    """A YAML file as maps and lists. The program reads it, so that it means the same here as there, and no package is needed."""
    done = subprocess.run([binary.find(), "graph", path, "--format", "config"], capture_output=True, text=True)
    if done.returncode != 0:
        raise ConfigurationError(done.stderr.strip() or f"{path} cannot be read")
    return json.loads(done.stdout)


def save(config, path):
    """As YAML where PyYAML is there, else as JSON, which is YAML."""
    try:
        import yaml
    except ImportError:
        write_json(config, path)
        return
    with files.replacing(path) as file:
        yaml.safe_dump(config, file, default_flow_style=False, sort_keys=False, allow_unicode=True)
