# SPDX-License-Identifier: Apache-2.0
"""`Workflow`: a task that is built, or changed, and run from Python.

    from sygra import Workflow

    answers = (Workflow("answers")
               .source([{"question": "Why is the sky blue?"}])
               .llm("qwen", "Answer in one sentence: {question}", output="answer")
               .lambda_func(lambda config, state: {"words": len(state["answer"].split())}, output="words")
               .run())

Nothing is looked at before `run`: then the task is written down, the program checks it and runs it, and callables of this
process are served to it. Every mistake is told at once, as ConfigurationError.
"""
import contextlib
import copy
import os
import uuid

from sygra.data import DataSink, DataSource
from sygra.exceptions import ConfigurationError
from sygra.library import options, paths, rows, taskfiles
from sygra.library.callables import Closures
from sygra.library.runs import Run, Task
from sygra.models import ModelConfigBuilder
from sygra.nodes import (
    AgentNodeBuilder,
    LambdaNodeBuilder,
    LLMNodeBuilder,
    MultiLLMNodeBuilder,
    SubgraphNodeBuilder,
    WeightedSamplerNodeBuilder,
)

__all__ = ["Workflow", "create_graph"]

BATCH_SIZE = 50
OASST = {"required": "yes", "type": "sft", "intermediate_writing": "no"}
QUALITY = {"enabled": True, "metrics": ["coherence", "relevance", "factuality"]}
RUN_ARGUMENTS = ("callbacks", "execution_callbacks", "progress", "in_process", "quality_only", "quality_config")


def _as_prompt(prompt):
    return [{"user": prompt}] if isinstance(prompt, str) else prompt


def _existing_folder(name):
    """The folder of the task on disk that `name` means, or None. A bare word names a new workflow, unless it is a folder."""
    if any(c in name for c in "./\\"):
        return taskfiles.find_folder(name)
    return name if os.path.isfile(os.path.join(name, taskfiles.TASK_FILE)) else None


