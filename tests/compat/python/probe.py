# SPDX-License-Identifier: Apache-2.0
"""What the names that hooks import do, as JSON: question -> answer, a question a line. Run with the reference's package
and with ours, it must print the same. What cannot be asked in an interpreter (no pydantic, no numpy) is left out.

    PYTHONPATH=... python tests/compat/python/probe.py [PACKAGE...]        as if the packages were not installed
"""
import importlib
import json
import logging
import os
import random
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
logging.disable(logging.CRITICAL)

import without  # noqa: E402

without.hide(sys.argv[1:])
try:
    from sygra import _standins

    _standins.install()
except ImportError:
    pass  # the reference

HERE_PACKAGE = os.path.basename(HERE) + "."  # the reference wants a dot in every name
sys.path.insert(1, os.path.dirname(HERE))

NAMES = {
    "sygra.core.graph.sygra_state": "SygraState",
    "sygra.core.graph.sygra_message": "SygraMessage",
    "sygra.core.graph.functions.node_processor": "NodePreProcessor NodePostProcessor NodePostProcessorWithState",
    "sygra.core.graph.functions.edge_condition": "EdgeCondition",
    "sygra.core.graph.functions.lambda_function": "LambdaFunction AsyncLambdaFunction",
    "sygra.core.models.model_postprocessor": "ModelPostProcessor RemoveThinkData",
    "sygra.processors.output_record_generator": "BaseOutputGenerator",
    "sygra.logger.logger_config": "logger set_external_logger reset_to_internal_logger configure_logger LoggerAdapter",
    "sygra.utils.constants": "SYGRA_START SYGRA_END START END VAR_CHAT_HISTORY ERROR_PREFIX GRAPH_OUTPUT_KEY ALIAS_JOINER ROOT_DIR",
    "sygra.core.eval.metrics.unit_metrics.unit_metric_registry": "UnitMetricRegistry unit_metric",
    "sygra.core.eval.metrics.unit_metrics.unit_metric_result": "UnitMetricResult",
    "sygra.core.eval.metrics.unit_metrics.base_unit_metric": "BaseUnitMetric",
    "sygra.core.eval.metrics.aggregator_metrics.aggregator_metric_registry": "AggregatorMetricRegistry aggregator_metric",
    "sygra.core.eval.metrics.aggregator_metrics.base_aggregator_metric": "BaseAggregatorMetric",
    "sygra.core.eval.metrics.base_metric_metadata": "BaseMetricMetadata",
    "sygra.core.dataset.dataset_config": "DataSourceConfig OutputConfig DataSourceType OutputType TransformConfig ShardConfig",
    "sygra.core.execution_callbacks": "ExecutionCallbacks NodeExecutionTracker create_execution_tracker",
    "sygra.metadata.metadata_collector": "get_metadata_collector MetadataCollector calculate_latency_statistics record_model_usage",
    "sygra.core.graph.langgraph.langchain_callback": "MetadataTrackingCallback",
    "sygra.utils.tool_utils": "LangChainToolsWrapper load_tools convert_openai_to_langchain_toolcall",
    "sygra.core.dataset.file_handler": "FileHandler",
    "sygra.core.dataset.huggingface_handler": "HuggingFaceHandler",
    "sygra.core.dataset.servicenow_handler": "ServiceNowHandler",
    "sygra.processors.data_transform": "DataTransform SkipRecords CombineRecords RenameFieldsTransform AddNewFieldTransform "
    "CreateImageUrlTransform CreateAudioUrlTransform",
    "sygra.core.graph.graph_postprocessor": "GraphPostProcessor SemanticDedupPostProcessor",
    "langchain_core.messages": "BaseMessage HumanMessage AIMessage SystemMessage ToolMessage FunctionMessage ChatMessage "
    "AnyMessage ToolCall get_buffer_string messages_to_dict messages_from_dict",
    "langchain_core.tools": "tool BaseTool StructuredTool ToolException",
    "langgraph.graph": "START END",
}
UTILS = (
    "extract_and_load_json load_json convert_messages_from_langchain_to_chat_format load_yaml_file load_json_file "
    "convert_messages_from_chat_format_to_langchain load_jsonl_file save_json_file save_jsonl_file append_to_json_file "
    "append_to_jsonl_file delete_file flatten_dict deep_update extract_pattern get_func_from_str get_file_in_task_dir "
    "get_file_in_dir load_model_config get_models_used get_graph_property get_dataset fetch_next_record"
)

answers = {}


