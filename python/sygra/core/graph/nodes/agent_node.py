# SPDX-License-Identifier: Apache-2.0
"""A node of type agent: a model that calls tools."""
from sygra.core.graph.nodes.base_node import BaseNode


class AgentNode(BaseNode):
    pass
