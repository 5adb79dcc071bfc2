# SPDX-License-Identifier: Apache-2.0
"""What is only described, never called: entries of `tools`, and whether a task has an executor of its own."""
import inspect

from sygra.host import load, trouble
from sygra.host.roles import Hook


class Tools(Hook):
    label = "tools"

    def __init__(self, host, found, config):
        super().__init__(host, found, config)
        from sygra import _tools  # with what it needs the dearest import of all, and few tasks have tools

        try:
            tools = _tools.describe(found.path)
        except Exception as error:
            line, details = trouble.explain(error)
            message = str(error) if isinstance(error, ValueError) else line
            raise trouble.Refused(f"tools: {message}", details) from None
        self.description = load.describe(found, found.target)
        self.description["tools"] = tools


class Executor(Hook):
    """The path names a module; a class TaskExecutor that it has imported from elsewhere is not its own."""

    label = "executor"

    def __init__(self, host, found, config):
        super().__init__(host, found, config)
        executor = getattr(found.target, "TaskExecutor", None)
        own = inspect.isclass(executor) and executor.__module__ == getattr(found.module, "__name__", None)
        self.description = load.describe(found, found.target)
        self.description["executor"] = own
