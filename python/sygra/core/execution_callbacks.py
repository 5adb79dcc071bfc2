# SPDX-License-Identifier: Apache-2.0
"""Callbacks of a run: functions that are told of nodes and of the graph."""
from dataclasses import dataclass
from typing import Any, Callable, Dict, Optional

from sygra.logger.logger_config import logger


@dataclass
class ExecutionCallbacks:
    on_node_start: Optional[Callable[[str, Dict[str, Any]], None]] = None  # node, state
    on_node_complete: Optional[Callable[[str, Dict[str, Any], int], None]] = None  # node, update, milliseconds
    on_node_error: Optional[Callable[[str, str, Dict[str, Any]], None]] = None  # node, message, context
    on_graph_start: Optional[Callable[[Dict[str, Any]], None]] = None  # record
    on_graph_complete: Optional[Callable[[Dict[str, Any], int], None]] = None  # final state, milliseconds
    on_graph_error: Optional[Callable[[str, Dict[str, Any]], None]] = None  # message, context
    on_log: Optional[Callable[[str], None]] = None


class NodeExecutionTracker:
    """Hands the engine's events to callbacks. An error of a callback is logged, and ends nothing."""

    def __init__(self, execution_callbacks=None, record_index=0):
        self.callbacks = execution_callbacks or ExecutionCallbacks()
        self.record_index = record_index  # of the event that is told now
        self._current_node = None

    @property
    def current_node(self):
        return self._current_node

    def tell(self, event):
        """`event` is what the engine sends: a map of event, position, node, value, ms and error."""
        arguments = {
            "node_start": ("on_node_start", event.get("node"), event.get("value")),
            "node_end": ("on_node_complete", event.get("node"), event.get("value"), round(event.get("ms") or 0)),
            "node_error": ("on_node_error", event.get("node"), event.get("error"), self._context(event)),
            "graph_start": ("on_graph_start", event.get("value")),
            "graph_end": ("on_graph_complete", event.get("value"), round(event.get("ms") or 0)),
            "graph_error": ("on_graph_error", event.get("error"), self._context(event)),
            "log": ("on_log", event.get("value")),
        }.get(event.get("event"))
        if arguments is None:
            return
        self.record_index = event.get("position", self.record_index)
        self._current_node = event.get("node") or self._current_node
        callback = getattr(self.callbacks, arguments[0])
        if callback is None:
            return
        try:
            callback(*arguments[1:])
        except Exception as error:
            logger.error("%s raised %s: %s", arguments[0], type(error).__name__, error)

    @staticmethod
    def _context(event):
        return {"record_index": event["position"]} if "position" in event else {}


def create_execution_tracker(on_node_start=None, on_node_complete=None, on_node_error=None, record_index=0):
    callbacks = ExecutionCallbacks(
        on_node_start=on_node_start, on_node_complete=on_node_complete, on_node_error=on_node_error
    )
    return NodeExecutionTracker(callbacks, record_index)
