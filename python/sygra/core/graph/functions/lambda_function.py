# SPDX-License-Identifier: Apache-2.0
"""Base classes of what a lambda node runs. `apply` is called without an instance."""
from abc import ABC, abstractmethod

from sygra.core.graph.sygra_state import SygraState


class LambdaFunction(ABC):
    """Runs on a thread of the host."""

    @staticmethod
    @abstractmethod
    def apply(lambda_node_dict: dict, state: SygraState):
        """Gets the node's whole map and the state; returns the variables to set, or None."""


class AsyncLambdaFunction(ABC):
    """Runs on the event loop of the host."""

    @staticmethod
    @abstractmethod
    async def apply(lambda_node_dict: dict, state: SygraState):
        """Gets the node's whole map and the state; returns the variables to set, or None."""
