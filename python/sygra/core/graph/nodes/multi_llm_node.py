# SPDX-License-Identifier: Apache-2.0
"""A node of type multi_llm: several models side by side."""
from sygra.core.graph.nodes.base_node import BaseNode


class MultiLLMNode(BaseNode):
    pass
