#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Schema checks against what they promise to do: types as the real pydantic takes them in its lax mode, comparisons as
Python makes them. Drawn types and values go to schema_driver (its path in SCHEMA_DRIVER) and to pydantic.

Usage: schema_vs_pydantic.py [cases] [seed], with a Python that has pydantic (build/venv/bin/python; `make test` sees to it).
A union of several containers inside a set is not drawn: which of them pydantic would choose decides there.
"""
import collections
import json
import os
import random
import subprocess
import sys
import typing

import pydantic

CASES = int(sys.argv[1]) if len(sys.argv) > 1 else 12000
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 1
rng = random.Random(SEED)
sys.set_int_max_str_digits(0)  # of json.dumps; pydantic counts by itself

SCALARS = {"str": str, "int": int, "float": float, "bool": bool, "none": type(None), "NoneType": type(None), "any": typing.Any}
SPACES = ["", "", " ", "\t", "\n", "\x0b", "\x1c", "\x85", "\xa0", "\u1680", "\u2003", "\u2028", "\u3000", "\ufeff", "\0", "_"]
WORDS = ["0", "off", "f", "false", "n", "no", "1", "on", "t", "true", "y", "yes", "None", "null", "", "inf", "-inf", "infinity",
         "nan", "+nan", "in_f", "infin", "1e5", "1e400", "1e-400", "1_e5", "1._5", "._5", ".", "e5", ".e3", "1e", "1e+", "0x10", "1f",
         "0__7", "00_", "0_", "0_-1", "0-1", "-0-1", "+-5", "++5", "-_7", "0_.0", "1_.0", "00.0", "-00.0", "5.", ".5", "5.00", "5.01",
         "5_0.0", "\u0663", "\uff15", "12 3", "1,000", "1__0", "1" * 4300, "1" * 4301, "-" + "1" * 4301, "0" * 5000 + "1",
         "-" + "0" * 5000 + "1", "1_" * 4299 + "1", "1_" * 4300 + "1", "1" * 4300 + ".000", "\x10", "\x11", "y_es"]
FLOATS = [0.0, -0.0, 1.0, 0.5, -1.5, 2.0, 1e15, 2.0 ** 53, 2.0 ** 63, -2.0 ** 63, 9223372036854774784.0, -9223372036854777856.0, 1e19,
          1e300, 5e-324, 1e22, 0.1, 1.7976931348623157e308]
INTS = [0, 1, -1, 2, 2 ** 31, 2 ** 53, 2 ** 53 + 1, 2 ** 63 - 1, 2 ** 63, -2 ** 63, 2 ** 64, 10 ** 30, 10 ** 22, 10 ** 308, 10 ** 309,
        2 ** 1024 - 2 ** 970, 2 ** 1024 - 2 ** 970 - 1, -2 ** 1024, 10 ** 400]



def number_text():
    digits = "".join(rng.choice("0123456789") for _ in range(rng.randint(1, 25)))
    text = rng.choice(["", "-"]) + (digits.lstrip("0") or "0")
    if rng.random() < 0.4:
        text += "." + rng.choice(["0", "00", "5", digits])
    if rng.random() < 0.3:
        text += rng.choice(["e", "E"]) + rng.choice(["", "+", "-"]) + str(rng.choice([0, 1, 5, 20, 310, 400]))
    return text


def text():
    kind = rng.randrange(6)
    if kind == 0:
        return "".join(rng.choice("01_.-+eE5 ") for _ in range(rng.randint(0, 6)))
    body = rng.choice(WORDS) if kind < 4 else number_text()
    if rng.random() < 0.2:
        body = "".join(rng.choice([c.upper(), c.lower()]) for c in body)
    if rng.random() < 0.2 and body:
        at = rng.randrange(len(body) + 1)
        body = body[:at] + rng.choice("_0.-+e1 ") + body[at:]
    return rng.choice(SPACES) + body + rng.choice(SPACES)


def scalar():
    kind = rng.randrange(9)
    if kind < 3:
        return text()
    if kind == 3:
        return rng.choice(FLOATS)
    if kind == 4:
        return rng.choice(INTS)
    if kind == 5:
        return json.loads(number_text(), parse_float=lambda t: float(t) if abs(float(t)) != float("inf") else 1e308)
    if kind == 6:
        return rng.choice(["plain", "yes", "no"])
    return rng.choice([None, True, False, 0, 1])


def value(depth=3):
    kind = rng.randrange(10)
    if depth and kind == 0:
        return [value(depth - 1) for _ in range(rng.randint(0, 3))]
    if depth and kind == 1:
        return {text(): value(depth - 1) for _ in range(rng.randint(0, 3))}
    return scalar()


Type = collections.namedtuple("Type", "text python fits")  # fits(): a value that is likely to fit


def likely(name):
    if name == "str":
        return text()
    if name == "int":
        return rng.choice([str(rng.randint(-99, 99)), rng.randint(-99, 99), 5.0, True, "7.0"])
    if name == "float":
        return rng.choice([0.5, "1e5", 3, "-.5", False])
    if name == "bool":
        return rng.choice([True, "yes", "OFF", 1, 0.0])
    return None if name.lower().startswith("none") else value(2)


def blanks(word):
    word = "".join(rng.choice([c.upper(), c.lower()]) for c in word) if rng.random() < 0.3 else word
    return rng.choice(["", "", "", " "]) + word + rng.choice(["", "", "", " "])


def one_type(depth, in_set=False):
    kind = rng.choice(["scalar"] * 3 + (["list", "tuple", "set", "dict", "bare", "optional", "union"] if depth else []))
    if kind == "scalar":
        name = rng.choice(list(SCALARS))
        return Type(blanks(name), SCALARS[name], lambda: likely(name))
    if kind == "bare":
        name, python = rng.choice([("list", list), ("tuple", tuple), ("set", set), ("dict", dict)])
        return Type(blanks(name), python, lambda: {} if name == "dict" else [scalar() for _ in range(rng.randint(0, 2))])
    if kind == "dict":
        key, item = one_type(depth - 1), one_type(depth - 1)
        keys = lambda: next((k for k in (key.fits() for _ in range(5)) if isinstance(k, str)), "1")
        return Type(blanks("dict") + f"[{key.text},{item.text}]", dict[key.python, item.python],
                    lambda: {keys(): item.fits() for _ in range(rng.randint(0, 2))})
    if kind in ("optional", "union"):
        several = [one_type(0 if in_set else depth - 1, in_set) for _ in range(1 if kind == "optional" else rng.randint(2, 3))]
        chosen = rng.choice(several)
        if kind == "optional":
            return Type(blanks("optional") + f"[{chosen.text}]", typing.Optional[chosen.python],
                        lambda: rng.choice([None, chosen.fits()]))
        texts = [t.text for t in several]
        written = "|".join(texts) if rng.random() < 0.5 else blanks("union") + "[" + ",".join(texts) + "]"
        return Type(written, typing.Union[tuple(t.python for t in several)], lambda: chosen.fits())
    item = one_type(depth - 1, in_set or kind == "set")
    python = {"list": list[item.python], "tuple": tuple[item.python, ...], "set": set[item.python]}[kind]
    return Type(blanks(kind) + f"[{item.text}]", python, lambda: [item.fits() for _ in range(rng.randint(0, 3))])


def disturbed(v):
    """The value with one part of it replaced."""
    if isinstance(v, list) and v and rng.random() < 0.7:
        at = rng.randrange(len(v))
        return v[:at] + [disturbed(v[at])] + v[at + 1:]
    if isinstance(v, dict) and v and rng.random() < 0.7:
        at = rng.choice(list(v))
        return {**v, at: disturbed(v[at])}
    return value(1)


def verdict(text, python, v):
    try:
        pydantic.TypeAdapter(python).validate_python(v)
        expected = True
    except (pydantic.ValidationError, TypeError):
        expected = False
    return {"type": text, "value": v}, {"takes": expected}


def type_case():
    t = one_type(rng.choice([0, 0, 1, 2, 3]))
    v = t.fits() if rng.random() < 0.6 else value()
    return verdict(t.text, t.python, disturbed(v) if rng.random() < 0.4 else v)


def corners():
    """What is not left to the draw."""
    values = WORDS + FLOATS + INTS + [None, True, False, [], {}] + [s + w + s for s in SPACES for w in ("5", "1_0", "yes")]
    return [verdict(text, python, v) for text, python in SCALARS.items() for v in values]


def near(v):
    """Something that compares with v, often."""
    kind = rng.randrange(5)
    if isinstance(v, bool) or v is None or kind == 0:
        return value(2)
    if isinstance(v, (int, float)):
        if kind == 1:
            try:
                return float(v)
            except OverflowError:
                return 1.5
        if kind == 2 and v == v and abs(v) < 1e300:
            return int(v) + rng.choice([-1, 0, 1])
        return rng.choice([v, -v, rng.choice(FLOATS), rng.choice(INTS)])
    if isinstance(v, str):
        return rng.choice([v, v + "a", v[:-1], "\uffff" + v, "\U00010000" + v])
    if isinstance(v, list):
        return rng.choice([[near(x) for x in v], v[:-1], v + [1], list(v)])
    return rng.choice([dict(v), dict(reversed(v.items())), {k: near(x) for k, x in v.items()}])


def comparison():
    left = value(2) if rng.random() < 0.5 else rng.choice([rng.choice(FLOATS), rng.choice(INTS), rng.randint(-10 ** 20, 10 ** 20)])
    right = near(left)
    try:
        order = -1 if left < right else 1 if left > right else 0
    except TypeError:
        order = 2
    return {"left": left, "right": right}, {"order": order, "equal": left == right}


def main():
    cases = corners() + [type_case() if i % 3 else comparison() for i in range(CASES)]
    lines = "".join(json.dumps(question) + "\n" for question, _ in cases)
    done = subprocess.run([os.environ["SCHEMA_DRIVER"]], input=lines, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answers = done.stdout.splitlines()
    assert len(answers) == len(cases), f"{len(answers)} answers to {len(cases)} questions"
    failed, seen = 0, collections.Counter()
    for (question, expected), answer in zip(cases, answers):
        seen[json.dumps(expected)] += 1
        if json.loads(answer) == expected:
            continue
        failed += 1
        if failed <= 20:
            print(f"seed {SEED}: {json.dumps(question)[:300]}\n  expected {json.dumps(expected)}, got {answer}")
    for kind in ('{"takes": true}', '{"takes": false}'):
        assert seen[kind] > CASES / 10, f"the draw is lopsided: {seen}"
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
