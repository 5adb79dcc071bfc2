#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Templates rendered by template_driver (its path in TEMPLATE_DRIVER) against Python's own str.format.

Python here stands in for langchain's templates, so what those refuse ({x.y}, {x[0]}, {0}) is not generated.
Usage: template_vs_python.py [cases] [seed]
"""
import json
import os
import random
import struct
import subprocess
import sys

CASES = int(sys.argv[1]) if len(sys.argv) > 1 else 6000
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 1
rng = random.Random(SEED)

KEYS = ["x", "y", " z ", "a-b", "é", "long name", "inc->number", '"a"']
PIECES = ["", "text ", "{{", "}}", "{{}}", "ü€𝄞", "\n", "a: b", '"', "'", "!", ":", "%s", "\\", "\0"]
BROKEN = ["{", "}", "{x", "{x!", "{x!q}", "{x!rr}", "{x!}", "{x:", "}{", "{{{", "{x}}", "{x:{y}", "{gone}", "{x!r"]
CHARS = "abcXYZ 019{}'\"\\\n\t\r\0\x01\x1f\x7f\x80\x9f\xa0\xad\xe9\u0378\u061c\u0600\u200b\u2028\u3000\u4e2d\ud7ff" \
        "\ue000\ufeff\ufffd\uffff\U0001f600\U0001d11e\U000e0001\U000f0000\U0010ffff\U000323af"
EDGE_FLOATS = [0.0, -0.0, 0.1, 1.0, -1.5, 1e15, 1e16, 123456789012345680.0, 1e17, 1e22, 1e23, 1e-4, 1e-5,
               5e-324, 2.2250738585072014e-308, 2.225073858507201e-308, 1.7976931348623157e308, 0.5, 1.5, 2.5, 0.05, 0.25,
               999999.5, 9.9999995, 1 / 3, 2 / 3, 100.0, 1e5, 123456.0, 2.0 ** -44, 2.0 ** 1000, -2.0 ** -1000, 4.5e15]
EDGE_INTS = [0, 1, -1, 9, 10, 99, 100, 999, 1000, -1000, 65, 0x10FFFF, 0x110000, 2 ** 31, 2 ** 63, -2 ** 63,
             2 ** 64, 2 ** 64 - 1, 10 ** 30, -10 ** 30, 2 ** 1023, 2 ** 1024, 2 ** 1024 - 2 ** 970,
             2 ** 1024 - 2 ** 970 - 1, 10 ** 400, 2 ** 53 + 1]
# Texts that json.loads reads as a float, among them what no repr would write.
FLOAT_TEXTS = ["1.10", "1e5", "1E400", "-1e400", "0.000", "-0.0", "0e0", "1e-400", "123456789.123456789", "100e-2",
               "0.00001", "0.0001000", "1.0000000000000001", "12345678901234567890.0", "1e15", "1e16", "1E+2",
               "9007199254740993.0", "0.1000000000000000055511151231257827", "2.2250738585072011e-308", "4.9e-324",
               "2.4e-324", "17.0e-1", "-0e5"]


def text():
    return "".join(rng.choice(CHARS) for _ in range(rng.randint(0, 8)))


def number():
    kind = rng.randrange(8)
    if kind == 0:
        return rng.choice(EDGE_FLOATS)
    if kind == 1:
        return rng.choice(EDGE_INTS)
    if kind == 2:
        return rng.randint(-10 ** rng.randint(1, 60), 10 ** rng.randint(1, 60))
    if kind == 3:  # any bits
        while (v := struct.unpack("<d", rng.randbytes(8))[0]) != v or v in (float("inf"), float("-inf")):
            pass
        return v
    if kind == 4:
        return round(rng.uniform(-1000, 1000), rng.randint(0, 6))
    if kind == 5:  # a power of two: its neighbours are not equally far
        return rng.choice([-1, 1]) * 2.0 ** rng.randint(-1074, 1023)
    if kind == 6:
        return json.loads(rng.choice(FLOAT_TEXTS))
    return rng.randint(-200, 200)


def value(depth=0):
    kind = rng.randrange(10 if depth < 3 else 8)
    if kind < 4:
        return number()
    if kind < 6:
        return text()
    if kind < 8:
        return rng.choice([None, True, False])
    if kind == 8:
        return [value(depth + 1) for _ in range(rng.randint(0, 3))]
    return {text(): value(depth + 1) for _ in range(rng.randint(0, 3))}


def maybe(chance, what):
    return what() if rng.random() < chance else ""


def spec():
    align = maybe(0.5, lambda: maybe(0.5, lambda: rng.choice("*0 é€𝄞<^z")) + rng.choice("<>^="))
    return (align + maybe(0.2, lambda: rng.choice("+- ")) + maybe(0.1, lambda: "z") + maybe(0.15, lambda: "#")
            + maybe(0.2, lambda: "0") + maybe(0.5, lambda: str(rng.choice([0, 1, 2, 5, 8, 9, 10, 11, 12, 13, 20, 50])))
            + maybe(0.2, lambda: rng.choice([",", "_", "_", ",", ",_", ",,"]))
            + maybe(0.3, lambda: "." + rng.choice(["0", "1", "2", "3", "6", "15", "17", "20", "40", "400", ""]))
            + maybe(0.6, lambda: rng.choice("sdboxXcneEfFgG%" + "dfges" * 3 + "qr")))


def placeholder():
    conversion = maybe(0.2, lambda: "!" + rng.choice("rsa"))
    return "{" + rng.choice(KEYS) + conversion + maybe(0.75, lambda: ":" + spec()) + "}"


def case():
    parts = [rng.choice(PIECES) if rng.random() < 0.5 else placeholder() for _ in range(rng.choice([1, 1, 2, 4]))]
    if rng.random() < 0.05:
        parts.insert(rng.randint(0, len(parts)), rng.choice(BROKEN))
    return {"template": "".join(parts), "state": {k: value() for k in KEYS}}


def expected(c):
    try:
        return c["template"].format(**c["state"])
    except (KeyError, ValueError, TypeError, OverflowError, IndexError):
        return None


def encode(c):
    """Floats go as repr, or now and then in another form of the same value; what json.loads made of 1E400 as 1E400."""
    def write(v):
        if isinstance(v, dict):
            return "{" + ",".join(json.dumps(k) + ":" + write(i) for k, i in v.items()) + "}"
        if isinstance(v, list):
            return "[" + ",".join(map(write, v)) + "]"
        if isinstance(v, float) and v in (float("inf"), float("-inf")):
            return "1E400" if v > 0 else "-1e400"
        if isinstance(v, float) and rng.random() < 0.3:
            return rng.choice(["%.20e", "%.16e", "%.30e"]) % v
        return json.dumps(v, ensure_ascii=rng.random() < 0.5)
    return write(c)


def main():
    sys.set_int_max_str_digits(0)
    cases = [case() for _ in range(CASES)]
    lines = "".join(encode(c) + "\n" for c in cases)
    run = subprocess.run([os.environ["TEMPLATE_DRIVER"]], input=lines.encode(), stdout=subprocess.PIPE, check=True)
    answers = run.stdout.decode().split("\n")[:-1]
    assert len(answers) == CASES, f"{len(answers)} answers to {CASES} cases"
    failed = errors = 0
    for c, line in zip(cases, answers):
        want, got = expected(c), json.loads(line).get("ok")
        errors += want is None
        if want == got:
            continue
        failed += 1
        if failed <= 10:
            print(f"FAIL {c['template']!r} with {c['state']!r}\n  python {want!r}\n  sygra  {line}")
    print(f"template_vs_python: seed {SEED}, {errors} cases are errors in Python")
    print(f"{CASES - failed} passed, {failed} failed")
    return failed != 0


sys.exit(main())
