# SPDX-License-Identifier: Apache-2.0
"""Records are processed by the program."""
from sygra.library.elsewhere import in_program

DatasetProcessor = in_program("DatasetProcessor", "the program processes records; run a Workflow or a TaskExecutor")
