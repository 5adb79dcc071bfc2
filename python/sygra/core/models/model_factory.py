# SPDX-License-Identifier: Apache-2.0
"""Models are called by the program."""
from sygra.library.elsewhere import in_program

ModelFactory = in_program("ModelFactory", "the program calls models; a workflow with one llm node asks one")
