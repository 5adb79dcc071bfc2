# SPDX-License-Identifier: Apache-2.0
"""Sinks that are files: what a task's `data_config.sink` names is written from the output when the run has ended.

The suffix decides the form, as in the framework: .json an array, .jsonl lines, .csv and .parquet tables. Other sinks stay
in the task, where the program says what it makes of them.
"""
import json
import os
import shutil
import subprocess

from sygra.exceptions import ExecutionError
from sygra.library import binary, files, results


def _is_file(sink):
    return isinstance(sink, dict) and bool(sink.get("file_path")) and sink.get("type") not in ("hf", "servicenow")


def take(config):
    """(the sink if it is a file, the task without it)"""
    data = config.get("data_config") or {}
    sink = data.get("sink")
    if not _is_file(sink):
        return [], config
    rest = {key: value for key, value in data.items() if key != "sink"}
    return [sink], {**config, "data_config": rest}


def write(sink, output):
    """Replaces the sink's file by the records of `output`."""
    path = os.path.abspath(sink["file_path"])
    os.makedirs(os.path.dirname(path), exist_ok=True)
    suffix = os.path.splitext(path)[1].lower()
    if suffix in (".csv", ".parquet"):
        _export(output, path)
    elif os.path.splitext(output)[1] == suffix:
        with open(output, encoding="utf-8", errors="surrogatepass") as written, files.replacing(path) as file:
            shutil.copyfileobj(written, file)
    else:
        _rewrite(output, path, suffix == ".jsonl")


def _rewrite(output, path, lines):
    records = results.read(output)
    with files.replacing(path) as file:
        if lines:
            file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        else:
            json.dump(records, file, ensure_ascii=False, indent=4)


def _export(output, path):
    stem = os.path.splitext(output)[0]
    done = subprocess.run([binary.find(), "export", stem, "--to", path], capture_output=True, text=True)
    if done.returncode != 0:
        raise ExecutionError(f"the sink {path} cannot be written: {(done.stderr or done.stdout).strip()}")
