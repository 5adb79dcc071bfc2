# SPDX-License-Identifier: Apache-2.0
"""The lambda of the recipe as a Python hook."""

from sygra.core.graph.functions.lambda_function import LambdaFunction
from sygra.core.graph.sygra_state import SygraState
from sygra.recipes.evol_instruct.instruct_mgr import get_instruction


class EvolInstructPromptGenerator(LambdaFunction):
    """`text` (and `algorithm`, if there) to `evol_instruct_final_prompt`."""

    @staticmethod
    def apply(lambda_node_dict: dict, state: SygraState):
        if state.get("text") is None:
            raise ValueError("the record has no `text` to evolve")
        state["evol_instruct_final_prompt"] = get_instruction(state["text"], state.get("algorithm") or "random")
        return state
