# SPDX-License-Identifier: Apache-2.0
"""Runs are made resumable by the program."""
from sygra.library.elsewhere import in_program

ResumableExecutionManager = in_program(
    "ResumableExecutionManager", "every run can be resumed: run(resume=True, output_dir=...), or `sygra resume`")
