# SPDX-License-Identifier: Apache-2.0
"""The prompt for another instruction of the same field; the same text as in graph_config.yaml."""

base_instruction = """\
The instruction below stands for its field. Think of another one in the same field that people ask for less often.

The new instruction must make sense to a person and must be possible to carry out. Make it about as long and about as hard \
as the one below.
Reply with the new instruction and nothing else: no heading, no comment, no mention of this task.

Instruction:
"""


def createBreadthPrompt(instruction):
    return base_instruction + f"{instruction}\n"
