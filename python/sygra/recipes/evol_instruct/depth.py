# SPDX-License-Identifier: Apache-2.0
"""Prompts that make an instruction harder; the same texts as in graph_config.yaml. `{}` in the base is how."""

base_instruction = """\
Rewrite the instruction below into a harder one.

How: {}

The new instruction must make sense to a person and must be possible to carry out. Keep what is not prose as it is: code, \
tables, formulas, data that the instruction works on. Do not make it wordy: one short sentence more is enough.
Reply with the new instruction and nothing else: no heading, no comment, no mention of this task.

Instruction:
"""


def _prompt(how, instruction):
    return base_instruction.format(how) + f"{instruction}\n"


def createConstraintsPrompt(instruction):
    return _prompt("State one more condition that the answer has to meet.", instruction)


def createDeepenPrompt(instruction):
    return _prompt("If it asks about a subject, ask about more of it, or about what lies beneath it.", instruction)


def createConcretizingPrompt(instruction):
    return _prompt("Put particular cases in the place of what it says in general.", instruction)


def createReasoningPrompt(instruction):
    return _prompt(
        "If a quick thought would answer it, ask for an answer that takes several steps, and ask for the steps.",
        instruction,
    )
