# SPDX-License-Identifier: Apache-2.0
"""Base classes of what runs before and after a model's call."""
from abc import ABC, abstractmethod

from sygra.core.graph.sygra_message import SygraMessage
from sygra.core.graph.sygra_state import SygraState


class NodePreProcessor(ABC):
    """Gives the state that the call is to see: its prompt is made from it."""

    @abstractmethod
    def apply(self, state: SygraState) -> SygraState:
        """Returns the state, changed or new."""


class NodePostProcessor(ABC):
    """Makes state variables from an answer."""

    @abstractmethod
    def apply(self, resp: SygraMessage) -> SygraState:
        """Returns the variables to set."""


class NodePostProcessorWithState(ABC):
    """Makes state variables from an answer and the state."""

    @abstractmethod
    def apply(self, resp: SygraMessage, state: SygraState) -> SygraState:
        """Returns the variables to set."""
