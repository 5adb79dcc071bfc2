# SPDX-License-Identifier: Apache-2.0
"""The Python side of sygra: workflows that are built and run from Python, and what hooks of tasks import.

Names are looked up when they are first used (PEP 562): `import sygra` reads nothing else, and a hook host, which imports
`sygra.core...`, never reads the library.
"""
import importlib
import os
import sys

__version__ = "0.1.0"
__author__ = "the sygra authors"
__description__ = "A native engine for synthetic data"

# module: the names that come from it
_PLACES = {
    "sygra.workflow": "Workflow create_graph",
    "sygra.configuration": "load_config ConfigLoader",
    "sygra.models": "ModelConfigBuilder",
    "sygra.library.shortcuts":
        "quick_llm quick_agent quick_multi_llm execute_task create_multimodal_workflow create_resumable_workflow "
        "create_quality_workflow create_chat_workflow create_structured_schema pydantic_schema create_processor_config "
        "create_transformation_config get_version setup_logging validate_environment get_info list_available_models "
        "get_model_info",
    "sygra.exceptions":
        "GraSPError ValidationError ExecutionError ConfigurationError NodeError DataError ModelError TimeoutError",
    "sygra.library.results": "Results",
    "sygra.core.base_task_executor": "BaseTaskExecutor DefaultTaskExecutor",
    "sygra.core.judge_task_executor": "JudgeQualityTaskExecutor",
    "sygra.core.graph.graph_config": "GraphConfig",
    "sygra.core.graph.sygra_state": "SygraState",
    "sygra.core.graph.sygra_message": "SygraMessage",
    "sygra.core.resumable_execution": "ResumableExecutionManager",
    "sygra.core.dataset.dataset_processor": "DatasetProcessor",
    "sygra.core.execution_callbacks": "ExecutionCallbacks NodeExecutionTracker create_execution_tracker",
    "sygra.core.dataset.dataset_config":
        "DataSourceConfig OutputConfig DataSourceType OutputType TransformConfig ShardConfig",
    "sygra.core.dataset.file_handler": "FileHandler",
    "sygra.core.dataset.huggingface_handler": "HuggingFaceHandler",
    "sygra.core.graph.nodes.base_node": "BaseNode NodeType NodeState",
    "sygra.core.graph.nodes.llm_node": "CoreLLMNode=LLMNode",
    "sygra.core.graph.nodes.agent_node": "CoreAgentNode=AgentNode",
    "sygra.core.graph.nodes.multi_llm_node": "CoreMultiLLMNode=MultiLLMNode",
    "sygra.core.graph.nodes.weighted_sampler_node": "CoreWeightedSamplerNode=WeightedSamplerNode",
    "sygra.core.models.model_factory": "ModelFactory",
    "sygra.core.models.structured_output.structured_output_config": "StructuredOutputConfig",
    "sygra.core.models.structured_output.schemas_factory": "SimpleResponse",
    "sygra.logger.logger_config": "logger set_external_logger reset_to_internal_logger",
    "sygra.nodes":
        "LLMNodeBuilder AgentNodeBuilder MultiLLMNodeBuilder LambdaNodeBuilder WeightedSamplerNodeBuilder "
        "SubgraphNodeBuilder",
    "sygra.data":
        "DataSource DataSink DataSourceFactory DataSinkFactory from_file from_huggingface to_file to_huggingface",
}
_MODULES = {"utils": "sygra.utils", "constants": "sygra.utils.constants", "data": "sygra.data", "nodes": "sygra.nodes",
            "models": "sygra.models", "configuration": "sygra.configuration", "exceptions": "sygra.exceptions",
            "workflow": "sygra.workflow", "core": "sygra.core"}
_NAMES = {}
for _place, _names in _PLACES.items():
    for _name in _names.split():
        _shown, _, _there = _name.partition("=")
        _NAMES[_shown] = (_place, _there or _shown)

# SimpleResponse is left out: it needs pydantic, and `from sygra import *` asks for each of these
__all__ = ["__version__", *(name for name in _NAMES if name != "SimpleResponse"), "utils", "constants"]


def __getattr__(name):
    if name in _MODULES:
        value = importlib.import_module(_MODULES[name])
    elif name in _NAMES:
        place, there = _NAMES[name]
        value = getattr(importlib.import_module(place), there)
    else:
        raise AttributeError(f"module 'sygra' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_NAMES, *_MODULES})


def _original():
    """Where the Python framework of the same name is installed, or None."""
    for folder in sys.path:
        if os.path.basename(folder) in ("site-packages", "dist-packages"):
            try:
                entries = os.listdir(folder)
            except OSError:
                continue
            found = [e for e in entries if e.startswith("sygra-") and e.endswith((".dist-info", ".egg-info"))]
            if found:
                return os.path.join(folder, found[0])
    return None


def _runs_this_package():
    """A hook host, or a task's executor, in the interpreter that a task was written for: this package was put first on
    the path on purpose, and nothing of the other one is imported."""
    program = getattr(sys.modules.get("__main__"), "__file__", None) or ""
    return sys.argv[:1] == ["-m"] or os.path.abspath(program).startswith(os.path.dirname(os.path.abspath(__file__)) + os.sep)


def _refuse_beside_original():
    """Two packages of one name in one interpreter: which of both a module comes from would be chance."""
    found = None if _runs_this_package() else _original()
    if found:
        raise ImportError(f"sygra-native cannot be used beside the framework `sygra`, which is installed here ({found}): "
                          "both are `import sygra`. Remove one of them, or use another virtual environment")


_refuse_beside_original()
