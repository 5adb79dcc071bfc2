# SPDX-License-Identifier: Apache-2.0
"""Base class of a condition that chooses the next node."""
from abc import ABC, abstractmethod

from sygra.core.graph.sygra_state import SygraState


class EdgeCondition(ABC):
    """Called without an instance; an `apply` that takes `self` works as well."""

    @staticmethod
    @abstractmethod
    def apply(state: SygraState) -> str:
        """Returns a key of the edge's `path_map`, or a list of them."""
