# SPDX-License-Identifier: Apache-2.0
"""One call of a hook, and which one the running code belongs to."""
import contextvars

# The call that this thread, or this task of the event loop, is at work on; None between calls and while loading.
current = contextvars.ContextVar("sygra_call", default=None)


class Call:
    """`input` and `state` are JSON as it came. The rest is what user code leaves behind on its way: generators of
    random numbers, the unfinished line of a print, the task that runs it.
    """

    __slots__ = ("id", "hook", "seed", "input", "state", "random", "numpy", "line", "task", "begun", "canceled")

    def __init__(self, number, hook, seed, input, state):
        self.id = number
        self.hook = hook
        self.seed = seed
        self.input = input
        self.state = state
        self.random = None
        self.numpy = None
        self.line = None
        self.task = None
        self.begun = False  # of a task only
        self.canceled = False
