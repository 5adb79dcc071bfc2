# SPDX-License-Identifier: Apache-2.0
"""What user code prints, by call.

sys.stdout and sys.stderr become streams that know the call that writes: whole lines go out as they come, the rest when
the call ends. What is written past them (os.write, C code, child processes) goes to descriptors 1 and 2, which are a
pipe that a thread reads; whose it is cannot be told, so it belongs to no call.
"""
import io
import os
import sys
import threading

from sygra.host import wire
from sygra.host.call import current

_PIECE = 60000  # characters of one print frame


class Stream(io.TextIOBase):
    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, say, fd):
        super().__init__()
        self._say = say
        self._fd = fd
        self._lines = threading.local()  # of code that belongs to no call, by thread
        self.buffer = _Bytes(self)

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        holder = current.get() or self._lines
        line = getattr(holder, "line", None)
        whole = line + text if line else text
        end = whole.rfind("\n")
        if end < 0 and len(whole) < _PIECE:
            holder.line = whole
            return len(text)
        rest = whole[end + 1 :] if end >= 0 else ""
        holder.line = rest or None
        self._say(getattr(holder, "id", 0), whole[:end] if end >= 0 else whole)
        return len(text)

    def flush(self):
        pass  # a line is one frame: print(…, end="", flush=True) does not cut it

    def reconfigure(self, **how):
        pass  # user code wants UTF-8, or lines to leave as they come: so it is

    def writable(self):
        return True

    def isatty(self):
        return False

    def fileno(self):
        return self._fd

    def close(self):
        pass  # user code may close it; prints of others go on


class _Bytes(io.RawIOBase):
    def __init__(self, stream):
        super().__init__()
        self._stream = stream

    def write(self, data):
        data = bytes(data)
        self._stream.write(data.decode("utf-8", "backslashreplace"))
        return len(data)

    def writable(self):
        return True

    def close(self):
        pass


class Prints:
    """`send` puts a frame and sees to it that it leaves soon."""

    def __init__(self, send):
        self._send = send
        self._reader = None

    def take_over(self):
        """Process-wide: streams, descriptors 1 and 2."""
        sys.stdout.flush()
        sys.stderr.flush()
        read_end, write_end = os.pipe()
        os.dup2(write_end, 1)
        os.dup2(write_end, 2)
        os.close(write_end)
        sys.stdout = Stream(self.say, 1)
        sys.stderr = Stream(self.say, 2)
        self._reader = threading.Thread(target=self._read, args=(read_end,), name="sygra-prints", daemon=True)
        self._reader.start()

    def give_back(self):
        """In a child process: there prints go to the pipe."""
        sys.stdout = sys.__stdout__
        sys.stderr = sys.__stderr__

    def leave(self):
        """Ends a child process."""
        try:
            sys.stdout.flush()
        finally:
            os._exit(0)

    def say(self, number, text):
        for at in range(0, len(text) or 1, _PIECE):
            self._send(wire.print_frame(number, text[at : at + _PIECE]))

    def end_of_call(self, call):
        if call.line:
            self.say(call.id, call.line)
            call.line = None

    def drain(self):
        """The host ends: waits a moment for what is in the pipe."""
        os.close(1)
        os.close(2)
        self._reader.join(0.5)

    def _read(self, fd):
        rest = b""
        while True:
            data = os.read(fd, 1 << 16)
            if not data:
                break
            lines = (rest + data).split(b"\n")
            rest = lines.pop()
            if len(rest) > _PIECE:
                lines.append(rest)
                rest = b""
            if lines:
                self.say(0, b"\n".join(lines).decode("utf-8", "backslashreplace"))
        if rest:
            self.say(0, rest.decode("utf-8", "backslashreplace"))