class Workflow:
    """A task of this process; or, where `name` is that of a task on disk, that task, to be run or changed."""

    def __init__(self, name=None):
        self.name = name or f"workflow_{uuid.uuid4().hex[:8]}"
        self.figures = {}  # the summary of the last run
        self._node_builders = {}
        self._last_node = None
        self._origin = _existing_folder(self.name) if name else None  # what paths of the task start from
        self._is_existing_task = self._origin is not None
        self._loaded = None if self._is_existing_task else self._empty()
        self._as_on_disk = self._is_existing_task  # nobody has touched it

    @staticmethod
    def _empty():
        return {"data_config": {}, "graph_config": {"nodes": {}, "edges": [], "graph_properties": {}}, "output_config": {}}

    @classmethod
    def of(cls, config, name, origin=None):
        """A workflow of a task's map. Paths in it start in the folder `origin`, if there is one."""
        made = cls()
        made.name, made._loaded, made._origin = name, copy.deepcopy(config), origin
        return made

    @property
    def _config(self):
        """The task's map. Who asks for it may change it, so from here on the file on disk is not what is run."""
        if self._loaded is None:
            path = os.path.join(self._origin, taskfiles.TASK_FILE)
            self._loaded = taskfiles.load_yaml(path)
            if not isinstance(self._loaded, dict):
                raise ConfigurationError(f"{path}: a task's file must be a map")
        self._as_on_disk = False
        return self._loaded

    def _section(self, *keys):
        """A map in the task, made where it is missing."""
        found = self._config
        for key in keys:
            if not isinstance(found.get(key), dict):
                found[key] = {}
            found = found[key]
        return found

    # --- where records come from and go to ------------------------------------------------------------------------

    def source(self, source):
        """A path, a map of `data_config.source`, a DataSource, or rows: a list of dicts, {"data": list}, a DataFrame, an
        Arrow table, a data set, a generator."""
        self._section("data_config")["source"] = self._source_map(source)
        return self

    @staticmethod
    def _source_map(source):
        if isinstance(source, (str, os.PathLike)):
            return DataSource.disk(source).to_config()
        if isinstance(source, DataSource):
            return dict(source.to_config())
        if isinstance(source, dict):
            return DataSource.memory(source["data"]).to_config() if "data" in source else dict(source)
        if rows.is_table(source) or hasattr(source, "__iter__"):
            return DataSource.memory(source).to_config()
        raise ValueError(f"no rows can be taken from a {type(source).__name__}: give a path, a map, a DataSource, or rows")

    def sink(self, sink):
        """A path, a map of `data_config.sink`, or a DataSink."""
        if isinstance(sink, (str, os.PathLike)):
            config = DataSink.disk(sink).to_config()
        elif isinstance(sink, DataSink):
            config = sink.to_config()
        elif isinstance(sink, dict):
            config = dict(sink)
        else:
            raise ValueError(f"nothing can be written to a {type(sink).__name__}: give a path, a map or a DataSink")
        self._section("data_config")["sink"] = config
        return self

    def id_column(self, column):
        self._section("data_config")["id_column"] = column
        return self

    def transformations(self, transforms):
        """Steps over the rows: maps {transform, params}, dotted paths, or classes of this process."""
        steps = [step if isinstance(step, dict) else {"transform": step} for step in transforms]
        self._section("data_config", "source")["transformations"] = steps
        return self

    def disable_default_transforms(self):
        """There are none to disable; the ones that were asked for stay."""
        return self

    # --- nodes, one after the other -------------------------------------------------------------------------------

    def llm(self, model, prompt, output="messages", pre_process=None, post_process=None, **kwargs):
        """A model's call, behind the node before it. model: a name of models.yaml or a map; other keywords are parameters
        of a model that is named."""
        special = ("chat_history", "structured_output", "tools", "tool_choice")
        own = {key: kwargs.pop(key) for key in special if key in kwargs}
        node = {"node_type": "llm", "model": ModelConfigBuilder.of(model, **kwargs), "prompt": _as_prompt(prompt)}
        if output != "messages":
            node["output_keys"] = output
        hooks = {"pre_process": pre_process, "post_process": post_process}
        return self._chain("llm", {**node, **{k: v for k, v in {**own, **hooks}.items() if v}})

    def multi_llm(self, models, prompt, output_keys=None, multi_llm_post_process=None, **kwargs):
        """Several models side by side: {label: model}."""
        node = {"node_type": "multi_llm", "models": {label: ModelConfigBuilder.of(m) for label, m in models.items()},
                "prompt": _as_prompt(prompt)}
        more = {"output_keys": output_keys, "multi_llm_post_process": multi_llm_post_process, **kwargs}
        return self._chain("multi_llm", {**node, **{key: value for key, value in more.items() if value}})

    def agent(self, model, tools, prompt, inject_system_messages=None, chat_history=False, **kwargs):
        node = {"node_type": "agent", "model": ModelConfigBuilder.of(model, **kwargs), "tools": tools,
                "prompt": _as_prompt(prompt)}
        more = {"inject_system_messages": inject_system_messages, "chat_history": chat_history}
        return self._chain("agent", {**node, **{key: value for key, value in more.items() if value}})

    def lambda_func(self, func, output="result", **kwargs):
        """A function f(config, state) that returns a dict, a class with `apply`, or a dotted path. Other keywords stand in
        the node's map, which is `config`."""
        return self._chain("lambda", {"node_type": "lambda", "lambda": func, "output_keys": output, **kwargs})

    def weighted_sampler(self, attributes, **kwargs):
        return self._chain("weighted_sampler", {"node_type": "weighted_sampler", "attributes": attributes})

    def subgraph(self, subgraph_name, node_config_map=None):
        node = {"node_type": "subgraph", "subgraph": subgraph_name}
        return self._chain("subgraph", {**node, **({"node_config_map": node_config_map} if node_config_map else {})})

    def _chain(self, kind, node):
        """Adds a node behind the last one, and moves the end behind it."""
        nodes = self._section("graph_config", "nodes")
        number = len(nodes) + len(self._node_builders) + 1
        while f"{kind}_{number}" in nodes:
            number += 1
        name = f"{kind}_{number}"
        nodes[name] = node
        edges = [edge for edge in self._edges() if edge.get("to") != "END"]
        edges.append({"from": self._last_node or "START", "to": name})
        self._section("graph_config")["edges"] = [*edges, {"from": name, "to": "END"}]
        self._last_node = name
        return self

    # --- a graph, piece by piece ----------------------------------------------------------------------------------

    def add_node(self, name, node_config):
        self._section("graph_config", "nodes")[name] = node_config
        return self

    def _built(self, builder):
        self._node_builders[builder.name] = builder
        return builder

    def add_llm_node(self, name, model):
        return self._built(LLMNodeBuilder(name, model))

    def add_agent_node(self, name, model):
        return self._built(AgentNodeBuilder(name, model))

    def add_multi_llm_node(self, name):
        return self._built(MultiLLMNodeBuilder(name))

    def add_lambda_node(self, name, func):
        return self._built(LambdaNodeBuilder(name, func))

    def add_weighted_sampler_node(self, name):
        return self._built(WeightedSamplerNodeBuilder(name))

    def add_subgraph_node(self, name, subgraph):
        return self._built(SubgraphNodeBuilder(name, subgraph))

    def _edges(self):
        return self._section("graph_config").setdefault("edges", [])

    def add_edge(self, from_node, to_node):
        self._edges().append({"from": from_node, "to": to_node})
        return self

    def add_conditional_edge(self, from_node, condition, path_map):
        """condition(state) gives a key of path_map; END ends."""
        self._edges().append({"from": from_node, "condition": condition, "path_map": path_map})
        return self

    def sequence(self, *nodes):
        """Edges from each to the next; START and END are added where they are missing."""
        ends = (["START"] if nodes[0] != "START" else []), (["END"] if nodes[-1] != "END" else [])
        path = [*ends[0], *nodes, *ends[1]]
        for here, there in zip(path, path[1:]):
            self.add_edge(here, there)
        return self

    def build(self):
        """Puts what the builders have made into the task; `run` does it, too."""
        if self._node_builders:
            nodes = self._section("graph_config", "nodes")
            for name, builder in self._node_builders.items():
                nodes[name] = builder.build()
            self._node_builders.clear()
        return self

    # --- properties -----------------------------------------------------------------------------------------------

    def resumable(self, enabled=True):
        self._section("data_config")["resumable"] = enabled
        return self

    enable_resumable = resumable

    def quality_tagging(self, enabled=True, config=None):
        if enabled:
            self._section("output_config")["data_quality"] = config or dict(QUALITY)
        return self

    enable_quality_tagging = quality_tagging

    def oasst_mapping(self, enabled=True, config=None):
        if enabled:
            self._section("output_config")["oasst_mapper"] = config or dict(OASST)
        return self

    enable_oasst_mapping = oasst_mapping

    def graph_properties(self, properties):
        self._section("graph_config", "graph_properties").update(properties)
        return self

    def chat_conversation(self, conv_type="multiturn", window_size=5):
        """singleturn or multiturn: what nodes with `chat_history` see of the conversation."""
        return self.graph_properties({"chat_conversation": conv_type, "chat_history_window_size": window_size})

    set_chat_conversation = chat_conversation

    # --- output ---------------------------------------------------------------------------------------------------

    def output_generator(self, generator):
        """A class with generate(state), or its dotted path."""
        self._section("output_config")["generator"] = generator
        return self

    set_output_generator = output_generator

    def preserve_fields(self, *field_names):
        for name in field_names:
            self.output_field(name, from_key=name)
        return self

    def output_field(self, name, from_key=None, value=None, transform=None):
        """A field of the output: a key of the state, or a value; `transform` changes it."""
        field = {"from": from_key} if from_key else {"value": value} if value is not None else {}
        if transform:
            field["transform"] = transform
        self._section("output_config", "output_map")[name] = field
        return self

    def output_metadata(self, metadata):
        """The same values in every record."""
        for key, value in metadata.items():
            self.output_field(key, value=value)
        return self

    # --- changes --------------------------------------------------------------------------------------------------

    def override(self, path, value):
        """`graph_config.nodes.ask.prompt.0.user`: a dotted path; numbers index lists, which grow."""
        self.build()
        paths.put(self._config, path, value)
        return self

    def override_model(self, node_name, model_name=None, **params):
        model = f"graph_config.nodes.{node_name}.model"
        if model_name:
            self.override(f"{model}.name", model_name)
        for key, value in params.items():
            self.override(f"{model}.parameters.{key}", value)
        return self

    def override_prompt(self, node_name, role, content, index=0):
        return self.override(f"graph_config.nodes.{node_name}.prompt.{index}.{role}", content)

    def save_config(self, path):
        """Writes the task as a file that `sygra run` takes."""
        self.build()
        closures = Closures()
        config = closures.replace(self._config)
        if closures:
            raise ConfigurationError(f"{', '.join(closures)}: is of this process only, and cannot be written down; move it "
                                     "into a module")
        if isinstance(((config.get("data_config") or {}).get("source") or {}).get("rows"), taskfiles.Rows):
            raise ConfigurationError("the rows are of this process only, and cannot be written down; name a file")
        taskfiles.save(config, os.fspath(path))

    # --- running --------------------------------------------------------------------------------------------------

    def run(self, num_records=None, start_index=0, output_dir=None, **kwargs):
        """Runs the task and gives its records, a list with `figures` and `failed` (docs/library.md).

        num_records None: all. output_dir None: a temporary folder, or the folder of a task on disk. Other keywords are
        options of `sygra run` (batch_size, run_name, seed, resume, ...), and callbacks, progress, in_process.
        """
        given = self._options(num_records, start_index, output_dir, kwargs)
        own = self._own_executor(given)
        if own:
            returned = own.execute(self._callbacks(kwargs))
            self.figures = own.figures
            return own.records if returned is None else returned
        with self._told(self._run(given, kwargs)) as run:
            return run.results()

    def stream(self, num_records=None, start_index=0, output_dir=None, **kwargs):
        """As `run`, but an iterator: each record in input order, as soon as all before it have ended. To break off ends
        the run."""
        with self._told(self._start(num_records, start_index, output_dir, kwargs)) as run:
            yield from run.stream()

    @contextlib.contextmanager
    def _told(self, run):
        """Takes the figures of a run, however it ends."""
        with run:
            try:
                yield run
            finally:
                self.figures = run.figures

    async def arun(self, num_records=None, start_index=0, output_dir=None, **kwargs):
        """`run` for an event loop. To cancel it stops the run."""
        from sygra.library import asynchronous

        run = self._start(num_records, start_index, output_dir, kwargs)
        try:
            return await asynchronous.results(run)
        finally:
            self.figures = run.figures

    async def astream(self, num_records=None, start_index=0, output_dir=None, **kwargs):
        """`stream` for an event loop."""
        from sygra.library import asynchronous

        run = self._start(num_records, start_index, output_dir, kwargs)
        records = asynchronous.stream(run)
        try:
            async for record in records:
                yield record
        finally:
            await records.aclose()
            self.figures = run.figures

    @staticmethod
    def _options(num_records, start_index, output_dir, kwargs):
        options.check(kwargs, RUN_ARGUMENTS)
        given = {key: value for key, value in kwargs.items() if key not in RUN_ARGUMENTS}
        return {"batch_size": BATCH_SIZE, **given, "num_records": num_records, "start_index": start_index or None,
                "output_dir": os.fspath(output_dir) if output_dir else None}

    @staticmethod
    def _callbacks(kwargs):
        return kwargs.get("callbacks") or kwargs.get("execution_callbacks")

    def _own_executor(self, given):
        """The task's own TaskExecutor, made; None if it has none."""
        if not self._is_existing_task:
            return None
        from sygra import executor

        found = executor.find(self._origin) if executor.may_have(self._origin) else None
        if not found:
            return None
        self.build()
        args = executor.arguments(self._origin, given)
        return found(args) if self._as_on_disk else found(args, copy.deepcopy(self._config))

    def _start(self, num_records, start_index, output_dir, kwargs):
        given = self._options(num_records, start_index, output_dir, kwargs)
        own = self._own_executor(given)
        if own:
            return own.start(self._callbacks(kwargs), kwargs.get("progress"), kwargs.get("in_process", False))
        return self._run(given, kwargs)

    def _run(self, given, kwargs):
        return Run(self._task(kwargs), given, self._callbacks(kwargs), kwargs.get("progress"), kwargs.get("in_process", False))

    def _task(self, kwargs):
        self.build()
        if kwargs.get("quality_only"):
            return Task(self.name, copy.deepcopy(kwargs.get("quality_config") or {}))
        if self._is_existing_task and self._as_on_disk:
            return Task(self.name, None, self._origin, True)
        config = copy.deepcopy(self._config)
        if not (config.get("graph_config") or {}).get("nodes"):
            raise ConfigurationError("the workflow has no nodes: add one, with .llm(...), .lambda_func(...) or the like")
        return Task(self.name, _without_empty(config), self._origin, self._is_existing_task)


def _without_empty(config):
    """Sections that were made and never filled say nothing."""
    return {key: value for key, value in config.items() if value != {}}


def create_graph(name):
    return Workflow(name)
