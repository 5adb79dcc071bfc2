# SPDX-License-Identifier: Apache-2.0
"""What hooks import from `sygra`, where it is not the reference's (probe.py asks for what is): repairs, messages,
stand-ins. Must pass with langchain_core, with stand-ins for it, and with the standard library only.

    PYTHONPATH=python python tests/compat/python/test_package.py [PACKAGE...]       as if the packages were not installed
"""
import asyncio
import base64
import contextlib
import importlib
import importlib.util
import io
import json
import os
import subprocess
import sys
import tempfile
import types
import unittest
import wave

import without

without.hide(sys.argv[1:])
from sygra import _figures, _messages, _standins, _tools  # noqa: E402
from sygra.logger import logger_config  # noqa: E402
from sygra.utils import utils  # noqa: E402

_standins.install()


def has(module):
    return importlib.util.find_spec(module) is not None


REAL = _standins.is_installed("langchain_core")


@contextlib.contextmanager
def module(name, text):
    """A module of a hook's author, importable meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, name + ".py"), "w", encoding="utf-8") as file:
            file.write(text)
        sys.path.insert(0, folder)
        importlib.invalidate_caches()
        try:
            yield
        finally:
            sys.path.remove(folder)
            sys.modules.pop(name, None)


@contextlib.contextmanager
def in_folder(**files):
    """In a new working directory with these files; `__` in a name stands for a dot, `___` for a slash."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = os.path.join(folder, name.replace("___", "/").replace("__", "."))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        os.chdir(folder)
        try:
            yield folder
        finally:
            os.chdir(before)


