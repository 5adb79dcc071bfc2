# SPDX-License-Identifier: Apache-2.0
"""Graphs that ship with the program: each folder is a task for `node_type: subgraph` (docs/recipes.md).

The graphs need no Python. The modules beside them are for tasks that import them, and do the same.
"""