def ask(question, answer):
    """`answer` is a function; what it raises is an answer, too."""
    try:
        given = answer()
    except Exception as error:
        given = {"raises": next(c.__name__ for c in type(error).__mro__ if c.__module__ == "builtins")}
    answers[question] = json.loads(json.dumps(given, default=str))


def has(module):
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True


def names():
    for module, wanted in {**NAMES, "sygra.utils.utils": UTILS}.items():
        ask(f"names of {module}", lambda: [n for n in wanted.split() if not hasattr(importlib.import_module(module), n)])


def texts():
    from sygra.core.models.model_postprocessor import RemoveThinkData
    from sygra.utils import utils

    for text in (
        '{"a": 1}',
        'Sure!\n```json\n{"a": [1, {"b": 2}]}\n```',
        'x [ {"a": 1} ] y',
        '{"a": 1} and {"b": 2}',
        "nothing",
        "",
        "{}",
        '{"a": 1,}',
        '[[{"a": 1}]]',
        'before {"a": "\\n"} after }',
        None,
    ):
        ask(f"extract_and_load_json {text!r}", lambda: utils.extract_and_load_json(text))
        ask(f"load_json {text!r}", lambda: utils.load_json(text))
    for text in ("<think>a</think>b", " a <think>x</think>\n b<think>y</think>", "<think>open", "plain", "", "</think>"):
        ask(f"RemoveThinkData {text!r}", lambda: RemoveThinkData().apply(text))
    ask("RemoveThinkData with tags", lambda: RemoveThinkData("[", "]").apply("a[b]c[d]"))
    ask("extract_pattern", lambda: utils.extract_pattern("a=1, b=, c=3", r"\w=(\d*)"))
    ask("extract_pattern of groups", lambda: utils.extract_pattern("a=1, b=2", r"(\w)=(\d)"))
    ask("flatten_dict", lambda: utils.flatten_dict({"a": {"b": {"c": 1}, "d": []}, "e": {}}, sep="."))
    ask("flatten_dict below", lambda: utils.flatten_dict({"a": {"b": 1}}, "top"))
    ask("get_env_name", lambda: utils.get_env_name("my  model-x"))
    for task in ("tasks.examples.a", "tasks/examples/a", "/abs/a", "a"):
        ask(f"get_file_in_task_dir {task}", lambda: utils.get_file_in_task_dir(task, "f.json"))
    ask("get_func_from_str", lambda: utils.get_func_from_str("json.dumps")([1]))
    ask("get_func_from_str of a value", lambda: utils.get_func_from_str("math.pi"))
    ask("get_func_from_str of nothing", lambda: utils.get_func_from_str("math.nothing"))

    def updated():
        target = {"a": {"b": 1, "c": {"d": 1}}, "e": 1}
        utils.deep_update(target, {"a": {"c": {"x": 2}}, "e": {"f": 1}, "g": 1})
        return target

    ask("deep_update", updated)


def files():
    from sygra.utils import utils

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "f")

        def written(*steps):
            for step, data in steps:
                getattr(utils, step)(path, data)
            with open(path, encoding="utf-8") as file:
                text = file.read()
            utils.delete_file(path)
            return text

        rows = [{"a": "ü", "n": [1, None, 1.5]}, {"b": {"c": True}}]
        ask("save_json_file", lambda: written(("save_json_file", rows)))
        ask("append_to_json_file", lambda: written(("append_to_json_file", rows), ("append_to_json_file", rows[:1])))
        ask("save_jsonl_file", lambda: written(("save_jsonl_file", rows), ("append_to_jsonl_file", rows[:1])))
        ask("delete_file of nothing", lambda: utils.delete_file(path))

        def dataset(name, text):
            place = os.path.join(folder, name)
            with open(place, "w", encoding="utf-8") as file:
                file.write(text)
            return {"type": "disk", "file_path": place, "unknown_key": 1}

        source = dataset("d.jsonl", '{"a": 1}\n{"a": 2}\n')
        ask("get_dataset", lambda: utils.get_dataset(source))
        ask("get_dataset of a map", lambda: utils.get_dataset(dataset("m.json", "{}")))
        ask("get_dataset of a type that is none", lambda: utils.get_dataset({**source, "type": "ftp"}))
        ask("fetch_next_record", lambda: [utils.fetch_next_record(source, "a") for _ in range(5)])


