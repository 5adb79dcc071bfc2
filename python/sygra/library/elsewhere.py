# SPDX-License-Identifier: Apache-2.0
"""Classes of the framework whose work the program does: their names can be imported, and say so when they are used."""
from sygra.exceptions import GraSPError


def in_program(name, what):
    """A class that refuses to be made, and tells what does its work."""

    def refuse(self, *args, **kwargs):
        raise GraSPError(f"{name} is not in this process: {what}")

    return type(name, (), {"__doc__": what, "__init__": refuse})
