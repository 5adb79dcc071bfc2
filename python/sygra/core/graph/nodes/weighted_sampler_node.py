# SPDX-License-Identifier: Apache-2.0
"""A node of type weighted_sampler: drawn values."""
from sygra.core.graph.nodes.base_node import BaseNode


class WeightedSamplerNode(BaseNode):
    pass
