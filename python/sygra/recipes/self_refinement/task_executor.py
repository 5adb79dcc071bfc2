# SPDX-License-Identifier: Apache-2.0
"""The hooks of the recipe in Python: what the jq programs of graph_config.yaml do, for tasks that name or extend them."""

from __future__ import annotations

from sygra.core.graph.functions.edge_condition import EdgeCondition
from sygra.core.graph.functions.lambda_function import LambdaFunction
from sygra.core.graph.sygra_message import SygraMessage
from sygra.core.graph.sygra_state import SygraState
from sygra.utils import utils

MAX_ITERATIONS = 2
SCORE_THRESHOLD = 4
YES = {"true", "yes", "y", "pass", "good"}


def _params(node):
    params = node.get("params") if isinstance(node, dict) else None
    return params if isinstance(params, dict) else {}


def _list(value):
    return value if isinstance(value, list) else []


def _first(verdict, *keys):
    """Judges name things differently; null counts as absent."""
    return next((verdict[key] for key in keys if verdict.get(key) is not None), None)


def _whole(value):
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


class InitSelfRefinementState(LambdaFunction):
    """Params `max_iterations` (2) and `score_threshold` (4) go into the state, where judge and condition find them."""

    @staticmethod
    def apply(lambda_node_dict: dict, state: SygraState):
        params = _params(lambda_node_dict)
        state["_self_refine_iteration"] = 0
        state["_self_refine_max_iterations"] = int(params.get("max_iterations", MAX_ITERATIONS))
        state["_self_refine_score_threshold"] = int(params.get("score_threshold", SCORE_THRESHOLD))
        state["reflection_trajectory"] = _list(state.get("reflection_trajectory"))
        return state


class SelfRefinementJudgePostProcessor:
    """Reads the judge's reply: JSON with score, is_good and critique, or without it a draft that is not good.

    What `is_good` says beats the score, which counts only where `is_good` is absent."""

    def __init__(self, node_config: dict | None = None):
        self.node_config = node_config or {}

    def apply(self, resp: SygraMessage, state: SygraState) -> SygraState:
        content = getattr(getattr(resp, "message", None), "content", "")
        verdict = utils.extract_and_load_json(str(content))
        if not isinstance(verdict, dict):
            verdict = {"raw": content}
        score = _whole(_first(verdict, "score", "QUALITY_SCORE"))
        critique = _first(verdict, "critique", "QUALITY_EXPLANATION")
        is_good = self._is_good(_first(verdict, "is_good", "pass"), score, state)
        state["self_refine_judge"] = {"score": score, "is_good": is_good, "critique": critique, "raw": verdict}
        state["self_refine_is_good"] = is_good
        state["self_refine_critique"] = critique or ""
        return state

    @staticmethod
    def _is_good(says, score, state):
        if isinstance(says, bool):
            return says
        if isinstance(says, str):
            return says.strip().lower() in YES
        return score is not None and score >= int(state.get("_self_refine_score_threshold", SCORE_THRESHOLD))


class UpdateSelfRefinementTrajectory(LambdaFunction):
    """Appends draft and verdict to `reflection_trajectory`. Params `candidate_key` and `judge_key` say where they are."""

    @staticmethod
    def apply(lambda_node_dict: dict, state: SygraState):
        params = _params(lambda_node_dict)
        iteration = int(state.get("_self_refine_iteration", 0))
        candidate_key = params.get("candidate_key", "candidate")
        entry = {
            "iteration": iteration,
            "candidate_key": candidate_key,
            "candidate": state.get(candidate_key),
            "judge": state.get(params.get("judge_key", "self_refine_judge")),
        }
        state["reflection_trajectory"] = [*_list(state.get("reflection_trajectory")), entry]
        state["_self_refine_iteration"] = iteration + 1
        return state


class SelfRefinementLoopCondition(EdgeCondition):
    """"accept" when the draft is good, or when the judge has spoken often enough; else "refine"."""

    @staticmethod
    def apply(state: SygraState) -> str:
        done = int(state.get("_self_refine_iteration", 0)) >= int(state.get("_self_refine_max_iterations", MAX_ITERATIONS))
        return "accept" if state.get("self_refine_is_good") or done else "refine"
