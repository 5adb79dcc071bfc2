# SPDX-License-Identifier: Apache-2.0
"""Hooks that do next to nothing, so that what is measured is the way to them."""
from sygra.core.graph.functions.node_processor import NodePostProcessorWithState, NodePreProcessor


class Before(NodePreProcessor):
    def apply(self, state):
        state["seen"] = True
        return state


class After(NodePostProcessorWithState):
    def apply(self, response, state):
        return {"rephrased": response.message.content}


def short(response, state):
    return {"answer": response.content}