def in_new_interpreter(text):
    """What a program prints that begins as a host does."""
    start = f"import sys; sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r}); import without\n"
    start += f"without.hide({sys.argv[1:]!r})\n"
    options = ["-S"] if sys.flags.no_site else []
    done = subprocess.run(
        [sys.executable, *options, "-W", "ignore", "-c", start + text], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Imports(unittest.TestCase):
    def test_what_hooks_import_loads_no_package(self):
        loaded = in_new_interpreter(
            "import sygra._standins, sygra._messages, sygra._tools; sygra._standins.install()\n"
            "import sygra.core.graph.functions.node_processor, sygra.core.graph.functions.edge_condition\n"
            "import sygra.core.graph.functions.lambda_function, sygra.core.graph.sygra_message\n"
            "import sygra.processors.output_record_generator, sygra.processors.data_transform\n"
            "import sygra.core.graph.graph_postprocessor, sygra.utils.utils, sygra.utils.constants\n"
            "import sygra.core.eval.metrics.unit_metrics.unit_metric_registry as u; u.UnitMetricRegistry.list_metrics()\n"
            "import sygra.metadata.metadata_collector, sygra.core.execution_callbacks\n"
            "heavy = 'langchain_core langgraph pydantic yaml numpy pandas requests sygra.workflow sygra.library'.split()\n"
            "print([m for m in heavy if m in sys.modules])"
        )
        self.assertEqual(loaded, "[]")

    def test_a_host_says_which_packages_are_stand_ins(self):
        active = in_new_interpreter(
            "from sygra import _standins; _standins.install(); _standins.install(); before = _standins.active()\n"
            "import langchain_core.messages; print(before, _standins.active())"
        )
        self.assertEqual(active, "[] []" if REAL else "[] ['langchain_core']")

    @unittest.skipIf(REAL, "langchain_core is installed")
    def test_what_a_stand_in_lacks_is_said_with_the_package_to_install(self):
        for text in (
            "from langchain_core.messages import trim_messages",
            "import langchain_core.output_parsers",
            "from langchain_core import runnables",
        ):
            with self.assertRaisesRegex(ImportError, "langchain_core.*stand-in.*pip install langchain-core"):
                exec(text)

    def test_an_installed_package_lacks_what_it_lacks(self):
        if REAL:
            with self.assertRaisesRegex(ModuleNotFoundError, "^No module named 'langchain_core.nothing'$"):
                importlib.import_module("langchain_core.nothing")
        with self.assertRaisesRegex(ModuleNotFoundError, "^No module named 'langchain'$"):
            importlib.import_module("langchain")


class Messages(unittest.TestCase):
    CALLS = [
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":  1.0}'}},
        {"id": "c2", "type": "function", "function": {"name": "g", "arguments": '{"a"'}},
    ]
    CHAT = [
        {"role": "user", "content": "a"},
        {"role": "user", "content": [{"type": "text", "text": "a"}], "name": "bob"},
        {"role": "assistant", "content": "", "tool_calls": CALLS},
        {"role": "assistant", "content": "b"},
        {"role": "system", "content": "s"},
        {"role": "tool", "content": "r", "tool_call_id": "c1"},
        {"role": "boss", "content": "x"},
    ]

    def test_a_chat_map_comes_back_as_it_was(self):
        made = [_messages.from_chat(m) for m in self.CHAT]
        self.assertTrue(all(_messages.is_message(m) for m in made))
        self.assertEqual([m.type for m in made], ["human", "human", "ai", "ai", "system", "tool", "chat"])
        self.assertEqual([_messages.to_chat(m) for m in made], self.CHAT)

    def test_tool_calls_are_parsed_and_those_that_are_torn_are_kept_apart(self):
        message = _messages.from_chat(self.CHAT[2])
        self.assertEqual([(c["name"], c["args"], c["id"]) for c in message.tool_calls], [("f", {"a": 1.0}, "c1")])
        self.assertEqual([c["args"] for c in message.invalid_tool_calls], ['{"a"'])

    def test_tool_calls_that_a_hook_changed_are_written_anew(self):
        message = _messages.from_chat(self.CHAT[2])
        message.tool_calls[0]["args"]["a"] = "ü"
        changed = _messages.to_chat(message)["tool_calls"]
        self.assertEqual(changed[0]["function"], {"name": "f", "arguments": '{"a": "ü"}'})
        self.assertEqual(changed[1], self.CALLS[1])

    def test_a_message_that_a_hook_made_becomes_a_map(self):
        from langchain_core.messages import AIMessage, HumanMessage

        self.assertEqual(_messages.to_chat(HumanMessage("hi")), {"role": "user", "content": "hi"})
        called = AIMessage(content="", tool_calls=[{"name": "f", "args": {}, "id": "1"}])
        self.assertEqual(_messages.to_chat(called)["tool_calls"][0]["function"], {"name": "f", "arguments": "{}"})

    def test_a_map_without_a_role_is_no_message(self):
        with self.assertRaisesRegex(ValueError, "needs a role"):
            _messages.from_chat({"content": "a"})
        self.assertFalse(_messages.is_message({"role": "user", "content": "a"}))

    def test_messages_are_the_real_ones_once_a_hook_has_imported_them(self):
        said = in_new_interpreter(
            "from sygra import _messages as m, _standins; _standins.install()\n"
            "name = lambda: type(m.from_chat({'role': 'user', 'content': 'a'})).__module__.partition('.')[0]\n"
            "first = name(); m.prefer_real(b'import json'); second = name()\n"
            "m.prefer_real(b'def f():\\n  from langchain_core.messages import AIMessage'); print(first, second, name())"
        )
        self.assertEqual(said, "sygra sygra langchain_core" if REAL else "sygra sygra sygra")

    def test_messages_of_both_kinds_are_messages(self):
        from sygra._standins.messages import HumanMessage

        self.assertEqual(_messages.to_chat(HumanMessage("a")), {"role": "user", "content": "a"})
        self.assertTrue(_messages.is_message(HumanMessage("a")))


class Tools(unittest.TestCase):
    def described(self, text, dotted):
        with module("my_tools", "from langchain_core.tools import tool, BaseTool\n" + text):
            return [t["function"]["name"] for t in _tools.describe(dotted)]

    def test_an_entry_may_be_a_module_without_a_dot(self):
        text = "@tool\ndef b(x: int):\n  'b'\n@tool\ndef a(x: int):\n  'a'\n"
        self.assertEqual(self.described(text, "my_tools"), ["a", "b"])

    def test_a_wrapper_gives_the_tools_that_it_makes(self):
        text = "from sygra.utils.tool_utils import LangChainToolsWrapper\n@tool\ndef b(x: int):\n  'b'\n"
        text += "class W(LangChainToolsWrapper):\n  def get_tools(self):\n    return [b]\n"
        self.assertEqual(self.described(text, "my_tools.W"), ["b"])

    def test_what_is_no_tool_is_said(self):
        for text, dotted, said in (
            ("def f(x): pass", "my_tools.f", "'my_tools.f' is a function, no tool: .*@tool above it"),
            ("class C: pass", "my_tools.C", "'my_tools.C' has no tools"),
            ("", "my_tools.nothing", "the module my_tools has no 'nothing'"),
        ):
            with self.assertRaisesRegex(ValueError, said):
                self.described(text, dotted)

    def test_an_import_that_fails_in_a_module_of_tools_is_its_own_error(self):
        with self.assertRaisesRegex(ModuleNotFoundError, "No module named 'not_installed'"):
            self.described("import not_installed", "my_tools.f")

    def test_a_function_without_a_text_is_no_tool(self):
        with self.assertRaisesRegex(ValueError, "a docstring"):
            self.described("@tool\ndef f(x): pass", "my_tools.f")

    def test_a_parameter_may_have_a_postponed_annotation(self):
        with module("my_tools", "from __future__ import annotations\nfrom typing import Optional\n"
                    "from langchain_core.tools import tool\n@tool\ndef f(x: int, y: Optional[str] = None):\n  'f'\n"):
            [described] = _tools.describe("my_tools.f")
        self.assertEqual(described["function"]["parameters"]["properties"]["x"], {"type": "integer"})

    def test_a_tool_can_be_called(self):
        from langchain_core.tools import tool

        @tool
        async def later(a: int, b: int = 2) -> int:
            "later"
            return a + b

        self.assertEqual(asyncio.run(later.ainvoke({"a": 1})), 3)
        with self.assertRaises(NotImplementedError):
            later.invoke({"a": 1})

    def test_classes_are_found_in_the_modules_that_define_them(self):
        from langchain_core.messages import AIMessage
        from langchain_core.messages.ai import AIMessage as there

        self.assertIs(AIMessage, there)

    @unittest.skipIf(REAL, "langchain_core is installed")
    def test_the_stand_in_says_what_it_does_not_know(self):
        with self.assertRaisesRegex(TypeError, "does not know infer_schema: pip install langchain-core"):
            self.described("@tool(infer_schema=False)\ndef f(x):\n  'f'", "my_tools.f")
        with self.assertRaisesRegex(ImportError if not has("pydantic") else ValueError, "pydantic is needed|holds itself"):
            if has("pydantic"):
                text = "from pydantic import BaseModel\nfrom typing import List\nclass T(BaseModel):\n  t: List['T'] = []\n"
            else:
                text = "import datetime\nT = datetime.date\n"
            self.described(text + "@tool\ndef f(x: T):\n  'f'", "my_tools.f")


class Hooks(unittest.TestCase):
    def test_thoughts_are_cut_out_of_a_text_only(self):
        from sygra.core.models.model_postprocessor import RemoveThinkData

        self.assertIsNone(RemoveThinkData().apply(None))
        self.assertEqual(RemoveThinkData().apply("</think>a<think>"), "</think>a<think>")

    def test_base_classes_want_their_methods(self):
        from sygra.core.graph.functions.edge_condition import EdgeCondition
        from sygra.core.graph.functions.lambda_function import AsyncLambdaFunction, LambdaFunction
        from sygra.core.graph.functions.node_processor import NodePostProcessor, NodePreProcessor
        from sygra.core.graph.graph_postprocessor import GraphPostProcessor
        from sygra.processors.data_transform import DataTransform

        for base in (EdgeCondition, LambdaFunction, AsyncLambdaFunction, NodePreProcessor, NodePostProcessor,
                     GraphPostProcessor, DataTransform):
            with self.assertRaises(TypeError, msg=base.__name__):
                type("Empty", (base,), {})()

    def test_a_state_may_be_annotated(self):
        from sygra.core.graph.sygra_state import SygraState

        class Mine(SygraState):
            text: str

        self.assertEqual(Mine(text="a"), {"text": "a"})

    def test_semantic_duplicates_need_packages_and_say_which(self):
        from sygra.core.graph.graph_postprocessor import SemanticDedupPostProcessor as Dedup

        wrong = ({"dedup_mode": "some"}, {"keep": "all"}, {"embedding_backend": "none"})
        for arguments in wrong:
            with self.assertRaisesRegex(ValueError, "Unsupported"):
                Dedup(**arguments)
        self.assertEqual(Dedup().process([], {}), [])
        if not has("numpy"):
            with self.assertRaisesRegex(ImportError, "numpy where the hooks run: pip install numpy"):
                Dedup().process([{"text": "a"}], {})

    def test_a_report_never_takes_the_place_of_the_output(self):
        from sygra.core.graph.graph_postprocessor import SemanticDedupPostProcessor as Dedup

        path = Dedup()._resolve_report_path
        self.assertEqual(path("/d/output_2026.json"), "/d/semantic_dedup_report_2026.json")
        self.assertEqual(path("/d/mine.json"), "/d/semantic_dedup_report_mine.json")
        self.assertEqual(Dedup(report_filename="r.json")._resolve_report_path("/d/output.json"), "/d/r.json")

    @unittest.skipUnless(has("pydantic"), "pydantic is not installed")
    def test_sample_schemas(self):
        from pydantic import ValidationError
        from sygra.core.models.structured_output.schemas_factory import SimpleResponse
        from sygra.validators.custom_schemas import CustomUserSchema

        self.assertEqual(SimpleResponse(message="a").model_dump(), {"message": "a", "success": True})
        good = {"id": 1, "conversation": [{}], "taxonomy": [], "annotation_type": [], "language": ["en"], "tags": []}
        self.assertEqual(CustomUserSchema(**good).id, 1)
        with self.assertRaisesRegex(ValidationError, "a record needs an `id`"):
            CustomUserSchema(**{**good, "id": 0})

    @unittest.skipIf(has("pydantic"), "pydantic is installed")
    def test_sample_schemas_say_that_they_need_pydantic(self):
        for name in ("sygra.core.models.structured_output.schemas_factory", "sygra.validators.custom_schemas"):
            with self.assertRaisesRegex(ImportError, "needs pydantic.*pip install pydantic"):
                importlib.import_module(name)


class Transforms(unittest.TestCase):
    ROWS = [{"id": i, "a": f"t{i}"} for i in range(12)]

    def run_transform(self, name, params, rows=None):
        made = getattr(importlib.import_module("sygra.processors.data_transform"), name)()
        return made.transform([dict(r) for r in rows or self.ROWS], params)

    def test_the_last_window_is_combined_as_well(self):
        made = self.run_transform("CombineRecords", {"combine": 2, "join_column": {"a": "$1-$2"}})
        self.assertEqual((len(made), made[-1]), (11, {"a": "t10-t11"}))
        made = self.run_transform("CombineRecords", {"combine": 12, "join_column": {"a": "$1 $12 $13 $0"}})
        self.assertEqual(made, [{"a": "t0 t11 $13 $0"}])

    def test_each_record_gets_a_value_of_its_own(self):
        made = self.run_transform("AddNewFieldTransform", {"mapping": {"new": []}})
        made[0]["new"].append(1)
        self.assertEqual(made[1]["new"], [])

    def test_a_transform_needs_no_params(self):
        for name in ("SkipRecords", "CombineRecords", "RenameFieldsTransform", "AddNewFieldTransform",
                     "CreateImageUrlTransform", "CreateAudioUrlTransform"):
            self.assertEqual(self.run_transform(name, None), self.ROWS, name)

    def test_records_to_skip_are_counted_under_both_names(self):
        made = self.run_transform("SkipRecords", {"skip_type": "count", "count": {"from_begin": 11}})
        self.assertEqual([r["id"] for r in made], [11])
        self.assertEqual(self.run_transform("SkipRecords", {"range": "[:2],[:5]"})[0]["id"], 5)
        with self.assertRaisesRegex(ValueError, r"'\[5\]' has no colon"):
            self.run_transform("SkipRecords", {"range": "[5]"})
        with self.assertRaisesRegex(ValueError, "Unknown skip type 'some'"):
            self.run_transform("SkipRecords", {"skip_type": "some"})

    def test_images_become_urls_and_texts_stay(self):
        png = b"\x89PNG\r\n\x1a\n and more"
        with in_folder() as folder:
            with open(f"{folder}/a.jpg", "wb") as file:
                file.write(png)
            row = {"file": f"{folder}/a.jpg", "bytes": png, "map": {"bytes": png}, "list": [f"{folder}/a.jpg", "b.png"],
                   "url": "data:image/gif;base64,AA==", "text": "see pic.png", "other": b"\0\1", "n": 1}
            [made] = self.run_transform("CreateImageUrlTransform", {}, [row])
        url = "data:image/png;base64," + base64.b64encode(png).decode()
        self.assertEqual(made, {**row, "file": url, "bytes": url, "map": url, "list": [url, "b.png"]})

    def test_sound_becomes_urls(self):
        class Array:  # what numpy's have
            def __init__(self, values):
                self.tolist = lambda: values

        row = {"id": 1, "sound": {"array": Array([0.0, 1.0, -2.0]), "sampling_rate": 8000}, "mp3": {"bytes": b"x", "path": "a.mp3"},
               "raw": b"RIFF", "text": "no.mp3"}
        [made] = self.run_transform("CreateAudioUrlTransform", {"output_fields": {"raw": "url"}}, [row])
        content = base64.b64decode(made["sound"].partition("base64,")[2])
        with wave.open(io.BytesIO(content)) as file:
            frames = file.readframes(9)
            self.assertEqual((file.getframerate(), file.getnchannels()), (8000, 1))
        self.assertEqual(frames, b"\0\0\xff\x7f\x01\x80")
        self.assertEqual((made["mp3"], made["url"], made["raw"], made["text"]),
                         ("data:audio/mpeg;base64,eA==", "data:audio/wav;base64,UklGRg==", b"RIFF", "no.mp3"))


class Logging(unittest.TestCase):
    def tearDown(self):
        logger_config.reset_to_internal_logger()
        logger_config.configure_logger()

    def test_a_message_goes_to_the_stderr_of_the_moment(self):
        for _ in range(2):
            with contextlib.redirect_stderr(io.StringIO()) as printed:
                logger_config.logger.info("a %s", 1)
                logger_config.logger.warn("100%")
                logger_config.logger.debug("not shown")
            self.assertEqual(printed.getvalue(), "INFO a 1\nWARNING 100%\n")
        with contextlib.redirect_stderr(io.StringIO()) as printed:
            logger_config.configure_logger(debug_mode=True, run_name="mine")
            logger_config.logger.debug("shown")
        self.assertEqual(printed.getvalue(), "DEBUG mine - shown\n")

    def test_an_exception_is_shown_with_its_place(self):
        with contextlib.redirect_stderr(io.StringIO()) as printed:
            try:
                raise KeyError("k")
            except KeyError:
                logger_config.logger.exception("it failed")
        self.assertRegex(printed.getvalue(), r"(?s)^ERROR it failed\nTraceback .*KeyError: 'k'\n$")

    def test_a_logger_of_ones_own_gets_texts(self):
        said = []
        names = ("debug", "info", "warn", "error", "exception")
        mine = types.SimpleNamespace(**{n: lambda text, n=n: said.append((n, text)) for n in names})
        logger_config.set_external_logger(mine)
        log = logger_config.logger
        self.assertTrue(log.is_using_external())
        log.info("a %d%%", 5), log.warning("b"), log.critical("c"), log.error("{}")
        self.assertEqual(said, [("info", "a 5%"), ("warn", "b"), ("error", "CRITICAL: c"), ("error", "{}")])


class Utils(unittest.TestCase):
    YAML = importlib.util.find_spec("yaml") is not None

    def test_values_of_other_packages_are_written(self):
        import datetime

        class Array:
            def tolist(self):
                return [1, 2]

        with in_folder():
            utils.save_json_file("f", {"d": datetime.date(2026, 1, 2), "a": Array()})
            self.assertEqual(utils.load_json_file("f"), {"d": "2026-01-02", "a": [1, 2]})
            with self.assertRaises(TypeError):
                utils.save_json_file("f", [{1, 2}])

    @unittest.skipUnless(YAML, "PyYAML is not installed")
    def test_models_are_those_of_the_files_and_the_environment(self):
        files = {"sygra___config___models__yaml": "a: {url: 1}\nb: {url: 1, x: 1}", "models__yaml": "b: {url: 2}",
                 "more__yaml": "c c: {url: 3}"}
        with in_folder(**files):
            os.environ["SYGRA_C_C_URL"] = "u|v"
            os.environ["SYGRA_A_TOKEN"] = "t"
            try:
                models = utils.load_model_config("more.yaml")
            finally:
                del os.environ["SYGRA_C_C_URL"], os.environ["SYGRA_A_TOKEN"]
        wanted = {"a": {"url": 1, "auth_token": "t"}, "b": {"url": 2}, "c c": {"url": ["u", "v"]}}
        self.assertEqual(models, wanted)

    @unittest.skipUnless(YAML, "PyYAML is not installed")
    def test_what_a_task_says(self):
        graph = """
graph_config:
  graph_properties: {chat_conversation: multiturn}
  nodes:
    one: {node_type: llm, model: {name: m}}
    two: {node_type: multi_llm, models: {x: {name: n}}}
    off: {node_type: llm, node_state: idle, model: {name: o}}
    code: {node_type: lambda, lambda: a.b}
"""
        with in_folder(tasks___mine___graph_config__yaml=graph, models__yaml="m: {url: 1}"):
            self.assertEqual(utils.get_models_used("tasks.mine"), {"m": {"url": 1}, "n": None})
            self.assertEqual(utils.get_graph_property("chat_conversation", None, "tasks.mine"), "multiturn")
            self.assertEqual(utils.get_graph_property("chat_history_window_size", 5, "tasks/mine"), 5)
            self.assertEqual(utils.get_graph_property("x", 7, "tasks/no"), 7)

    @unittest.skipIf(YAML, "PyYAML is installed")
    def test_yaml_needs_a_package(self):
        with in_folder(a__yaml="a: 1"), self.assertRaisesRegex(ImportError, "pip install pyyaml"):
            utils.load_yaml_file("a.yaml")


class Data(unittest.TestCase):
    def test_configs_are_made_of_what_a_task_says(self):
        from sygra.core.dataset.dataset_config import DataSourceConfig, DataSourceType, OutputConfig, OutputType

        said = {"type": "hf", "repo_id": "r", "split": ["a", "b", "a"], "shard": {"regex": "x"}, "unknown": 1,
                "transformations": [{"transform": "t", "params": {"p": 1}}]}
        made = DataSourceConfig.from_dict(said)
        self.assertEqual((made.type, made.splits, made.shard.regex), (DataSourceType.HUGGINGFACE, ["a", "b"], "x"))
        self.assertEqual((made.transformations[0].transform, made.streaming, made.encoding), ("t", False, "utf-8"))
        self.assertEqual(len(said), 6)
        self.assertEqual((OutputConfig.from_dict({}).type, OutputConfig(type="json").type), (OutputType.NONE, OutputType.JSON))
        with self.assertRaisesRegex(ValueError, "ftp"):
            DataSourceConfig(type="ftp")

    def test_files_are_read_and_written_by_their_ending(self):
        from sygra.core.dataset.dataset_config import DataSourceConfig
        from sygra.core.dataset.file_handler import FileHandler

        with in_folder() as folder:
            handler = FileHandler(DataSourceConfig(type="disk", file_path=f"{folder}/d/a.jsonl"))
            handler.write([{"a": 1}], f"{folder}/d/a.jsonl")
            handler.write([{"a": 2}], f"{folder}/d/a.jsonl")
            handler.write([{"a": "ü"}], f"{folder}/d/b.json")
            self.assertEqual(handler.read(), [{"a": 1}, {"a": 2}])
            self.assertEqual(handler.read(f"{folder}/d/b.json"), [{"a": "ü"}])
            self.assertEqual(handler.get_files(), [f"{folder}/d/a.jsonl", f"{folder}/d/b.json"])
            with self.assertRaisesRegex(ValueError, "a.txt is of no kind that can be read"):
                handler.read("a.txt")
            if not has("pandas"):
                with self.assertRaisesRegex(ImportError, "pip install pandas"):
                    handler.read("a.csv")

    def test_what_is_not_there_yet_is_said_with_the_issue_that_brings_it(self):
        from sygra.core.dataset.huggingface_handler import HuggingFaceHandler
        from sygra.core.dataset.servicenow_handler import ServiceNowHandler

        for handler, said in ((HuggingFaceHandler, "issue 7"), (ServiceNowHandler, "issue 8")):
            for method in (handler(None).read, lambda: handler(None).write([])):
                with self.assertRaisesRegex(NotImplementedError, said):
                    method()


class Metrics(unittest.TestCase):
    def test_a_metric_of_ones_own_is_found_by_name(self):
        from sygra.core.eval.metrics.aggregator_metrics import aggregator_metric_registry as aggregators
        from sygra.core.eval.metrics.aggregator_metrics.base_aggregator_metric import BaseAggregatorMetric
        from sygra.core.eval.metrics.base_metric_metadata import BaseMetricMetadata

        @aggregators.aggregator_metric("mine")
        class Mine(BaseAggregatorMetric):
            def __init__(self, **config):
                super().__init__(**config)
                self.validate_config()
                self.metadata = self.get_metadata()

            def validate_config(self):
                self.n = self.config["n"]

            def get_metadata(self):
                return BaseMetricMetadata(name="mine", display_name="Mine", description="d")

            def calculate(self, results):
                return {"n": self.n, "correct": self._count_correct(results)}

        registry = aggregators.AggregatorMetricRegistry
        made = registry.get_metric("mine", n=3)
        self.assertEqual((made.calculate([]), made.get_metric_name()), ({"n": 3, "correct": 0}, "mine"))
        self.assertIn("accuracy", registry.list_metrics())
        self.assertTrue(registry.unregister("mine"))
        with self.assertRaisesRegex(KeyError, "there is no .*'mine'; there are"):
            registry.get_metric("mine")
        with self.assertRaisesRegex(TypeError, "is not derived from BaseAggregatorMetric"):
            aggregators.aggregator_metric("x")(dict)

    def test_a_wrong_configuration_is_said_with_the_metric_and_the_key(self):
        from sygra.core.eval.metrics.aggregator_metrics.aggregator_metric_registry import AggregatorMetricRegistry as A
        from sygra.core.eval.metrics.unit_metrics.unit_metric_registry import UnitMetricRegistry as U

        for registry, name, config, said in (
            (A, "precision", {}, "PrecisionMetric: predicted_key is required"),
            (A, "pass@k", {"k": 0}, "PassAtKMetric: k is required, a whole number above 0"),
            (U, "exact_match", {"case_sensitive": "no"}, "ExactMatchMetric: case_sensitive is true or false"),
            (U, "scroll_amount", {"tolerance_percent": -1}, "ScrollAmountMetric: tolerance_percent is at least 0"),
            (U, "typed_value_match", {"fuzzy_match_threshold": 2}, "fuzzy_match_threshold is from 0 to 1"),
        ):
            with self.assertRaisesRegex(ValueError, said):
                registry.get_metric(name, **config)


class Figures(unittest.TestCase):
    def setUp(self):
        from sygra.metadata import metadata_collector

        self.module, self.collector = metadata_collector, metadata_collector.get_metadata_collector()
        self.collector.reset()

    def tearDown(self):
        _figures.feed({})
        self.collector.reset()
        self.collector.set_enabled(True)

    def test_the_engines_figures_and_those_of_hooks_add_up(self):
        _figures.feed({"ok": 3, "failed": 1, "dropped": 1, "calls": 9, "calls_failed": 1, "retries": 2, "prompt_tokens": 50,
                       "completion_tokens": 60, "cost_usd": 0.5, "models": [{"model": "m", "url": "u", "in_flight": 1}]})
        self.collector.record_model_request("own", latency=2.0, prompt_tokens=3, completion_tokens=4, total_tokens=7, cost_usd=0.25)
        self.collector.record_model_request("own", latency=1.0, response_code=500)
        self.module.record_model_usage("own", {"usage": {"prompt_tokens": 10}}, 1.0)
        made = self.collector.get_metadata_summary()
        figures = made["aggregate_statistics"]
        self.assertEqual(figures["records"], {"total_processed": 5, "total_failed": 1, "success_rate": 0.8})
        self.assertEqual(figures["tokens"], {"total_prompt_tokens": 63, "total_completion_tokens": 64, "total_tokens": 127})
        self.assertEqual([figures["requests"][f"total_{n}"] for n in ("requests", "retries", "failures")], [13, 2, 2])
        self.assertEqual(figures["cost"], {"total_cost_usd": 0.75, "average_cost_per_record": 0.15})
        self.assertEqual(made["models"]["m"], {"model_name": "m", "model_url": "u"})
        own = made["models"]["own"]
        self.assertEqual(own["response_code_distribution"], {200: 2, 500: 1})
        self.assertEqual(own["performance"]["tokens_per_second"], 1.33)
        self.assertIs(self.collector, self.module.get_metadata_collector())

    def test_nodes_and_context_that_a_hook_records(self):
        self.collector.set_execution_context("tasks.mine", run_name="r", batch_size=7)
        self.collector.record_node_execution("n", "lambda", 0.5, True)
        self.collector.record_node_execution("n", "lambda", 1.5, False, total_tokens=4, prompt_tokens=4, cost_usd=0.1)
        self.collector.set_dataset_metadata("disk", "d.json", num_records=4)
        self.collector.add_dataset_source("a", "disk")
        self.collector.record_processed_record(success=False)
        self.collector.finalize_execution()
        with in_folder() as folder:
            path = self.collector.save_metadata(f"{folder}/deep/m.json")
            with open(path, encoding="utf-8") as file:
                made = json.load(file)
        self.assertEqual((made["execution"]["task_name"], made["execution"]["batch_size"]), ("tasks.mine", 7))
        self.assertEqual((made["dataset"]["num_records_processed"], list(made["dataset"]["sources"])), (4, ["a"]))
        node = made["nodes"]["n"]
        self.assertEqual((node["total_executions"], node["failure_rate"], node["average_latency_seconds"]), (2, 0.5, 1.0))
        self.assertEqual(node["token_statistics"]["total_tokens"], 4)
        self.assertIsNotNone(made["execution"]["timing"]["end_time"])

    def test_no_percentile_lies_above_the_largest(self):
        made = self.module.calculate_latency_statistics([0.1, 0.2, 5.0])
        self.assertLessEqual(max(made.values()), 5.0)
        self.assertEqual(self.module.calculate_latency_statistics([])["p99"], 0.0)
        self.assertEqual(set(self.module.calculate_latency_statistics([2.0]).values()), {2.0})

    def test_recording_can_be_turned_off(self):
        self.collector.set_enabled(False)
        self.collector.record_model_request("own")
        self.assertEqual((self.collector.get_metadata_summary()["models"], self.collector.save_metadata()), ({}, None))

    def test_calls_of_langchain_models_are_recorded(self):
        from sygra.core.graph.langgraph.langchain_callback import MetadataTrackingCallback

        callback = MetadataTrackingCallback()
        answer = types.SimpleNamespace(llm_output={"model_name": "m", "token_usage": {"prompt_tokens": 2, "total_tokens": 2}})

        async def calls():
            await callback.on_llm_start({}, [], run_id=1)
            await callback.on_llm_end(answer, run_id=1)
            await callback.on_llm_error(OSError(), run_id=2)

        asyncio.run(calls())
        models = self.collector.get_metadata_summary()["models"]
        self.assertEqual(models["m"]["token_statistics"]["total_prompt_tokens"], 2)
        self.assertEqual(models["unknown"]["performance"]["total_failures"], 1)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
