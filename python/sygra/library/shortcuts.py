# SPDX-License-Identifier: Apache-2.0
"""Workflows in one line, helpers for config maps, and what can be asked of this installation."""
import logging
import os

import sygra
from sygra.exceptions import ConfigurationError
from sygra.library import binary, callables, taskfiles
from sygra.workflow import Workflow


def quick_llm(model, prompt, data_source, output="output.json"):
    return Workflow(f"quick_llm_{taskfiles.folder_name(model)}").source(data_source).llm(model, prompt).sink(output)


def quick_agent(model, prompt, tools, data_source, output="output.json"):
    workflow = Workflow(f"quick_agent_{taskfiles.folder_name(model)}").source(data_source)
    return workflow.agent(model=model, tools=tools, prompt=prompt).sink(output)


def quick_multi_llm(models, prompt, data_source, output="output.json"):
    return Workflow("quick_multi_llm").source(data_source).multi_llm(models=models, prompt=prompt).sink(output)


def execute_task(task_name, **kwargs):
    """Runs a task on disk and gives its records. The name is one that `sygra run` takes; keywords are those of
    Workflow.run."""
    folder = taskfiles.find_folder(task_name)
    if folder is None:
        raise ConfigurationError(f"there is no task `{task_name}`: neither {task_name} nor "
                                 f"{os.path.join('tasks', task_name.replace('.', '/'))} is a folder with "
                                 f"{taskfiles.TASK_FILE} (from {os.getcwd()})")
    return Workflow(folder).run(**kwargs)


def create_multimodal_workflow(name):
    return Workflow(name)


def create_resumable_workflow(name):
    return Workflow(name).resumable()


def create_quality_workflow(name):
    return Workflow(name).quality_tagging()


def create_chat_workflow(name, conversation_type="multiturn"):
    return Workflow(name).chat_conversation(conversation_type)


def create_structured_schema(fields, name="CustomSchema"):
    """`structured_output` of fields: {name: type}."""
    schema = {"name": name, "fields": {field: {"type": kind} for field, kind in fields.items()}}
    return {"enabled": True, "schema": schema}


def pydantic_schema(model_class):
    """`structured_output` of a pydantic class, by its dotted path."""
    return {"enabled": True, "schema": model_class}


def _path_of(value):
    """A callable that a host can import as its path; any other as it is, served by this process when the task runs."""
    return callables.dotted_path(value) or value if callable(value) else value


def create_processor_config(processor, **params):
    return {"processor": _path_of(processor), **({"params": params} if params else {})}


def create_transformation_config(transform, **params):
    return {"transform": _path_of(transform), **({"params": params} if params else {})}


def get_version():
    return sygra.__version__


def setup_logging(level="INFO"):
    logging.getLogger("sygra").setLevel(getattr(logging, level.upper()))


def _has_program():
    try:
        binary.find()
    except sygra.GraSPError:
        return False
    return True


def validate_environment():
    """Parts of this installation that work. Hooks, nodes and data are the program's."""
    program = _has_program()
    parts = ("core_available", "data_handlers_available", "nodes_available", "models_available", "utils_available")
    return {**{part: program for part in parts}, "node_builders_available": True, "data_utils_available": True}


def get_info():
    return {"version": get_version(), "author": sygra.__author__, "description": sygra.__description__,
            "features": validate_environment()}


def _model_files():
    """In the order in which the program asks them, but for a task's own."""
    yield os.environ.get("SYGRA_CUSTOM_MODELS_PATH") or ""
    yield "models.yaml"
    yield os.path.join("sygra", "config", "models.yaml")


def _models():
    """Entries that can be found without a task; the first file that has a name wins."""
    found = {}
    for path in _model_files():
        if path and os.path.isfile(path):
            entries = taskfiles.load_yaml(path)
            for name, entry in entries.items() if isinstance(entries, dict) else ():
                found.setdefault(name, entry)
    return found


def list_available_models():
    """Names in the model files of the working directory and of SYGRA_CUSTOM_MODELS_PATH. `sygra models TASK` knows those
    of a task, and what they resolve to."""
    return list(_models())


def get_model_info(model_name):
    return _models().get(model_name, {"error": f"no model file has {model_name}"})
