# SPDX-License-Identifier: Apache-2.0
"""A node of type llm: a model's call."""
from sygra.core.graph.nodes.base_node import BaseNode


class LLMNode(BaseNode):
    pass
