# SPDX-License-Identifier: Apache-2.0
"""The records of a run: all of them at its end, or one by one while it goes.

The program appends finished records, in input order, to `<stem>.part`. That is JSON Lines, or a JSON array laid out with
indent 4, whose closing bracket is written over by the next record; above 25,000 records the array is written anew as
lines, under the same name. At the end the file is renamed.
"""
import json
import os
import re

ARRAY_RECORD_END = re.compile(rb"\n    (?:\}|\{\})")  # strings hold no line break, and inner braces stand further right
READ_BYTES = 1 << 20


def read(path):
    """All records of a finished file."""
    with open(path, encoding="utf-8", errors="surrogatepass") as file:
        if path.endswith(".jsonl"):
            return [json.loads(line) for line in file if line.strip()]
        return json.load(file)


class Results(list):
    """The records of a run's output, a list like any other, and what else is known of the run.

    figures      the summary event of the run: ok, failed, invalid, dropped, calls, tokens, cost, ...
    output       path of the output; None when it lay in a temporary folder
    failed       the records that failed, with node and reason, dicts
    """

    def __init__(self, records=(), figures=None, output=None, failed=()):
        super().__init__(records)
        self.figures = figures or {}
        self.output = output
        self.failed = list(failed)


def _identity(path):
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


class Follower:
    """Reads `<stem>.part` as it grows. `poll` gives what is new; `finish` the rest, once the output has its name."""

    def __init__(self, part):
        self._part = part
        self._stale = _identity(part)  # of an earlier run; it is not ours before it changes
        self._file = None
        self._at = 0  # behind the last whole record
        self._given = 0
        self._skip = 0  # records of a file that was written anew

    def poll(self):
        """An iterator over whole records that are there and were not given before."""
        self._follow(self._part)
        return self._new_records()

    def finish(self, path):
        self._follow(path)
        yield from self._new_records()
        self.close()

    def close(self):
        if self._file:
            self._file.close()
            self._file = None

    def _follow(self, path):
        try:
            now = os.stat(path)
        except FileNotFoundError:
            return  # not there yet, or renamed, and then the open file is the whole of it
        if self._stale and path == self._part and _identity(path) == self._stale:
            return
        self._stale = None
        if self._file and os.fstat(self._file.fileno()).st_ino == now.st_ino:
            return
        self.close()
        self._file = open(path, "rb")
        self._at, self._skip = 0, self._given

    def _new_records(self):
        while self._file:
            found = self._read_some()
            if not found:
                return
            for text in found:
                if self._skip:
                    self._skip -= 1
                    continue
                self._given += 1
                yield json.loads(text)

    def _read_some(self):
        """Texts of whole records from where we are; reads on as long as one record is larger than what was read."""
        size = READ_BYTES
        while True:
            self._file.seek(self._at)
            data = self._file.read(size)
            found, used = _split(data)
            self._at += used
            if found or len(data) < size:
                return found
            size *= 2


def _split(data):
    """(texts of whole records, bytes that they take)"""
    if data[:1] in (b"[", b",", b"\n", b"]"):
        return _split_array(data)
    used = data.rfind(b"\n") + 1
    return [line for line in data[:used].split(b"\n") if line], used


def _split_array(data):
    """A read beside a write may see the bracket of the old end in front of the new record."""
    found, used = [], 0
    for end in ARRAY_RECORD_END.finditer(data):
        found.append(data[used:end.end()].lstrip(b"[],\n "))
        used = end.end()
    return found, used
