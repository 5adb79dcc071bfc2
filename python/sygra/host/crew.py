# SPDX-License-Identifier: Apache-2.0
"""Threads of which one leads: it reads, and runs what it has read itself, one after the other. So a hook that takes
microseconds costs no change of threads, which under the GIL is dearer than the hook.

A watch looks every 2 ms. When the leader is held up in a call, another thread becomes leader and goes on reading; the
one that was held up finishes its call, writes its answer, and rests until it is needed. "Held up" is a call that has
taken 2 ms while the process computed little (it waits for something), or 50 ms in any case: handing over what computes
gains nothing, for the GIL lets only one compute.
"""
import threading
import time

TICK = 0.002
_COMPUTING = 0.05
_QUIET_TICKS = 10  # without a call before the watch goes to sleep

now = time.monotonic


class Worker:
    """A thread of the crew. `began`: when its call began, 0 between calls; only the leader's is looked at."""

    __slots__ = ("number", "began", "wake")

    def __init__(self, number):
        self.number = number
        self.began = 0.0
        self.wake = threading.Semaphore(0)


class Crew:
    """`lead(worker)` works until the worker has lost the lead (True) or all is over (False). `tick(in_call)` is called
    by the watch, whether the leader is in a call; its result says whether other work goes on than that of the crew,
    which must `stir` when it begins.
    """

    def __init__(self, lead, tick, size):
        self._lead = lead
        self._tick = tick
        self._size = size
        self._lock = threading.Lock()
        self._leader = None
        self._resting = []
        self._workers = 0
        self._over = False
        self._stir = threading.Event()
        self.ended = threading.Event()

    def run(self):
        """The calling thread is the first leader. Returns when all is over, or, if another thread leads at that time
        and this one is held up in a call, when that call ends."""
        threading.Thread(target=self._watch, name="sygra-watch", daemon=True).start()
        self._work(self._add())

    # ---- for the leader ----

    def begin(self, worker):
        """From here on the lead may be taken away. Returns the time."""
        worker.began = began = now()
        self.stir()
        return began

    def leads(self, worker):
        """Once False, False until the worker's call has ended."""
        return self._leader is worker

    def hand_over(self, worker):
        """The leader gives its place away, unless there are no more threads."""
        with self._lock:
            if self._leader is worker:
                self._hand_over()

    def end(self, worker):
        """After a call: whether the worker still leads."""
        with self._lock:
            worker.began = 0.0
            return self._leader is worker

    # ---- for all ----

    def stir(self):
        """Wakes the watch."""
        if not self._stir.is_set():
            self._stir.set()

    # ---- threads ----

    def _add(self):
        self._workers += 1
        self._leader = worker = Worker(self._workers - 1)
        return worker

    def _work(self, worker):
        try:
            while self._lead(worker):
                if not self._rest(worker):
                    return
        finally:  # also when the leader breaks: a host without one would be silent for ever
            if self._leader is worker:
                self._end()

    def _rest(self, worker):
        """Until the worker leads again (True), or all is over."""
        with self._lock:
            if self._over:
                return False
            if self._leader is None:  # all others are held up
                self._leader = worker
                return True
            self._resting.append(worker)
        worker.wake.acquire()
        return not self._over

    def _end(self):
        with self._lock:
            self._over = True
            resting, self._resting = self._resting, []
        for worker in resting:
            worker.wake.release()
        self._stir.set()
        self.ended.set()

    def _hand_over(self):
        """Called with the lock held."""
        if self._resting:
            self._leader = self._resting.pop()
            self._leader.wake.release()
        elif self._workers < self._size:
            self._hand_over_to_new()
        else:
            self._leader = None

    def _hand_over_to_new(self):
        held_up = self._leader
        worker = self._add()
        try:
            threading.Thread(target=self._work, args=(worker,), name=f"sygra-{worker.number}", daemon=True).start()
        except RuntimeError:  # the system gives no more threads: calls wait for each other
            self._workers -= 1
            self._leader = held_up

    # ---- the watch ----

    def _watch(self):
        quiet = 0
        cpu, at = time.process_time(), now()
        while not self._over:
            leader = self._leader
            began = leader.began if leader else 0.0
            quiet = 0 if began else quiet + 1
            if quiet < _QUIET_TICKS:
                time.sleep(TICK)
            else:
                self._sleep()
            cpu_before, at_before = cpu, at
            cpu, at = time.process_time(), now()
            waits = cpu - cpu_before < (at - at_before) / 2
            self._look(at, waits)

    def _look(self, at, waits):
        with self._lock:
            leader = self._leader
            taken = at - leader.began if leader and leader.began else 0.0
            if taken > _COMPUTING or (waits and taken > TICK):
                self._hand_over()
        self._tick(taken > 0)

    def _sleep(self):
        """Until it is stirred; a look now and then while others are at work."""
        self._stir.clear()  # before the look at what there is: what begins later is not missed
        other_work = self._tick(False)
        with self._lock:
            leader = self._leader
            idle = not self._over and not (leader and leader.began)
            busy = other_work or self._workers - len(self._resting) > 1
        if idle:
            self._stir.wait(0.5 if busy else None)
