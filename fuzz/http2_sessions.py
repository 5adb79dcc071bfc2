#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes sessions of a server of HTTP/2 into fuzz/corpus/http2_reply, a file each: what it sends to four requests, which are on the
streams 1, 3, 5 and 7 (RFC 9113; fields by RFC 7541, without Huffman's code but where it says so)."""
import pathlib
import struct

CORPUS = pathlib.Path(__file__).parent / "corpus/http2_reply"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, HAS_PRIORITY = 1, 1, 4, 8, 32
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM = 0, 1, 2, 7, 8, 11
STATUS_200, STATUS_404, STATUS_500 = b"\x88", b"\x8d", b"\x8e"


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def field(name, value):
    """Literal, not for the table, with its name."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def kept(name, value):
    """Literal, for the table: index 62 afterwards, until the next one comes."""
    return b"\x40" + field(name, value)[1:]


def settings(**values):
    names = {"table": 1, "streams": 3, "window": 4, "frame": 5, "list": 6}
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", names[k], v) for k, v in values.items()))


def headers(stream, fields, flags=END_HEADERS):
    return frame(HEADERS, flags, stream, fields)


def data(stream, body, flags=END_STREAM):
    return frame(DATA, flags, stream, body)


def padded(body, n):
    return bytes([n]) + body + bytes(n)


def reset(stream, error):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", error))


def goaway(last, error=NO_ERROR, words=b""):
    return frame(GOAWAY, 0, 0, struct.pack(">II", last, error) + words)


JSON = field(b"content-type", b"application/json")
BODY = b'{"choices":[{"message":{"role":"assistant","content":"Yes."}}]}'
BEGIN = settings(streams=100, window=65535) + frame(SETTINGS, ACK, 0)


def answer(stream, body=BODY, fields=STATUS_200 + JSON):
    return headers(stream, fields) + data(stream, body)


def length(n):
    return field(b"content-length", str(n).encode())


SESSIONS = {
    "four_answers": BEGIN + b"".join(answer(s) for s in (1, 3, 5, 7)),
    "interleaved": BEGIN + headers(3, STATUS_200 + JSON) + headers(1, STATUS_200) + data(3, BODY[:20], 0) + data(1, b"one", 0)
        + data(3, BODY[20:]) + data(1, b" two") + answer(7) + answer(5),
    "table_of_fields": BEGIN + headers(1, STATUS_200 + kept(b"content-type", b"text/plain")) + data(1, b"a")
        + headers(3, STATUS_200 + b"\xbe") + data(3, b"b") + headers(5, b"\x3f\x11" + STATUS_200 + b"\xbe") + data(5, b"c"),
    "huffman": BEGIN + headers(1, b"\x48\x82\x64\x02" + b"\x5f\x87" + bytes.fromhex("497ca589d34d1f")) + data(1, b"302"),
    "no_body": BEGIN + headers(1, field(b":status", b"204"), END_HEADERS | END_STREAM) + answer(3, b""),
    "padded": BEGIN + frame(HEADERS, END_HEADERS | PADDED, 1, padded(STATUS_200 + JSON, 5))
        + data(1, padded(BODY[:9], 200), PADDED) + data(1, padded(BODY[9:], 0), PADDED | END_STREAM),
    "pad_too_long": BEGIN + headers(1, STATUS_200) + data(1, b"\x20abc", PADDED | END_STREAM) + answer(3),
    "continued": BEGIN + headers(1, STATUS_200, 0) + frame(CONTINUATION, 0, 1, JSON[:7]) + frame(CONTINUATION, END_HEADERS, 1, JSON[7:])
        + data(1, BODY) + answer(3),
    "continued_by_another": BEGIN + headers(1, STATUS_200, 0) + frame(CONTINUATION, END_HEADERS, 3, JSON),
    "trailers": BEGIN + headers(1, STATUS_200 + JSON) + data(1, BODY, 0)
        + headers(1, field(b"grpc-status", b"0") + field(b"retry-after", b"5"), END_HEADERS | END_STREAM) + answer(3),
    "trailers_that_do_not_end": BEGIN + headers(1, STATUS_200) + data(1, b"x", 0) + headers(1, field(b"a", b"b")) + answer(3),
    "interim": BEGIN + headers(1, field(b":status", b"103") + field(b"link", b"</x>")) + headers(1, STATUS_200 + JSON) + data(1, BODY),
    "interim_that_ends": BEGIN + headers(1, field(b":status", b"100"), END_HEADERS | END_STREAM) + answer(3),
    "retry_after": BEGIN + headers(1, field(b":status", b"429") + field(b"retry-after", b"7"), END_HEADERS | END_STREAM)
        + headers(3, field(b":status", b"503") + field(b"retry-after-ms", b"1500")) + data(3, b"busy")
        + answer(5, b"late", STATUS_500 + field(b"retry-after", b"Wed, 21 Oct 2026 07:28:00 GMT")) + answer(7, b"", STATUS_404),
    "with_length": BEGIN + answer(1, BODY, STATUS_200 + length(len(BODY))) + answer(3, b"short", STATUS_200 + length(9))
        + answer(5, b"too long", STATUS_200 + length(3)),
    "goaway_after_one": BEGIN + answer(1) + goaway(1) + answer(3),
    "goaway_for_all": BEGIN + goaway(2 ** 31 - 1) + answer(1) + answer(3) + goaway(3) + answer(5),
    "goaway_twice": BEGIN + answer(1) + answer(3) + goaway(3) + headers(5, STATUS_200) + goaway(0) + data(5, BODY),
    "goaway_calm": BEGIN + goaway(0, ENHANCE_YOUR_CALM, b"too_many_pings"),
    "resets": BEGIN + reset(1, REFUSED_STREAM) + reset(3, ENHANCE_YOUR_CALM) + headers(5, STATUS_200) + data(5, b"half", 0)
        + reset(5, INTERNAL_ERROR) + answer(7) + reset(7, NO_ERROR),
    "reset_before_the_request_ends": BEGIN + headers(1, STATUS_200) + data(1, b"enough") + reset(1, NO_ERROR) + reset(3, CANCEL),
    "pings": BEGIN + frame(PING, 0, 0, b"12345678") + answer(1) + frame(PING, ACK, 0, b"87654321") + answer(3),
    "windows": settings(window=0, streams=1) + frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1000))
        + frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 5)) + settings(window=100000) + frame(SETTINGS, ACK, 0) + answer(1) + answer(3),
    "window_overflows": BEGIN + frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 2 ** 31 - 1)) + answer(3)
        + frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 2 ** 31 - 1)) + answer(5),
    "window_by_nothing": BEGIN + frame(WINDOW_UPDATE, 0, 1, bytes(4)) + answer(3),
    "settings_again": BEGIN + answer(1) + settings(streams=2, table=0, frame=20000, list=100) + answer(3) + settings(streams=0) + answer(5),
    "settings_wrong": settings(window=2 ** 31) + answer(1),
    "no_settings": answer(1) + answer(3),
    "priority": BEGIN + frame(PRIORITY, 0, 1, b"\0\0\0\3\x10") + frame(HEADERS, END_HEADERS | HAS_PRIORITY, 1, b"\x80\0\0\3\x10" + STATUS_200)
        + data(1, BODY),
    "push": BEGIN + frame(PUSH_PROMISE, END_HEADERS, 1, struct.pack(">I", 2) + b"\x82\x87\x84" + field(b":authority", b"localhost")) + answer(1),
    "unknown_frame": BEGIN + frame(0x2a, 0xff, 1, b"what is this") + answer(1) + frame(10, 0, 0, b"\0\x09localhost") + answer(3),
    "body_before_head": BEGIN + data(1, BODY, 0) + answer(1) + answer(3),
    "stream_of_nobody": BEGIN + answer(9) + answer(1),
    "even_stream": BEGIN + answer(2) + answer(1),
    "after_the_end": BEGIN + answer(1) + data(1, b"more") + answer(1) + answer(3),
    "head_too_large": BEGIN + headers(1, STATUS_200 + b"".join(field(b"x-%d" % i, b"v" * 100) for i in range(6))) + data(1, BODY) + answer(3),
    "body_too_large": BEGIN + headers(1, STATUS_200) + data(1, b"a" * 500, 0) + data(1, b"b" * 500, 0) + data(1, b"c") + answer(3),
    "two_statuses": BEGIN + headers(1, STATUS_200 + STATUS_404) + data(1, BODY) + answer(3),
    "no_status": BEGIN + headers(1, JSON) + data(1, BODY) + answer(3),
    "bad_status": BEGIN + answer(1, BODY, field(b":status", b"2x0")) + answer(3, BODY, field(b":status", b"000"))
        + answer(5, BODY, field(b":status", b"099")),
    "capitals": BEGIN + answer(1, BODY, STATUS_200 + field(b"Content-Type", b"text/plain")) + answer(3),
    "line_end_in_a_field": BEGIN + answer(1, BODY, STATUS_200 + field(b"content-type", b"a\r\nb: c")) + answer(3),
    "field_of_the_connection": BEGIN + answer(1, BODY, STATUS_200 + field(b"connection", b"close")) + answer(3),
    "index_of_nothing": BEGIN + headers(1, STATUS_200 + b"\xff\xff\xff\x0f") + data(1, BODY),
    "frame_too_long": BEGIN + b"\x00\x50\x00" + bytes([DATA, 0, 0, 0, 0, 1]) + BODY,
    "cut_in_a_frame": BEGIN + answer(1) + answer(3)[:-7],
    "http_1": b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
    "empty": b"",
}

if __name__ == "__main__":
    CORPUS.mkdir(exist_ok=True)
    for name, text in SESSIONS.items():
        (CORPUS / name).write_bytes(text)