def messages():
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage, get_buffer_string
    from langchain_core.messages import ChatMessage, messages_from_dict, messages_to_dict
    from sygra.core.graph.sygra_message import SygraMessage
    from sygra.utils import tool_utils, utils

    raw = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}]
    torn = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a'}}]
    made = [
        HumanMessage("hi"),
        HumanMessage(content="x", name="bob"),
        AIMessage("y"),
        AIMessage(content="", additional_kwargs={"tool_calls": raw}),
        AIMessage(content="", additional_kwargs={"tool_calls": torn}),
        AIMessage(content="", tool_calls=[{"name": "f", "args": {"a": 1}, "id": "z"}]),
        SystemMessage([{"type": "text", "text": "a"}, "b", {"type": "image_url", "image_url": "u"}]),
        ToolMessage("r", tool_call_id="c"),
        ToolMessage(content="r", tool_call_id="c", status="error", name="n"),
        ChatMessage("r", role="boss"),
    ]
    for i, message in enumerate(made):
        ask(f"message {i}", lambda: [message.type, str(message), repr(message), message.text(), message.model_dump()])
    ask("messages are equal", lambda: [HumanMessage("a") == HumanMessage("a"), HumanMessage("a") == AIMessage("a")])
    ask("get_buffer_string", lambda: get_buffer_string(made))
    ask("messages to maps and back", lambda: messages_from_dict(messages_to_dict(made)) == made)
    ask("a message without content", lambda: HumanMessage())
    ask("SygraMessage", lambda: SygraMessage(made[2]).message.content)
    ask("to chat format", lambda: utils.convert_messages_from_langchain_to_chat_format(made))
    chat = [
        {"role": "system", "content": "be {kind}"},
        {"role": "user", "content": "{q} and {{braces}}"},
        {"role": "assistant", "content": "well"},
    ]
    templates = utils.convert_messages_from_chat_format_to_langchain(chat)
    ask("from chat format", lambda: [[m.type, m.content] for m in (t.format(kind="good", q=1) for t in templates)])
    ask("variables of templates", lambda: [sorted(t.input_variables) for t in templates])
    ask("from config", lambda: utils.convert_messages_from_config_to_chat_format([{"user": "a"}, {"system": ["b"]}]))
    for call in (raw[0], torn[0], {"id": 1}):
        ask(f"a tool call {call}", lambda: tool_utils.convert_openai_to_langchain_toolcall(call))


def tools():
    from sygra.utils import tool_utils

    for module in ("toolkit", *(("toolkit_pydantic",) if has("pydantic") else ())):
        made = importlib.import_module(module)
        for name, member in sorted(vars(made).items()):
            if hasattr(member, "args_schema") and not isinstance(member, type):
                ask(f"tool {module}.{name}", lambda: described(f"{module}.{name}"))
        ask(f"tools of {module}", lambda: [t.name for t in tool_utils.load_tools([f"{HERE_PACKAGE}{module}"])])
    ask("tools of a class", lambda: [t.name for t in tool_utils.load_tools(["toolkit.Kit"])])
    ask("a tool that is not there", lambda: tool_utils.load_tools(["toolkit.nothing"]))
    plain, arguments = importlib.import_module("toolkit").plain, {"x": 1, "y": "b", "z": 1, "b": True}
    ask("a tool is called", lambda: plain.invoke(arguments))
    ask("a tool is called by a model", lambda: str(
        plain.invoke({"type": "tool_call", "name": "plain", "args": arguments, "id": "c1"})))
    ask("a tool of one parameter is called", lambda: importlib.import_module("toolkit").Kit.aa.invoke("q"))


def described(dotted):
    tools = _tools_of(dotted)
    for tool in tools:  # from Python 3.13 on texts are not indented
        tool["function"]["description"] = [line.strip() for line in tool["function"]["description"].split("\n")]
    return tools


def _tools_of(dotted):
    try:
        from sygra import _tools
    except ImportError:  # the reference
        from langchain_core.utils.function_calling import convert_to_openai_tool
        from sygra.utils import tool_utils

        return [convert_to_openai_tool(t, strict=True) for t in tool_utils.load_tools([dotted])]
    return _tools.describe(dotted)


