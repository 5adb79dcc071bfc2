# SPDX-License-Identifier: Apache-2.0
"""A task's map, looked at: nodes and edges as they are written. `sygra graph TASK --json` shows the graph that runs, with
subgraphs in place."""
from sygra.core.graph.nodes.base_node import BaseNode
from sygra.library import taskfiles


class GraphConfig:
    """config: a map, or the path of a graph_config.yaml."""

    def __init__(self, config, dataset=None, output_transform_args=None, parent_node="", override_config=None,
                 graph_properties=None):
        self.config = taskfiles.load_yaml(config) if isinstance(config, str) else config
        if not isinstance(self.config, dict):
            raise TypeError(f"a task is a map, not a {type(self.config).__name__}")
        if "graph_config" not in self.config:
            raise ValueError("the task has no `graph_config`")
        self.graph_config = self.config["graph_config"]
        self.parent_node = parent_node
        self.nodes = {name: BaseNode(name, node) for name, node in (self.graph_config.get("nodes") or {}).items()}
        self.edges = list(self.graph_config.get("edges") or [])
        self.graph_properties = graph_properties or self.graph_config.get("graph_properties") or {}
        self.schema_config = self.config.get("schema_config")
        self.data_config = self.config.get("data_config")
        self.oasst_mapper = (self.config.get("output_config") or {}).get("oasst_mapper")

    def get_node(self, node_name):
        return self.nodes[node_name]
