# SPDX-License-Identifier: Apache-2.0
"""Stand-in for langgraph.graph: the names of the two ends of a graph."""
import sys

START = sys.intern("__start__")
END = sys.intern("__end__")

__all__ = ["END", "START"]
