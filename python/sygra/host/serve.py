# SPDX-License-Identifier: Apache-2.0
"""The host: reads frames, has calls run, answers.

One thread at a time reads (see crew). Answers are put together and sent when nothing waits to be run, after 2 ms, or
when a call takes longer; threads that are not the reader send their own. The work page tells the engine, in case this
process dies, which calls were at work: a call's number is put into a slot before it begins, and taken out when its answer
is in the buffer.
"""
import collections
import gc
import json
import os
import resource
import struct
import threading
import time
import traceback

from sygra.host import crew, prints, rand, tasks, trouble, wire
from sygra.host.call import Call, current
from sygra.host.hooks import Hooks
from sygra.host.roles import Unfinished

VERSION = 2
WINDOW = 64
SLOTS = 512
_FIRST_TASK_SLOT = WINDOW + 8  # the lower ones belong to the threads, by their numbers
_LONG = 0.0005  # seconds of a call that is worth a change of threads
_CREDIT = 16  # calls that a hook is believed to wait
_MEMORY_EVERY = 1.0  # seconds
_MEMORY_STEP = 1 << 20
_HELD_MAX = 256  # frames that a leader's prints may let wait


class Host:
    """Serves one engine over `sock` until that is closed.

    `owns_process`: the process is ours to change: prints are caught, `random` works by call, a fork is guarded, paths
    of the hello go on sys.path, stand-ins can be imported. `closures`: name -> callable, for hooks of language `closure`. `work_page`: a buffer of
    u64. `on_figures`, `on_event`: are handed the objects of the engine's frames, on the reading thread; an exception of
    theirs is printed.
    """

    def __init__(self, sock, work_page=None, owns_process=False, closures=None, on_figures=None, on_event=None):
        self.wire = wire.Wire(sock)
        self._page = work_page if work_page is not None else [0] * SLOTS
        self._has_page = work_page is not None
        self._owns_process = owns_process
        self._on = {wire.FIGURES: on_figures, wire.EVENT: on_event}
        self._pending = collections.deque()  # calls that have been read and not begun; the leader's
        self._hooks = Hooks(closures or {})
        self._tasks = tasks.Tasks(self._attend)
        self._crew = crew.Crew(self._lead, self._tick, WINDOW + 1)
        self._task_slots = collections.deque(range(_FIRST_TASK_SLOT, SLOTS))
        self._prints = prints.Prints(self._send_soon)
        self._is_child = False
        self._here = threading.local()  # .worker: this thread, if it is of the crew
        self._frozen = False
        self._flushed_at = 0.0
        self._will_flush = False
        self._memory = None  # when looked, what was reported; nothing before the host is ready

    def serve(self):
        """Returns when the engine has closed its end and the calling thread is free of its last call."""
        if self._owns_process:
            self._prints.take_over()
            os.register_at_fork(after_in_child=self._in_child)
        self._crew.run()

    def wait_for_end(self):
        self._crew.ended.wait()

    def close(self):
        """Only the last prints are waited for."""
        if self._owns_process:
            self._prints.drain()
            self.wire.flush()

    # ---- the reader ----

    def _lead(self, me):
        self._here.worker = me
        while True:
            if self._pending:
                if not self._run_next(me):
                    self.wire.flush()
                    return True
                if crew.now() - self._flushed_at < crew.TICK:
                    continue
            self.wire.flush()
            frames = self.wire.read(wait=not self._pending)
            self._flushed_at = crew.now()
            if frames is None or not self._take_all(frames):
                self._tasks.stop()
                return False

    def _run_next(self, me):
        """Whether the worker still leads afterwards. It leaves the lead to another before it begins what is known to
        wait: the watch would need a tick for each of such calls."""
        call = self._pending.popleft()
        hook = call.hook
        cpu = time.process_time() if hook.may_wait else 0.0
        began = self._crew.begin(me)
        if hook.waits:
            self._crew.hand_over(me)
        self._run(call, me.number)
        took = crew.now() - began
        if took > _LONG or hook.waits:
            _learn(hook, took, cpu)
        return self._crew.end(me)

    def _take_all(self, frames):
        try:
            for kind, payload in frames:
                self._take(kind, payload)
        except (ValueError, KeyError, TypeError, struct.error) as error:
            self._send_soon(wire.print_frame(0, f"a frame makes no sense: {error!r}"))
            self.wire.shut()
            return False
        return True

    def _take(self, kind, payload):
        if kind == wire.CALL:
            self._take_call(payload)
        elif kind == wire.CANCEL:
            self._cancel(wire.number_of(payload))
        elif kind == wire.HELLO:
            self._hello(json.loads(payload))
        elif kind == wire.LOAD:
            self._load(json.loads(payload))
        elif self._on.get(kind):
            self._tell(self._on[kind], json.loads(payload))

    @staticmethod
    def _tell(listener, said):
        try:
            listener(said)
        except Exception:
            traceback.print_exc()

    def _hello(self, said):
        if said.get("sygra_hooks") != VERSION:
            theirs = said.get("sygra_hooks")
            raise ValueError(f"this host speaks version {VERSION} of the hook protocol, not {theirs}")
        if self._owns_process:
            rand.take_over(said.get("seed") or 0)
        self._hooks.open(said, self._owns_process)
        ready = {
            "sygra_hooks": VERSION,
            "host": "python",
            "pid": os.getpid(),
            "serial": False,
            "window": WINDOW,
            "work": self._has_page,
            "figures": self._on[wire.FIGURES] is not None,
            "events": self._on[wire.EVENT] is not None,
            "version": self._hooks.python,
        }
        self.wire.put(wire.json_frame(b"h", ready))
        self._memory = (0.0, 0)

    def _load(self, said):
        """A load may take its time: it is answered before the next is begun."""
        number = said["hook"]
        try:
            answer = wire.json_frame(b"l", {"hook": number, "description": self._hooks.load(said)})
        except trouble.Refused as refused:
            answer = wire.json_frame(b"f", {"hook": number, "message": refused.message, "details": refused.details})
        except Exception as error:  # of user code that runs when its objects are looked at
            line, details = trouble.explain(error)
            message = f"{said.get('text')} cannot be loaded: {line}"
            answer = wire.json_frame(b"f", {"hook": number, "message": message, "details": details})
        self.wire.put(answer)
        self._report_memory()  # what modules hold from the start is granted to them
        self.wire.flush()

    def _take_call(self, payload):
        number, hook, seed, input, state = wire.split_call(payload)
        call = Call(number, self._hooks.get(hook), seed, input, state)
        if call.hook is None:
            self.wire.put(wire.error_frame(number, wire.SENSELESS, f"there is no hook {hook}"))
        elif call.hook.asynchronous:
            self._tasks.start(call)
            self._crew.stir()
        else:
            self._pending.append(call)
        if self._owns_process and not self._frozen:
            self._frozen = True
            gc.freeze()  # what has been imported stays: collections need not look at it

    def _cancel(self, number):
        for call in self._pending:
            if call.id == number:
                self._pending.remove(call)
                self._refuse_canceled(call)
                return
        for call in self._hooks.take_waiting(number):
            self._refuse_canceled(call)
        self._tasks.cancel(number)

    def _refuse_canceled(self, call):
        self.wire.put(wire.error_frame(call.id, wire.CANCELED, "canceled"))

    # ---- a call on a thread ----

    def _run(self, call, slot):
        """Calls of a serial hook that come while one is at work are left to the thread that has it."""
        if not call.hook.serial:
            self._run_one(call, slot)
            return
        turns = call.hook.turns
        if not turns.enter(call):
            return
        while call is not None:
            self._run_one(call, slot)
            self.wire.flush()
            call = turns.leave()

    def _run_one(self, call, slot):
        page = self._page
        page[slot] = call.id
        current.set(call)
        try:
            answer = call.hook.run(call)
        except BaseException as error:
            answer = self._error(call, error)
        if self._is_child:
            self._prints.leave()
        if isinstance(answer, Unfinished):
            call.hook = answer
            self._tasks.start(call)
        else:
            if call.line:
                self._prints.end_of_call(call)
            self.wire.put(answer)
        page[slot] = 0
        current.set(None)

    def _error(self, call, error):
        if isinstance(error, trouble.Trouble):
            return wire.error_frame(call.id, error.fault, error.message, error.details)
        try:
            message, details = trouble.explain(error)
        except BaseException:  # no memory, or an exception whose own parts raise
            message, details = type(error).__name__, ""
        return wire.error_frame(call.id, wire.RAISED, message, details)

    # ---- a call on the event loop ----

    async def _attend(self, call):
        if call.canceled:
            self._refuse_canceled(call)
            self._flush_soon()
            return
        call.begun = True
        current.set(call)
        slot = self._task_slots.popleft()
        self._page[slot] = call.id
        try:
            answer = await call.hook.run_async(call)
        except BaseException as error:
            answer = self._error(call, error)
            if call.canceled:
                answer = wire.error_frame(call.id, wire.CANCELED, "canceled")
        if self._is_child:
            self._prints.leave()
        self._prints.end_of_call(call)
        self.wire.put(answer)
        self._page[slot] = 0
        self._task_slots.append(slot)
        self._flush_soon()

    def _flush_soon(self):
        """When the tasks that can go on now have done so."""
        if not self._will_flush:
            self._will_flush = True
            self._tasks.call_soon(self._flush_now)

    def _flush_now(self):
        self._will_flush = False
        self.wire.flush()

    # ---- beside the calls ----

    def _send_soon(self, frame):
        """A print. The leader's leaves with its answers, or when the watch takes the lead from it; anybody else's at
        once, so that who prints more than the engine takes has to wait."""
        if self._is_child:
            return  # user code still holds our stream
        self.wire.put(frame)
        leads = self._crew.leads(getattr(self._here, "worker", self))
        if not leads or current.get() is None or self.wire.held() > _HELD_MAX:  # nobody else may flush soon
            self.wire.flush()

    def _tick(self, in_call):
        if in_call:
            self.wire.flush()
        self._report_memory()
        return self._tasks.count() > 0

    def _report_memory(self):
        if self._memory is None or crew.now() - self._memory[0] < _MEMORY_EVERY:
            return
        reported = self._memory[1]
        resident = _resident_bytes()
        if abs(resident - reported) > _MEMORY_STEP:
            reported = resident
            self.wire.put(wire.memory_frame(resident))
            self.wire.flush()
        self._memory = (crew.now(), reported)

    def _in_child(self):
        """User code has forked. The child must not speak to the engine; it ends when it comes back to us."""
        self._is_child = True
        self._prints.give_back()
        self.wire.close()
        self._page = [0] * SLOTS


def _learn(hook, took, cpu):
    """A long call makes us look at the next one; if the process does little meanwhile, the hook waits for something."""
    if took < _LONG:
        hook.waits = max(hook.waits - 1, 0)
    elif not hook.may_wait:
        hook.may_wait = True
    elif time.process_time() - cpu < took / 2:
        hook.waits = _CREDIT


def _resident_bytes():
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
