# SPDX-License-Identifier: Apache-2.0
"""Callbacks of a run: what happens to nodes and records, as it happens.

They are called by a thread of the library, one after the other, in the order in which things happened; nodes of several
records run side by side. A callback that raises is reported by the logger `sygra`, and the run goes on; one that takes its
time holds up the next callbacks, and closures, but not the engine.
"""
import json
from dataclasses import dataclass
from typing import Any, Callable, Dict, Optional

from sygra.logger.logger_config import logger


@dataclass
class ExecutionCallbacks:
    """What is None is not called.

    on_node_start(name, state)           on_graph_start(record)
    on_node_complete(name, update, ms)   on_graph_complete(output, ms)
    on_node_error(name, message, context)   on_graph_error(message, context)
    on_log(text)

    A graph is run once for each record. context has `record_index`, the record's position in the source. Of a dropped record the
    output is None.
    """

    on_node_start: Optional[Callable[[str, Dict[str, Any]], None]] = None
    on_node_complete: Optional[Callable[[str, Dict[str, Any], int], None]] = None
    on_node_error: Optional[Callable[[str, str, Dict[str, Any]], None]] = None
    on_graph_start: Optional[Callable[[Dict[str, Any]], None]] = None
    on_graph_complete: Optional[Callable[[Dict[str, Any], int], None]] = None
    on_graph_error: Optional[Callable[[str, Dict[str, Any]], None]] = None
    on_log: Optional[Callable[[str], None]] = None

    def wants_events(self):
        names = ("on_node_start", "on_node_complete", "on_node_error", "on_graph_start", "on_graph_complete", "on_graph_error")
        return any(getattr(self, name) for name in names)


class NodeExecutionTracker:
    """Turns the program's events (docs/formats/hook-protocol.md, E) into calls of callbacks. `tell` is handed one event, a
    map of event, position, node, value or error, and at_ms, when it was, on the program's clock."""

    def __init__(self, execution_callbacks=None, record_index=0):
        self.callbacks = execution_callbacks or ExecutionCallbacks()
        self.record_index = record_index  # of the event that is told now
        self._current_node = None
        self._started = {}  # (record, node): at_ms

    @property
    def current_node(self):
        """The node that an event was told of last."""
        return self._current_node

    def tell(self, event):
        kind, node = event.get("event"), event.get("node")
        if kind == "lost":
            logger.warning("callbacks are too slow: %s events were not told", event.get("n"))
            return
        self.record_index = event.get("position", self.record_index)
        self._current_node = node or self._current_node
        ms = self._duration(event)
        of_node = [node] if node is not None else []
        if kind in ("node_start", "graph_start"):
            self._call(f"on_{kind}", *of_node, event.get("value"))
        elif kind in ("node_end", "graph_end"):
            self._call(f"on_{kind[:-4]}_complete", *of_node, event.get("value"), ms)
        elif kind in ("node_error", "graph_error"):
            self._call(f"on_{kind}", *of_node, event.get("error", ""), {"record_index": self.record_index, "ms": ms})

    def _duration(self, event):
        """Whole milliseconds between a start and its end."""
        place, at = (event.get("position"), event.get("node")), event.get("at_ms", 0)
        if event.get("event") in ("node_start", "graph_start"):
            self._started[place] = at
            return 0
        return round(event.get("ms") or at - self._started.pop(place, at))

    def tell_log(self, event):
        """An event of the run's log, as one line."""
        if self.callbacks.on_log:
            rest = {key: value for key, value in event.items() if key not in ("ts", "level", "event", "life")}
            self._call("on_log", f"{event.get('level', 'info')} {event.get('event')} {json.dumps(rest, ensure_ascii=False)}")

    def _call(self, name, *arguments):
        function = getattr(self.callbacks, name)
        if not function:
            return
        try:
            function(*arguments)
        except Exception:
            logger.exception("the callback %s raised", name)


def create_execution_tracker(on_node_start=None, on_node_complete=None, on_node_error=None, record_index=0):
    return NodeExecutionTracker(ExecutionCallbacks(on_node_start, on_node_complete, on_node_error), record_index)
