#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Text in, text out: runs the cases of tests/cases/*/*.txt against the program named by BIN.

    run.py [FILE or FOLDER...] [-k TEXT] [--write]

A case is a title, which is a claim, and a triple: what is given, when which command runs, what is expected.

    === an unknown key that looks like a known one is an error
    --- given task/graph_config.yaml
    data_confg: {}
    --- when
    sygra check task
    --- expected 1
    task/graph_config.yaml:1:1: error: ...

given PATH        a file of the case's own folder, which is the working directory; several may be given. `given PATH raw`
                  takes \\xNN, \\n, \\t, \\\\ and joins the lines: for bytes that are no text. What stands before the first
                  title of a file is given to all its cases; a case's own file of the same name takes its place.
when              shell lines; `sygra` is the program. Default: that of the case before.
expected [STATUS] the whole output (stdout and stderr together) and the exit status, 0 when left out.
expected part     lines that stand in the output in this order, one after the other; any status.
expected none     texts, one a line, that stand nowhere in the output.

Output that differs is shown as a diff. --write puts what came in the place of what was expected; read the diff before you
commit it. A file whose first line that is no comment is not of this form belongs to another runner and is skipped.
"""
import argparse
import concurrent.futures
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
LIMIT_S = 60


class Case:
    def __init__(self, file, line, title, common, when):
        self.file, self.line, self.title = file, line, title
        self.given = dict(common)
        self.when = when
        self.expected = []  # [kind, text, first line, end line]


def unescape(text):
    def one(match):
        code = match.group(1)
        return {"n": b"\n", "t": b"\t", "\\": b"\\"}.get(code) or bytes([int(code[1:], 16)])

    out = b""
    for piece in re.split(r"(\\(?:x[0-9a-fA-F]{2}|n|t|\\))", text.replace("\n", "")):
        match = re.fullmatch(r"\\(.*)", piece)
        out += one(match) if match else piece.encode()
    return out


def is_ours(lines):
    for line in lines:
        if line.strip() and not line.startswith("#"):
            return line.startswith(("=== ", "--- "))
    return False


def read_cases(path):
    lines = path.read_text(encoding="utf-8").split("\n")
    if not is_ours(lines):
        return []
    cases, common, case, section, start = [], {}, None, None, 0

    def close(end):
        body = lines[start:end]
        while body and not body[-1].strip():
            body.pop()
        if section is None:
            return
        word, *rest = section.split()
        if word == "given":
            text = "".join(line + "\n" for line in body)
            target = case.given if case else common
            target[rest[0]] = unescape(text) if rest[1:] == ["raw"] else text.encode()
        elif word == "when" and case:
            case.when = "\n".join(body)
        elif word == "expected" and case:
            case.expected.append([" ".join(rest) or "0", body, start, start + len(body)])
        else:
            raise SystemExit(f"{path}:{start}: what is `--- {section}`?")

    for i, line in enumerate(lines):
        if line.startswith("=== "):
            close(i)
            section = None
            when = cases[-1].when if cases else ""
            case = Case(path, i + 1, line[4:].strip(), common, when)
            cases.append(case)
        elif line.startswith("--- "):
            close(i)
            section, start = line[4:].strip(), i + 1
    close(len(lines))
    return cases


def run(case, binary):
    """Returns (status, output lines)."""
    folder = Path(tempfile.mkdtemp(prefix="sygra-case-"))
    try:
        work = folder / "work"
        work.mkdir()
        for name, data in case.given.items():
            file = work / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        env = {k: v for k, v in os.environ.items() if not k.startswith("SYGRA_") and k != "CDPATH"}
        env.update(BIN=binary, HOME=str(folder), LC_ALL="C.UTF-8")
        script = 'sygra() { "$BIN" "$@"; }\n' + case.when
        done = subprocess.run(["sh", "-c", script], cwd=work, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=LIMIT_S, check=False)
        text = done.stdout.decode("utf-8", "backslashreplace")
        return done.returncode, text.rstrip("\n").split("\n") if text.strip("\n") else []
    except subprocess.TimeoutExpired:
        return -1, [f"(no end within {LIMIT_S} s)"]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def has_part(output, part):
    return any(output[i:i + len(part)] == part for i in range(len(output) - len(part) + 1))


def mistakes(case, status, output):
    """What is not as expected, as lines to print."""
    found = []
    for kind, body, _, _ in case.expected:
        if kind == "part":
            if not has_part(output, body):
                found += ["these lines do not stand in the output:"] + ["  " + line for line in body]
                found += ["the output is:"] + ["  " + line for line in output]
        elif kind == "none":
            for text in body:
                found += [f"{text!r} stands in the output: {line}" for line in output if text in line]
        else:
            if status != int(kind):
                found.append(f"exit status {status}, expected {kind}")
            found += list(difflib.unified_diff(body, output, "expected", "output", lineterm=""))
    if not case.expected:
        found.append("nothing is expected")
    return found


def write_back(cases, results):
    """Puts outputs in the place of whole-output expectations, from the end of each file on."""
    for case, (status, output) in sorted(zip(cases, results), key=lambda pair: -pair[0].line):
        lines = case.file.read_text(encoding="utf-8").split("\n")
        for kind, _, start, end in reversed(case.expected):
            if kind not in ("part", "none"):
                lines[start:end] = output
                lines[start - 1] = "--- expected" + (f" {status}" if status else "")
        case.file.write_text("\n".join(lines), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", type=Path, default=[HERE])
    parser.add_argument("-k", default="", help="only cases whose title holds this text")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    binary = os.environ.get("BIN")
    if not binary or not os.access(binary, os.X_OK):
        raise SystemExit("BIN must name the program to test")
    binary = str(Path(binary).resolve())
    files = [f for path in args.paths for f in (sorted(path.rglob("*.txt")) if path.is_dir() else [path])]
    cases = [case for file in files for case in read_cases(file) if args.k in case.title]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        results = list(pool.map(lambda case: run(case, binary), cases))
    if args.write:
        write_back(cases, results)
    failed = 0
    for case, (status, output) in zip(cases, results):
        found = [] if args.write else mistakes(case, status, output)
        if found:
            failed += 1
            print(f"FAIL {os.path.relpath(case.file)}:{case.line}: {case.title}")
            print("".join(f"    {line}\n" for line in found), end="")
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