def transforms():
    from sygra.processors import data_transform

    rows = [{"id": i, "a": f"t{i}", "b": [i]} for i in range(7)]

    def run(name, params, data=rows):
        made = getattr(data_transform, name)()
        ask(f"{made.name} {params}", lambda: made.transform([dict(r) for r in data], params))

    for text in ("[:2]", "[-2:]", "[:2],[-2:]", "[1:3],[2:5]", "", "[3:3]", "[-3:-1]", "[20:30]", "[:]", "no brackets"):
        run("SkipRecords", {"skip_type": "range", "range": text})
    run("SkipRecords", {"range": "[:1]"})
    for count in ({"from_start": 2}, {"from_end": 2}, {"from_start": 2, "from_end": 3}, {"from_start": 5, "from_end": 5}, {}):
        run("SkipRecords", {"skip_type": "count", "count": count})
    run("RenameFieldsTransform", {"mapping": {"a": "x", "nothing": "y"}})
    run("RenameFieldsTransform", {"mapping": {"a": "b"}})
    run("RenameFieldsTransform", {"mapping": {"a": "b"}, "overwrite": True})
    run("RenameFieldsTransform", {"mapping": {"a": "x", "x": "y"}})
    run("AddNewFieldTransform", {"mapping": {"a": 1, "new": {"k": []}}})
    run("CombineRecords", {"combine": 1})
    run("CombineRecords", {})
    # The reference loses the last window. A row more that is skipped at the end gives it as many as we make.
    for params in ({"combine": 2}, {"combine": 3, "shift": 2}, {"combine": 2, "skip": {"from_beginning": 2, "from_end": 1}}):
        combined = {**params, "join_column": {"a": "$1-$2", "id": "$2"}}
        ask(f"combine_records {params}", lambda: all_but_the_last(data_transform.CombineRecords(), rows, combined))
    ask("combine_records of a missing column",
        lambda: data_transform.CombineRecords().transform(rows, {"combine": 2, "join_column": {"z": "$1"}}))


def all_but_the_last(transform, rows, params):
    """The windows that begin before the last possible place."""
    skip = params.get("skip", {})
    last = len(rows) - skip.get("from_end", 0) - params["combine"]
    made = transform.transform(rows, params)
    starts = range(skip.get("from_beginning", 0), last, params.get("shift", 1))
    return made[: len(starts)]


def metrics():
    from sygra.core.eval.metrics.aggregator_metrics.aggregator_metric_registry import AggregatorMetricRegistry
    from sygra.core.eval.metrics.unit_metrics.unit_metric_registry import UnitMetricRegistry
    from sygra.core.eval.metrics.unit_metrics.unit_metric_result import UnitMetricResult

    ask("unit metrics", UnitMetricRegistry.list_metrics)
    ask("aggregator metrics", AggregatorMetricRegistry.list_metrics)
    ask("has_metric", lambda: [UnitMetricRegistry.has_metric(n) for n in ("exact_match", "nothing")])
    ask("a metric that is not there", lambda: UnitMetricRegistry.get_metric("nothing"))
    ask("register a class that is none", lambda: UnitMetricRegistry.register("x", dict))
    ask("get_metrics_info", lambda: UnitMetricRegistry.get_metrics_info()["exact_match"])

    def evaluated(name, golden, predicted, **config):
        metric = UnitMetricRegistry.get_metric(name, **config)
        return [metric.get_metric_name(), *[r.to_dict() for r in metric.evaluate(golden, predicted)]]

    pairs = [("Hello  World", "hello world "), ("a", "b"), ("", ""), (" x", "X"), ("12", 12), (None, "none")]
    for config in ({}, {"case_sensitive": True}, {"normalize_whitespace": False}, {"key": "text"}, {"key": "other"}):
        ask(f"exact_match {config}", lambda: evaluated(
            "exact_match", [{"text": a} for a, _ in pairs], [{"text": b} for _, b in pairs], **config))
    ask("exact_match of texts", lambda: evaluated("exact_match", ["a"], ["a"]))
    ask("exact_match of different lengths", lambda: evaluated("exact_match", [{}], []))
    box = {"x": 10, "y": 20, "width": 5, "height": 6}
    points = [(10, 20), (15, 26), (15.1, 26), ("12", "22"), (None, 1), (9.999, 20)]
    ask("action_within_bbox", lambda: evaluated(
        "action_within_bbox", [{"bbox": box}] * 6, [{"x": x, "y": y} for x, y in points]))
    ask("action_within_bbox without box", lambda: evaluated("action_within_bbox", [{}, {"bbox": {"x": 1}}, 3], [{"x": 1, "y": 1}] * 3))
    ways = [("up", "up"), ("up", "down"), ("UP", "UP"), (None, None), ("left", "left")]
    ask("scroll_direction", lambda: evaluated(
        "scroll_direction", [{"direction": a} for a, _ in ways], [{"direction": b} for _, b in ways]))
    amounts = [(100, 80), (100, 79.9), (-100, -120), (0, 10), (0, 11), (0, 0), ("5", "5"), ("x", 1)]
    for config in ({}, {"tolerance_percent": 0}, {"scroll_threshold": 0.5}):
        ask(f"scroll_amount {config}", lambda: evaluated(
            "scroll_amount", [{"amount": a} for a, _ in amounts], [{"amount": b} for _, b in amounts], **config))
    typed = [("Hello World", "hello  world"), ("abcdef", "abcdex"), ("abc", "xyz"), ("", ""), ("long text here", "long tex there")]
    for config in ({}, {"fuzzy_match_threshold": 0.5}, {"fuzzy_match_threshold": 2}):
        ask(f"typed_value_match {config}", lambda: evaluated(
            "typed_value_match", [{"text": a} for a, _ in typed], [{"text": b} for _, b in typed], **config))

    dice = random.Random(7)
    results = [UnitMetricResult(dice.random() < 0.6, {"event": dice.choice("abc")}, {"tool": dice.choice("abcd")}) for _ in range(50)]
    results += [UnitMetricResult(True, {}, {}), UnitMetricResult(False, {"event": 3}, {"tool": 3})]
    keys = {"predicted_key": "tool", "golden_key": "event"}
    for name, config in (("accuracy", {}), ("precision", keys), ("recall", keys), ("f1_score", keys), ("precision", {}), ("recall", {}),
                         ("f1_score", {}), ("pass@k", {"k": 3}), ("pass@k", {"k": 53}), ("pass@k", {}), ("pass^k", {"k": 3}),
                         ("pass^k", {"k": 1})):
        ask(f"{name} {config}", lambda: AggregatorMetricRegistry.get_metric(name, **config).calculate(results))
        ask(f"{name} {config} of nothing", lambda: AggregatorMetricRegistry.get_metric(name, **{"k": 1, **config}).calculate([]))
    ask("a result of texts", lambda: UnitMetricResult(True, "a", "b"))
    ask("from_dict", lambda: UnitMetricResult.from_dict({"correct": True, "golden": {"a": 1}}).to_dict())


