# SPDX-License-Identifier: Apache-2.0
"""Frames over a stream socket: u32 length, kind, payload, little-endian.

Reading is for one thread at a time. Anybody may `put` a frame; frames leave in that order, many in one send, when
somebody flushes.
"""
import collections
import json
import socket
import struct
import threading

HELLO, LOAD, CALL, CANCEL, FIGURES, EVENT = b"HLCXFE"

RAISED, TOO_LARGE, SENSELESS, CANCELED, USELESS = 1, 2, 3, 4, 5  # faults of an error frame

_HEAD = struct.Struct("<IB")
_CALL = struct.Struct("<QIQI")  # id, hook, seed, bytes of input
_RESULT = struct.Struct("<IBQI")  # length, kind, id, bytes of outputs
_ERROR = struct.Struct("<IBQBI")  # length, kind, id, fault, bytes of message
_NUMBERED = struct.Struct("<IBQ")
_CHUNK = 1 << 18
_LARGEST = 1 << 31


class Wire:
    def __init__(self, sock):
        self._sock = sock
        self._rest = b""  # the beginning of a frame whose end has not come
        self._wanted = 0  # bytes that `_rest` needs before there is anything to look for
        self._parts = []  # what follows `_rest` of a long frame
        self._held = 0
        self._out = collections.deque()
        self._sending = threading.Lock()
        self._sender = None  # the thread that has it

    def read(self, wait):
        """The frames that are there, as (kind, payload): a list, empty if nothing whole is. None: the other end has
        closed. With `wait`, blocks for at least a part of a frame.
        """
        try:
            data = self._sock.recv(_CHUNK, 0 if wait else socket.MSG_DONTWAIT)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data:
            return None
        if self._wanted:  # of a long frame: joined once, not at each piece
            self._parts.append(data)
            self._held += len(data)
            if self._held < self._wanted:
                return []
            data = b"".join(self._parts)
            self._parts, self._wanted, self._held = [], 0, 0
        return self._split(data)

    def _split(self, data):
        frames = []
        at, end = 0, len(data)
        while end - at >= 5:
            length, kind = _HEAD.unpack_from(data, at)
            if not 0 < length < _LARGEST:
                return None
            stop = at + 4 + length
            if stop > end:
                break
            frames.append((kind, data[at + 5 : stop]))
            at = stop
        if at < end:
            rest = data[at:]
            self._parts = [rest]
            self._held = len(rest)
            self._wanted = 4 + _HEAD.unpack_from(rest)[0] if len(rest) >= 5 else 5
        return frames

    def put(self, frame):
        """The frame leaves with the next flush."""
        self._out.append(frame)

    def held(self):
        """How many frames wait for a flush."""
        return len(self._out)

    def flush(self):
        """Sends all that has been put. A closed end is noticed by the reader."""
        me = threading.get_ident()
        if not self._out or self._sender == me:  # a signal handler or a __del__ of user code prints while we send
            return
        with self._sending:
            self._sender = me
            parts = []
            try:
                while True:
                    parts.append(self._out.popleft())
            except IndexError:
                pass
            try:
                self._sock.sendall(b"".join(parts))
            except OSError:
                pass
            finally:
                self._sender = None

    def shut(self):
        """The other end reads what was sent, then the end."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def close(self):
        """This process's descriptor only."""
        self._sock.close()


def split_call(payload):
    """(id, hook, seed, input, state) of a call."""
    number, hook, seed, n = _CALL.unpack_from(payload)
    middle = _CALL.size + n
    return number, hook, seed, payload[_CALL.size : middle], payload[middle:]


def number_of(payload):
    return int.from_bytes(payload[:8], "little")


def json_frame(kind, members):
    body = json.dumps(members).encode()
    return _HEAD.pack(1 + len(body), kind[0]) + body


def result_frame(number, outputs, effects):
    n = len(outputs)
    return _RESULT.pack(13 + n + len(effects), 114, number, n) + outputs + effects


def error_frame(number, fault, message, details=""):
    text = message.encode("utf-8", "backslashreplace")
    more = details.encode("utf-8", "backslashreplace")
    return _ERROR.pack(14 + len(text) + len(more), 101, number, fault, len(text)) + text + more


def print_frame(number, text):
    body = text.encode("utf-8", "backslashreplace")
    return _NUMBERED.pack(9 + len(body), 112, number) + body


def memory_frame(resident_bytes):
    return _NUMBERED.pack(9, 109, resident_bytes)
