# SPDX-License-Identifier: Apache-2.0
"""Nodes as their maps say them. The program runs them; here they can be looked at."""
from enum import Enum


class NodeType(Enum):
    LLM = "llm"
    MULTI_LLM = "multi_llm"
    AGENT = "agent"
    LAMBDA = "lambda"
    WEIGHTED_SAMPLER = "weighted_sampler"
    SUBGRAPH = "subgraph"
    UNKNOWN = "unknown"
    SPECIAL = "special"
    CONNECTOR = "connector"


class NodeState(Enum):
    ACTIVE = "active"
    IDLE = "idle"


class BaseNode:
    def __init__(self, name, config=None):
        if name is None:
            raise ValueError("a node needs a name")
        self.name = name
        self.node_config = config or {}
        self.node_type = self.node_config.get("node_type", NodeType.UNKNOWN.value)
        idle = NodeState.IDLE if config is None else NodeState.ACTIVE
        self.node_state = self.node_config.get("node_state", idle.value)

    def get_node_state(self):
        return self.node_state

    def get_node_type(self):
        return self.node_type

    def is_special_type(self):
        return self.node_type == NodeType.SPECIAL.value

    def is_active(self):
        return self.node_state == NodeState.ACTIVE.value

    def get_node_config(self):
        return self.node_config
