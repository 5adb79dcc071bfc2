# SPDX-License-Identifier: Apache-2.0
"""`TaskExecutor` classes: Python around a run. The program runs the graph; what a class overrides is asked for here.

What may be overridden, and when it is called:

    init_dataset()                    gives the rows, a list of dicts or any iterable of them, instead of the task's source
    input_record_generator(record)    each row, before the graph sees it
    output_record_generator(state)    the output record of a final state, or None to drop it
    execute(execution_callbacks)      around the whole run
    assign_ids, add_id                on the rows that this process makes

`self.dataset` may be read and set before `execute`. Nothing of the graph itself can be replaced: it is not in this process.
"""
import ast
import hashlib
import json
import os

from sygra.exceptions import ConfigurationError
from sygra.library import taskfiles
from sygra.library.runs import Run, Task

IN_ENGINE = ("init_graph",)  # of the framework's class: what the program does itself
WORDS = ("start_index", "num_records", "batch_size", "debug", "output_with_ts", "run_name", "output_dir", "oasst", "quality",
         "disable_metadata")


class BaseTaskExecutor:
    """args: what the command line says, as a namespace: task, num_records, start_index, output_dir, ...

    A map that is given instead of the task's file is run instead of it. After `execute`, `records` has what it returned, and
    `figures` the run's summary.
    """

    def __init__(self, args, graph_config_dict=None):
        self.args = args
        self.task_name = args.task
        self.output_dir = getattr(args, "output_dir", None)
        self.source_config = self.output_config = None  # the program reads sources and writes sinks
        self._refuse_overridden()
        self._given_config = graph_config_dict is not None
        self._config = graph_config_dict
        self._dataset = None
        self._generator = None
        self.records, self.figures = None, {}

    def _refuse_overridden(self):
        for name in IN_ENGINE:
            if getattr(type(self), name, None) is not getattr(BaseTaskExecutor, name, None):
                raise ConfigurationError(f"{type(self).__module__}.{type(self).__name__} defines {name}(): the graph is run "
                                         "by the program and cannot be replaced; change graph_config.yaml instead")

    @property
    def config(self):
        """The task's map."""
        if self._config is None:
            folder = taskfiles.find_folder(self.task_name)
            if not folder:
                raise ConfigurationError(f"there is no task {self.task_name}")
            self._config = taskfiles.load_yaml(os.path.join(folder, taskfiles.TASK_FILE))
        return self._config

    def __getattr__(self, name):
        """What the task's file says, read when it is asked for: a run as it stands needs no file read here."""
        data = self.config.get("data_config") or {} if name in ("id_column", "resumable") else {}
        if name == "id_column":
            self.id_column = data.get("id_column") or None
        elif name == "resumable":
            self.resumable = self._configure_resume_behavior(self.args, bool(data.get("resumable", False)))
        else:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(self, name)

    @staticmethod
    def _configure_resume_behavior(args, config_resumable):
        wanted = getattr(args, "resume", None)
        if wanted is None:
            return config_resumable
        return wanted if isinstance(wanted, bool) else bool(ast.literal_eval(str(wanted)))

    # --- rows -----------------------------------------------------------------------------------------------------

    @property
    def dataset(self):
        """The rows. To read them loads them, as the program does; a run that nobody asks streams them instead."""
        if self._dataset is None:
            self._dataset = self.init_dataset()
        return self._dataset

    @dataset.setter
    def dataset(self, rows):
        self._dataset = rows

    def init_dataset(self):
        """The rows of the task's source, with ids."""
        return self.assign_ids(list(self._rows_of_source()))

    def _rows_of_source(self):
        """Read by the program, through a graph that does nothing, so that every form and step of a source works here."""
        data = {key: value for key, value in (self.config.get("data_config") or {}).items() if key != "sink"}
        if not data.get("source"):
            count = getattr(self.args, "num_records", None) or 1
            return [{} for _ in range(count)]
        through = {"node_type": "lambda", "lambda": {"jq": "{}"}, "output_keys": []}
        edges = [{"from": "START", "to": "rows"}, {"from": "rows", "to": "END"}]
        config = {"data_config": data, "graph_config": {"nodes": {"rows": through}, "edges": edges}}
        with Run(Task("rows", config, taskfiles.find_folder(self.task_name)), {"no_journal": True}, show=False) as run:
            read = run.results()
        return [{key: value for key, value in row.items() if key not in ("messages", "__chat_history__")} for row in read]

    def add_id(self, record):
        """The column that the task names, the record's own id, or a hash of its content."""
        if self.id_column:
            if record.get(self.id_column) is not None:
                record["id"] = record[self.id_column]
        elif record.get("id") is None:
            text = json.dumps(record, sort_keys=True, default=str)
            record["id"] = hashlib.sha256(text.encode()).hexdigest()
        return record

    def assign_ids(self, full_data, features=None):
        return [self.add_id(record) if isinstance(record, dict) else record for record in full_data]

    def input_record_generator(self, record):
        return record

    # --- output ---------------------------------------------------------------------------------------------------

    @property
    def output_generator(self):
        """The generator that the task names, made here; None without one."""
        if self._generator is None:
            self._generator = self._init_output_generator()
        return self._generator

    @output_generator.setter
    def output_generator(self, generator):
        self._generator = generator

    def _init_output_generator(self):
        from sygra.processors.output_record_generator import BaseOutputGenerator
        from sygra.utils import utils

        output = self.config.get("output_config") or {}
        if output.get("generator"):
            return utils.get_func_from_str(output["generator"])(output)
        return BaseOutputGenerator(output) if "output_map" in output else None

    def output_record_generator(self, state):
        return self.output_generator.generate(state) if self.output_generator else state

    # --- the run --------------------------------------------------------------------------------------------------

    def _overrides(self, name):
        return getattr(type(self), name) is not getattr(BaseTaskExecutor, name)

    def _rows(self):
        """What this process has to say about the rows; None: nothing, the program reads the source."""
        takes_part = self._overrides("input_record_generator")
        if self._dataset is None and not self._overrides("init_dataset") and not takes_part:
            return None
        rows = self.dataset
        return (self.input_record_generator(row) for row in rows) if takes_part else rows

    def _changed_config(self):
        """The task's map with what this process does in it; None: as it stands on disk."""
        rows = self._rows()
        generates = self._overrides("output_record_generator") or self._generator is not None
        if rows is None and not generates and not self._given_config:
            return None
        config = dict(self.config)
        if rows is not None:
            data = {key: value for key, value in (config.get("data_config") or {}).items() if key != "source"}
            config["data_config"] = {**data, "source": {"type": "disk", "rows": taskfiles.Rows(rows)}}
        if generates:
            config["output_config"] = {**(config.get("output_config") or {}), "generator": self._generator_class()}
        return config

    def _generator_class(executor):  # noqa: N805: `self` is the generator's
        class OutputGenerator:
            def __init__(self, config):
                pass

            def generate(self, state):
                return executor.output_record_generator(state)

        return OutputGenerator

    def _options(self):
        given = {word: getattr(self.args, word, None) for word in WORDS}
        given.update(getattr(self.args, "engine_options", None) or {})
        if getattr(self.args, "resume", None) is not None:
            given["resume"] = self.resumable
        return {key: value for key, value in given.items() if value is not None}

    def start(self, execution_callbacks=None, show=None, in_process=False):
        """The run, not begun yet (sygra.library.runs.Run)."""
        folder = taskfiles.find_folder(self.task_name)
        task = Task(self.task_name, self._changed_config(), folder, folder is not None)
        return Run(task, self._options(), execution_callbacks, show, in_process)

    def execute(self, execution_callbacks=None):
        """Runs the task; its records, as Results."""
        with self.start(execution_callbacks) as run:
            self.records = run.results()
        self.figures = self.records.figures
        return self.records


class DefaultTaskExecutor(BaseTaskExecutor):
    """The executor of a task that has none of its own."""
