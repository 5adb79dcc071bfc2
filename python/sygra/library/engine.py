# SPDX-License-Identifier: Apache-2.0
"""The program as a child of this process: `sygra run ... --json`, its events, and how it is stopped.

The child has a session of its own, so that Ctrl-C reaches it once, through here. It holds one end of a socket whose other
end is this process's (attached.py): when this process dies, however it does, the child sees the socket end and stops.
"""
import collections
import contextlib
import json
import queue
import signal
import subprocess
import threading

from sygra.library import binary

GRACE_S = 15  # the program gives records under way 10 s
HURRY_S = 5  # to write down what is there
TEXT_BYTES = 1 << 20  # of what it says on stderr; the last of it is kept

OK, USAGE, FAILED = 0, 2, 3  # exit statuses that mean something here


@contextlib.contextmanager
def undisturbed():
    """Ctrl-C within the block counts at its end: while a process is started it would leave one that nobody knows."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    pressed = []
    signal.signal(signal.SIGINT, lambda *which: pressed.append(which))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if pressed:
            handler(*pressed[0])


class Engine:
    """One run. `follow` waits for its end and hands out its events; `close` ends it at once if it has not ended."""

    def __init__(self, arguments, attached=None, env=None):
        command = [binary.find(), *arguments]
        descriptors = ()
        if attached:
            command += ["--attach", str(attached.descriptor)]
            descriptors = (attached.descriptor,)
        self.summary = {}  # the event at the end; empty while there is none
        self._events = queue.SimpleQueue()
        self._text = collections.deque()
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                         env=env or binary.environment(), pass_fds=descriptors, start_new_session=True)
        if attached:
            attached.started()
        self._readers = [threading.Thread(target=target, daemon=True, name=f"sygra-{target.__name__}")
                         for target in (self._read_events, self._read_text)]
        for reader in self._readers:
            reader.start()

    # --- threads --------------------------------------------------------------------------------------------------

    def _read_events(self):
        with self._process.stdout as out:
            for line in out:
                try:
                    event = json.loads(line)
                except ValueError:
                    continue  # the torn last line of a program that died
                if event.get("event") == "summary":
                    self.summary = event
                self._events.put(event)
        self._events.put(None)

    def _read_text(self):
        kept = 0
        with self._process.stderr as text:
            for line in text:
                self._text.append(line)
                kept += len(line)
                while kept > TEXT_BYTES:
                    kept -= len(self._text.popleft())

    # --- from start to end ----------------------------------------------------------------------------------------

    def next_event(self, timeout=None):
        """The next event; None at the end. queue.Empty when nothing happened for `timeout` seconds."""
        event = self._events.get(timeout=timeout)
        if event is None:
            self._events.put(None)  # for whoever asks again
        return event

    def follow(self, on_event):
        """Hands every event to `on_event` until the program ends; its exit status. KeyboardInterrupt stops the run as
        Ctrl-C in a terminal does, waits for that, and is raised again."""
        try:
            while True:
                event = self.next_event()
                if event is None:
                    return self.wait()
                on_event(event)
        except KeyboardInterrupt:
            self.stop()
            raise
        except BaseException:
            self.close()
            raise

    def wait(self):
        status = self._process.wait()
        for reader in self._readers:
            reader.join()
        return status

    def text(self):
        """What it said on stderr: mistakes of the task, the error that it ended with."""
        return b"".join(self._text).decode("utf-8", "replace").strip()

    def interrupt(self):
        """Records under way get their time; the second time they do not."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def hurry(self):
        """Does not wait for anything. Two signals of a kind at once would be one."""
        self.interrupt()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def stop(self):
        """Records under way end, then the run; a second KeyboardInterrupt, or too long a wait, does not wait for them."""
        for _ in range(2):
            self.interrupt()
            try:
                self._process.wait(GRACE_S)
                break
            except (KeyboardInterrupt, subprocess.TimeoutExpired):
                pass
        self.close()

    def close(self):
        """Ends it now, in a state that can be resumed; does nothing when it has ended."""
        self.hurry()
        try:
            self._process.wait(HURRY_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self.wait()
