# SPDX-License-Identifier: Apache-2.0
"""Callbacks of a run: what happens to nodes and records, as it happens.

They are called by a thread of the library, one after the other, in the order in which things happened; nodes of several
records run side by side. A callback that raises is reported by the logger `sygra`, and the run goes on; one that takes its
time holds up the next callbacks, and closures, but not the engine.
"""
import json
import logging
from dataclasses import dataclass
from typing import Any, Callable, Dict, Optional

logger = logging.getLogger("sygra")


@dataclass
class ExecutionCallbacks:
    """What is None is not called.

    on_node_start(name, state)           on_graph_start(record)
    on_node_complete(name, update, ms)   on_graph_complete(output, ms)
    on_node_error(name, message, context)   on_graph_error(message, context)
    on_log(text)

    A graph is run once for each record. context has `record`, the record's position in the source. Of a dropped record the
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
    """Turns the program's events (docs/formats/hook-protocol.md, E) into calls of callbacks."""

    def __init__(self, execution_callbacks=None, record_index=0):
        self.callbacks = execution_callbacks or ExecutionCallbacks()
        self.record_index = record_index
        self._current_node = None
        self._started = {}  # (record, node): when, in ms of the program's clock

    @property
    def current_node(self):
        """The node that began last and has not ended, or None."""
        return self._current_node

    def on_event(self, event):
        kind, node = event.get("event"), event.get("node")
        place = (event.get("position"), node)
        if kind in ("node_start", "graph_start"):
            self._started[place] = event.get("ms", 0)
            self._current_node = node or self._current_node
            self._call(f"on_{kind}", *([node] if node else []), event.get("value"))
            return
        ms = int(event.get("ms", 0) - self._started.pop(place, event.get("ms", 0)))
        if node == self._current_node:
            self._current_node = None
        if kind in ("node_error", "graph_error"):
            context = {"record": event.get("position"), "ms": ms}
            self._call(f"on_{kind}", *([node] if node else []), event.get("error", ""), context)
        elif kind in ("node_end", "graph_end"):
            self._call(f"on_{kind[:-3]}complete", *([node] if node else []), event.get("value"), ms)

    def on_log(self, event):
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