def outputs():
    from sygra.processors.output_record_generator import BaseOutputGenerator

    class Generator(BaseOutputGenerator):
        def upper(self, data, state):
            return f"{data}{state['n']}".upper()

        @staticmethod
        def fixed(data, state):
            return [data]

    state = {"n": 1, "t": "text"}
    for mapping in (
        {"a": {"from": "t"}, "b": {"value": 3}, "c": {"from": "missing"}},
        {"a": {"from": "t", "value": None}},
        {"a": {"from": "t", "transform": "upper"}, "b": {"value": 1, "transform": "fixed"}},
        {"a": {}},
        {"a": {"from": "t", "transform": "nothing"}},
        {},
    ):
        ask(f"output of {mapping}", lambda: Generator({"output_map": mapping}).generate(dict(state)))
    ask("output without a map", lambda: BaseOutputGenerator({}).generate(state))


def deduplicated():
    import numpy
    from sygra.core.graph.graph_postprocessor import SemanticDedupPostProcessor

    class Embedder:
        def encode(self, texts, **_):
            vectors = numpy.array([numpy.random.default_rng(len(t)).normal(size=3) for t in texts], dtype=numpy.float32)
            return vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)

    data = [{"id": f"r{i}", "text": "x" * (i * 7 % 23)} for i in range(40)] + [{"text": ["a", None, "b"]}, {"text": None}]
    for keep in ("first", "last"):
        for mode in ("nearest_neighbor", "all_pairs"):
            def run():
                processor = SemanticDedupPostProcessor(similarity_threshold=0.8, keep=keep, dedup_mode=mode, max_pairs_in_report=25)
                processor._embedder = Embedder()
                with tempfile.TemporaryDirectory() as folder:
                    kept = processor.process(data, {"output_file": f"{folder}/output_x.json"})
                    with open(f"{folder}/semantic_dedup_report_x.json", encoding="utf-8") as file:
                        report = json.load(file)
                for pair in report["duplicates"]:
                    pair["similarity"] = round(pair["similarity"], 4)
                return [[d.get("id") for d in kept], report]

            ask(f"semantic duplicates {keep} {mode}", run)


def main():
    for part in (names, texts, files, messages, tools, transforms, metrics, outputs):
        part()
    if has("numpy"):
        deduplicated()
    lines = [f"{json.dumps(q, ensure_ascii=False)}: {json.dumps(a, ensure_ascii=False)}" for q, a in sorted(answers.items())]
    print("{\n" + ",\n".join(lines) + "\n}")


main()
