# SPDX-License-Identifier: Apache-2.0
"""Async hooks: tasks of one event loop, on a thread of its own that starts with the first of them. Nor is asyncio
imported before: that is a third of a host's start.
"""
import collections
import threading


class Tasks:
    """`attend(call)` is a coroutine function that runs one call and answers it."""

    def __init__(self, attend):
        self._attend = attend
        self._inbox = collections.deque()
        self._told = False  # the loop has been told to look into the inbox
        self._loop = None
        self._lock = threading.Lock()
        self._at_work = {}  # id -> call; of the loop's thread

    def start(self, call):
        self._tell(call)

    def cancel(self, number):
        """Of a call that has been started here; any other number is ignored."""
        if self._loop is not None:
            self._tell(number)

    def stop(self):
        """Nobody waits any more: tasks are canceled, the thread ends with the last of them."""
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._loop.stop)

    def count(self):
        return len(self._at_work) + len(self._inbox)

    def _tell(self, what):
        self._inbox.append(what)
        if self._told:
            return
        self._told = True
        self._running_loop().call_soon_threadsafe(self._look)

    def _running_loop(self):
        with self._lock:
            if self._loop is None:
                import asyncio

                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._run, name="sygra-tasks", daemon=True).start()
            return self._loop

    def _run(self):
        import asyncio

        loop = self._loop
        asyncio.set_event_loop(loop)
        loop.run_forever()
        left = asyncio.all_tasks(loop)  # those that hooks have left behind, too
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    def call_soon(self, function):
        """For code of a task."""
        self._loop.call_soon(function)

    def _look(self):
        self._told = False
        while self._inbox:
            what = self._inbox.popleft()
            if isinstance(what, int):
                self._cancel(what)
                continue
            self._at_work[what.id] = what
            what.task = self._loop.create_task(self._run_one(what))

    async def _run_one(self, call):
        try:
            await self._attend(call)
        finally:
            self._at_work.pop(call.id, None)

    def _cancel(self, number):
        """A task that has not begun finds out itself; one that has is woken by CancelledError."""
        call = self._at_work.get(number)
        if call is None:
            return
        call.canceled = True
        if call.begun:
            call.task.cancel()
