# SPDX-License-Identifier: Apache-2.0
"""Which prompt an instruction gets."""

import random

from sygra.recipes.evol_instruct import breadth, depth

IN_DEPTH = (
    depth.createConstraintsPrompt,
    depth.createDeepenPrompt,
    depth.createConcretizingPrompt,
    depth.createReasoningPrompt,
)
IN_BREADTH = (breadth.createBreadthPrompt,)
ALGORITHMS = {"random": IN_DEPTH + IN_BREADTH, "depth": IN_DEPTH, "breadth": IN_BREADTH}


def get_instruction(instruction: str, algorithm: str = "random") -> str:
    """The prompt that asks a model to evolve `instruction`: "random" takes any of the five, "depth" one that makes it
    harder, "breadth" the one for another instruction of its field."""
    if algorithm not in ALGORITHMS:
        raise ValueError(f'`algorithm` is {algorithm!r}; it can be "random", "depth" or "breadth"')
    return random.choice(ALGORITHMS[algorithm])(instruction)
