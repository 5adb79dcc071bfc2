# SPDX-License-Identifier: Apache-2.0
"""The errors of the library. All are GraSPError."""

__all__ = ["GraSPError", "ValidationError", "ExecutionError", "ConfigurationError", "NodeError", "DataError",
           "ModelError", "TimeoutError"]


class GraSPError(Exception):
    """The base of all."""


class ValidationError(GraSPError):
    """A value that cannot be."""


class ExecutionError(GraSPError):
    """A run that failed. What is known of it is here, too:

    figures      the summary event of the run, a dict; empty if it never began
    results      the records that are in the output nevertheless
    failed_file  path of the records that failed, with reasons; None if there is none
    output_dir   folder of the output
    """

    def __init__(self, message, figures=None, results=None, failed_file=None, output_dir=None):
        super().__init__(message)
        self.figures = figures or {}
        self.results = results if results is not None else []
        self.failed_file = failed_file
        self.output_dir = output_dir


class ConfigurationError(GraSPError):
    """A task that cannot run; the text is that of `sygra check`, with file, line, and what is right."""


class NodeError(GraSPError):
    """A node that cannot be made."""


class DataError(GraSPError):
    """Rows that are no records."""


class ModelError(GraSPError):
    """A model that cannot be used."""


class TimeoutError(GraSPError):  # the name is the framework's
    """It took too long."""
