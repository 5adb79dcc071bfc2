# SPDX-License-Identifier: Apache-2.0
"""A terminal for tests: a process on a real pseudo-terminal, and what its screen shows. Only the sequences that a plain program
sends are known; any other one is an error, so that nothing slips through unseen."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unicodedata

from lib import ENV

SEQUENCE = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])")
PART = re.compile(r"\x1b(\[(\??[0-9;]*)?)?\Z")


def width(c):
    if unicodedata.combining(c) or unicodedata.category(c) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(c) in "WF" else 1


class Screen:
    """Rows of cells (character, colour); `history` holds the rows that were scrolled out at the top."""

    def __init__(self, columns, rows):
        self.columns, self.height = columns, rows
        self.rows = [self.blank() for _ in range(rows)]
        self.history = []
        self.x = self.y = 0
        self.style = ""
        self.cursor = self.wraps = True
        self.cut = 0  # characters that had no room in a line that does not wrap
        self.rest = ""

    def blank(self):
        return [(" ", "")] * self.columns

    def resize(self, columns, rows):
        """As xterm does: lines are cut, not wrapped anew; empty ones at the bottom go first."""
        self.rows = [(r + [(" ", "")] * columns)[:columns] for r in self.rows]
        self.columns = columns
        while len(self.rows) > max(rows, self.y + 1) and self.rows[-1] == self.blank():
            self.rows.pop()
        while len(self.rows) > rows:
            self.history.append(self.rows.pop(0))
            self.y = max(0, self.y - 1)
        self.height = rows
        while len(self.rows) < rows:
            self.rows.append(self.blank())
        self.x = min(self.x, columns - 1)

    def feed(self, text):
        text, at = self.rest + text, 0
        part = PART.search(text)
        self.rest = part.group() if part else ""
        text = text[:len(text) - len(self.rest)]
        while at < len(text):
            c = text[at]
            if c == "\x1b":
                found = SEQUENCE.match(text, at)
                assert found, f"an unknown sequence: {text[at:at + 20]!r}"
                self.control(*found.groups())
                at = found.end()
                continue
            self.put(c)
            at += 1

    def control(self, private, numbers, what):
        n = int(numbers) if numbers.isdigit() else 1
        if private:
            assert numbers in ("7", "25") and what in "hl", f"an unknown mode: {numbers}{what}"
            setattr(self, "wraps" if numbers == "7" else "cursor", what == "h")
        elif what == "A":
            self.y = max(0, self.y - n)
        elif what == "K":
            self.rows[self.y][self.x:] = self.blank()[self.x:]
        elif what == "J":
            self.rows[self.y][self.x:] = self.blank()[self.x:]
            for y in range(self.y + 1, self.height):
                self.rows[y] = self.blank()
        elif what == "m":
            self.style = "" if numbers in ("", "0") else numbers
        else:
            raise AssertionError(f"an unknown sequence: {numbers}{what}")

    def put(self, c):
        if c == "\r":
            self.x = 0
        elif c == "\n":
            self.line_feed()
        elif c == "\b":
            self.x = max(0, self.x - 1)
        else:
            assert unicodedata.category(c) != "Cc", f"a control character: {c!r}"
            self.character(c)

    def line_feed(self):
        self.y += 1
        if self.y == self.height:
            self.history.append(self.rows.pop(0))
            self.rows.append(self.blank())
            self.y -= 1

    def character(self, c):
        w = width(c)
        if w == 0:
            x = max(0, self.x - 1)
            self.rows[self.y][x] = (self.rows[self.y][x][0] + c, self.rows[self.y][x][1])
            return
        if self.x + w > self.columns and not self.wraps:
            self.cut += 1
            self.x = self.columns - w
        elif self.x + w > self.columns:
            self.x = 0
            self.line_feed()
        self.rows[self.y][self.x] = (c, self.style)
        if w == 2:
            self.rows[self.y][self.x + 1] = ("", self.style)
        self.x += w

    def lines(self):
        return ["".join(c for c, _ in row).rstrip() for row in self.rows]

    def text(self):
        """All that was shown and not erased, from the first line on."""
        return "\n".join("".join(c for c, _ in row).rstrip() for row in self.history + self.rows).rstrip()


def own_terminal():
    """In a child: its terminal is the controlling one, whose signals it minds, also where these tests run under nohup."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


class Terminal:
    """Runs a command whose input, output and errors are a terminal of its own. Use as a context."""

    def __init__(self, command, columns=80, rows=24, env=None, cwd=None):
        self.screen = Screen(columns, rows)
        self.bytes = b""
        self.decoder = __import__("codecs").getincrementaldecoder("utf-8")("replace")
        self.master, slave = pty.openpty()
        self.size(columns, rows)
        base = {k: v for k, v in ENV.items() if k not in ("NO_COLOR", "LC_ALL", "LC_CTYPE")}
        self.process = subprocess.Popen(
            list(map(str, command)), stdin=slave, stdout=slave, stderr=slave, cwd=cwd, start_new_session=True,
            env={**base, "TERM": "xterm-256color", "LANG": "C.UTF-8", **(env or {})},
            preexec_fn=own_terminal)
        os.close(slave)

    def size(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns, rows):
        """Between two pictures, so that none is on its way that was made for another width."""
        assert self.read(10), "it ended"
        while select.select([self.master], [], [], 0.03)[0]:
            self.read(0)
        self.size(columns, rows)
        self.screen.resize(columns, rows)

    def read(self, seconds):
        """Whatever comes within that time; false when the other side is closed."""
        if not select.select([self.master], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.bytes += data
        self.screen.feed(self.decoder.decode(data))
        return bool(data)

    def until(self, wanted, seconds=60):
        """Reads until `wanted(screen text)` is true."""
        end = time.monotonic() + seconds
        while not wanted(self.screen.text()):
            assert time.monotonic() < end, f"it did not come; the screen:\n{self.screen.text()}"
            if not self.read(0.1):
                assert wanted(self.screen.text()), f"it ended; the screen:\n{self.screen.text()}"
                return

    def finish(self, seconds=60):
        """Reads to the end; the exit status."""
        end = time.monotonic() + seconds
        while self.read(0.1):
            assert time.monotonic() < end, f"it does not end; the screen:\n{self.screen.text()}"
        return self.process.wait(timeout=20)

    def hang_up(self):
        os.close(self.master)
        self.master = -1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(timeout=20)
        if self.master >= 0:
            os.close(self.master)
